"""The library of a bundle, `libfan.so`, through ctypes. Its ABI is described in the bundle's `include/fan.h`."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from denoiser.denoise import NoisePerColour
from isp.errors import InputError

ABI_VERSION: Final = 1
ARENA_ALIGNMENT_BYTES: Final = 64
STATUS: Final = ("FAN_OK", "FAN_BAD_ARGUMENT", "FAN_BAD_SIZE", "FAN_ARENA_TOO_SMALL")
REMEDY: Final = "make the bundle with `python -m compile --target host`"


class _Noise(ctypes.Structure):
    """fan_noise."""

    _fields_ = (("shot", ctypes.c_float * 3), ("read", ctypes.c_float * 3))


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
        self._arena_bytes = self._function("fan_arena_bytes", size, uint32, uint32, uint32)
        self._run = self._function(
            "fan_run",
            ctypes.c_int32,
            *(uint32, ctypes.POINTER(_Noise), pointer, size, pointer, size, uint32, uint32, pointer, size),
        )
        name = self._function("fan_specialist_name", ctypes.c_char_p, uint32)
        specialist_count = int(self._function("fan_specialist_count", uint32)())
        self.specialists = tuple(name(index).decode() for index in range(specialist_count))

    def halo_px(self, specialist: int) -> int:
        """Pixels of the mosaic around a tile that may influence it."""
        return int(self._halo(specialist))

    def arena_bytes(self, specialist: int, height: int, width: int) -> int:
        """Scratch memory that `run` needs for a tile. Raises InputError for a size it can't run."""
        size_bytes = int(self._arena_bytes(specialist, width, height))
        if not size_bytes:
            raise InputError(f"{self.path}: no tiles of {width} x {height} px", expected="any multiples of 16")
        return size_bytes

    def run(self, specialist: int, noise: NoisePerColour, tile: np.ndarray, arena: np.ndarray) -> np.ndarray:
        """A tile denoised, as a new array; what lies within the halo of its edges is not to be used.

        tile: RGGB mosaic float32 [H, W], contiguous, black 0, white 1, H and W multiples of 16. arena: uint8,
        contiguous, `arena_bytes` at least, aligned to ARENA_ALIGNMENT_BYTES, of no other thread.
        """
        height, width = tile.shape
        clean = np.empty_like(tile)
        told = _Noise(noise.shot, noise.read)
        status = self._run(
            *(specialist, told, tile.ctypes.data, width, clean.ctypes.data, width, width, height),
            *(arena.ctypes.data, arena.nbytes),
        )
        if status:
            reason = STATUS[status] if 0 < status < len(STATUS) else str(status)
            raise InputError(
                f"{self.path}: fan_run gave {reason} for a tile of {width} x {height} px",
                expected=STATUS[0],
                remedy=REMEDY,
            )
        return clean

    def _function(self, name: str, result: type[Any], *arguments: type[Any]) -> Callable[..., Any]:
        try:
            function = self._functions[name]
        except AttributeError as error:
            raise InputError(
                f"{self.path}: no function {name}", expected="a library of a bundle", remedy=REMEDY
            ) from error
        function.restype, function.argtypes = result, arguments
        return function
