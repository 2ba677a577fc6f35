"""The library of a bundle, `libfan.so`, through ctypes. Its ABI is described in the bundle's `include/fan.h`."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from denoiser.denoise import NoisePerColour
from isp.errors import InputError

ABI_VERSION: Final = 2
ARENA_ALIGNMENT_BYTES: Final = 64
MOST_PARTS: Final = 16
"""Threads that can share one tile."""
STATUS: Final = ("FAN_OK", "FAN_BAD_ARGUMENT", "FAN_BAD_SIZE", "FAN_ARENA_TOO_SMALL", "FAN_STOPPED")
REMEDY: Final = "make the bundle with `python -m compile --target host`"


class _Noise(ctypes.Structure):
    """fan_noise."""

    _fields_ = (("shot", ctypes.c_float * 3), ("read", ctypes.c_float * 3))


class _Team(ctypes.Structure):
    """fan_team: where the parts of a call see what the others do."""

    _fields_ = (("give_way", ctypes.c_void_p), ("groups", ctypes.c_uint32 * (MOST_PARTS * 16)))


def _new_team() -> _Team:
    give_way = getattr(ctypes.CDLL(None), "sched_yield", None)
    return _Team(ctypes.cast(give_way, ctypes.c_void_p) if give_way else None)


@dataclass(frozen=True)
class Call:
    """A tile that `parts` threads denoise together, each by `Library.run_part`.

    tile: RGGB mosaic float32 [H, W], contiguous, black 0, white 1, H and W multiples of 16; at the latest when its
    last part begins. clean: the same, filled when all parts have ended; what lies within the halo of its edges
    is not to be used. arena: uint8, contiguous, `Library.arena_bytes` at least, aligned to
    ARENA_ALIGNMENT_BYTES, of no other call.
    """

    specialist: int
    noise: NoisePerColour
    tile: np.ndarray
    clean: np.ndarray
    arena: np.ndarray
    parts: int
    _team: _Team = field(default_factory=_new_team)


class Library:
    """The functions of `libfan.so`; safe to call from several threads at once, which run in parallel.

    specialists: names of its networks; their position is what the functions know them by.
    """

    def __init__(self, path: Path, target: str) -> None:
        """target: what it was compiled for.

        Raises InputError for a file that doesn't load on this machine or has another ABI.
        """
        self.path = path
        try:
            self._functions = ctypes.CDLL(str(path.resolve()))
        except OSError as error:
            raise InputError(
                f"{path}: this machine can't load the library, which is for {target} ({error})",
                expected=f"one for this machine ({platform.machine()})",
                remedy=REMEDY,
            ) from error
        uint32, pointer, size = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t
        version = int(self._function("fan_abi_version", uint32)())
        if version != ABI_VERSION:
            raise InputError(f"{self.path}: ABI version {version}", expected=str(ABI_VERSION), remedy=REMEDY)
        self._halo = self._function("fan_halo", uint32, uint32)
        self._arena_bytes = self._function("fan_arena_bytes_of_parts", size, uint32, uint32, uint32, uint32)
        self._run_part = self._function(
            "fan_run_part",
            ctypes.c_int32,
            *(uint32, ctypes.POINTER(_Noise), pointer, size, pointer, size, uint32, uint32, pointer, size),
            *(uint32, uint32, ctypes.POINTER(_Team)),
        )
        name = self._function("fan_specialist_name", ctypes.c_char_p, uint32)
        specialist_count = int(self._function("fan_specialist_count", uint32)())
        self.specialists = tuple(name(index).decode() for index in range(specialist_count))

    def halo_px(self, specialist: int) -> int:
        """Pixels of the mosaic around a tile that may influence it."""
        return int(self._halo(specialist))

    def arena_bytes(self, specialist: int, height: int, width: int, parts: int) -> int:
        """Scratch memory that a tile's parts need together. Raises InputError for a size it can't run."""
        size_bytes = int(self._arena_bytes(specialist, width, height, parts))
        if not size_bytes:
            raise InputError(
                f"{self.path}: no tiles of {width} x {height} px in {parts} parts",
                expected=f"any multiples of 16, at most {MOST_PARTS} parts",
            )
        return size_bytes

    def run_part(self, call: Call, part: int) -> None:
        """One of the parts of a call, 0 to call.parts - 1; all are to be called, best at once."""
        height, width = call.tile.shape
        told = _Noise(call.noise.shot, call.noise.read)
        status = self._run_part(
            *(call.specialist, told, call.tile.ctypes.data, width, call.clean.ctypes.data, width, width, height),
            *(call.arena.ctypes.data, call.arena.nbytes, part, call.parts, call._team),
        )
        if status:
            reason = STATUS[status] if 0 < status < len(STATUS) else str(status)
            raise InputError(
                f"{self.path}: fan_run_part gave {reason} for a tile of {width} x {height} px",
                expected=STATUS[0],
                remedy=REMEDY,
            )

    def _function(self, name: str, result: type[Any], *arguments: type[Any]) -> Callable[..., Any]:
        try:
            function = self._functions[name]
        except AttributeError as error:
            raise InputError(
                f"{self.path}: no function {name}", expected="a library of a bundle", remedy=REMEDY
            ) from error
        function.restype, function.argtypes = result, arguments
        return function
