"""The network run by a bundle's library, over threads.

The library streams a tile row by row: its scratch memory grows with a tile's width but not with its
height, so a frame is one tile, which the threads share. Only a frame that would take too much memory is
cut into strips of full width, one after the other, since each computes its halo above and below anew. Strips
begin on the grid of `isp.tiling` and go on beyond the frame as its tiles do, so that the result is
PyTorch's to rounding; it is the same to the bit for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from denoiser import bundle
from denoiser.denoise import NoisePerColour, Progress
from denoiser.libfan import ARENA_ALIGNMENT_BYTES, MOST_PARTS, Call
from denoiser.models import Member
from denoiser.thread_team import ThreadTeam
from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.tiling import Span, span

MULTIPLE_PX: Final = 16
"""What the sides of a tile must be a multiple of."""

MAX_STRIP_PX: Final = 1 << 25
"""Most pixels in a strip, halo included: 8 bytes are held for each, its input and its output."""


@dataclass(frozen=True)
class Strip:
    """Rows of the frame that a tile of full width gives, and what it needs for them."""

    top: int
    height: int
    rows: Span
    columns: Span


class CompiledBackend:
    """Denoises with the library of a bundle, in as many threads as `thread_count` says when it is made.

    The library is loaded at once; scratch memory is kept from one frame to the next. Callers' threads take turns.
    """

    def __init__(self, folder: Path, model: str) -> None:
        """Raises ConfigError if there is no such folder or the bundle doesn't hold the model, InputError
        for a bundle that can't be used on this machine."""
        opened = bundle.read(folder)
        self.choice = opened.resolve(model)
        self._library = opened.load()
        manifest = opened.manifest
        self._description = f"{manifest.target} {manifest.precision}, library SHA-256 {opened.library_sha256}"
        self._team = ThreadTeam(min(thread_count(), MOST_PARTS))
        self._one_at_a_time = threading.Lock()
        self._memory = np.empty(0, np.uint8)

    @property
    def description(self) -> str:
        return self._description

    def loaded(self, member: Member) -> NoReturn:
        """Raises ConfigError: a library has no layers to look at."""
        raise ConfigError(f"{member.name} is compiled", expected="a network in PyTorch", remedy="use the backend torch")

    def denoise_once(
        self, mosaic: np.ndarray, cfa: Cfa, member: Member, noise: NoisePerColour, progress: Progress
    ) -> np.ndarray:
        """One pass over a mosaic, as `denoiser.denoise.Backend` says."""
        specialist = self._library.specialists.index(member.name)
        halo_px = _rounded_up(self._library.halo_px(specialist))
        height, width = mosaic.shape
        output = np.empty_like(mosaic)
        todo = list(strips(height, width, halo_px))
        with self._one_at_a_time:
            for done, strip in enumerate(todo, 1):
                self._run(specialist, noise, mosaic, cfa, strip, output)
                progress(done, len(todo))
        return output

    def _run(
        self, specialist: int, noise: NoisePerColour, mosaic: np.ndarray, cfa: Cfa, strip: Strip, output: np.ndarray
    ) -> None:
        """Denoises a strip of a mosaic into its place in the output."""
        parts, shape = self._team.size, (len(strip.rows.indices), len(strip.columns.indices))
        tile, clean = np.empty(shape, np.float32), np.empty(shape, np.float32)
        arena = self._arena(self._library.arena_bytes(specialist, *shape, parts))
        call = Call(specialist, noise, tile, clean, arena, parts)

        def cut(part: int) -> None:
            cut_out(mosaic, cfa, strip, tile, _share(shape[0], part, parts))

        def put(part: int) -> None:
            rows, top = _share(strip.height, part, parts), strip.rows.before
            columns = slice(strip.columns.before, strip.columns.before + output.shape[1])
            output[strip.top : strip.top + strip.height][rows] = in_phase[top : top + strip.height, columns][rows]

        in_phase = _in_phase(clean, cfa)
        self._team.together(cut)
        self._team.together(lambda part: self._library.run_part(call, part))
        self._team.together(put)

    def _arena(self, size_bytes: int) -> np.ndarray:
        """Scratch memory, uint8, aligned."""
        if self._memory.nbytes < size_bytes:
            memory = np.empty(size_bytes + ARENA_ALIGNMENT_BYTES, np.uint8)
            offset = -memory.ctypes.data % ARENA_ALIGNMENT_BYTES
            self._memory = memory[offset : offset + size_bytes]
        return self._memory


def thread_count() -> int:
    """Threads to compute with, as PyTorch would: OMP_NUM_THREADS, else the CPUs this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # then those of nested loops
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def strips(height: int, width: int, halo_px: int) -> Iterator[Strip]:
    """A frame in strips from top to bottom: one, or as many as MAX_STRIP_PX asks for, but so few that at most half of
    each is halo, save the last. halo_px: a multiple of MULTIPLE_PX."""
    columns = span(0, width, width, halo_px, MULTIPLE_PX)
    tallest = max(MAX_STRIP_PX // len(columns.indices) - 2 * halo_px, 1)
    strip_count = min(-(-height // tallest), max(height // max(2 * halo_px, MULTIPLE_PX), 1))
    rows = _rounded_up(-(-height // strip_count))
    for top in range(0, height, rows):
        given = min(rows, height - top)
        yield Strip(top, given, span(top, given, height, halo_px, MULTIPLE_PX), columns)


def cut_out(mosaic: np.ndarray, cfa: Cfa, strip: Strip, tile: np.ndarray, rows: slice) -> None:
    """Fills rows of a strip with its halo, an RGGB mosaic float32; the rows are those of the mosaic's own phase."""
    columns, left = strip.columns.indices, strip.columns.before
    end = left + mosaic.shape[1]
    filled = _in_phase(tile, cfa)[rows]
    inside = filled[:, left:end]
    for row, source in zip(inside, strip.rows.indices[rows], strict=True):  # one copy, which indexing would double
        row[:] = mosaic[source]
    filled[:, :left] = inside[:, columns[:left]]
    filled[:, end:] = inside[:, columns[end:]]


def _share(count: int, part: int, parts: int) -> slice:
    """A part's of so many rows."""
    return slice(count * part // parts, count * (part + 1) // parts)


def _rounded_up(px: int) -> int:
    return -(-px // MULTIPLE_PX) * MULTIPLE_PX


def _in_phase(rggb: np.ndarray, cfa: Cfa) -> np.ndarray:
    """A view of an RGGB mosaic of even size in another phase; flipped, never rolled, as in `denoiser.packing`."""
    return np.flip(rggb, tuple(axis for axis, odd in enumerate(cfa.position("R")) if odd))
