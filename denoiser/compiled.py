"""The network run by a bundle's library, over threads.

The library streams a tile row by row: its scratch memory grows with a tile's width but not with its
height, so a frame is cut into strips of full width, one for each thread. Only a frame whose strips would
take too much memory is cut into more, since each strip computes its halo above and below anew. Strips
begin on the grid of `denoiser.tiling` and go on beyond the frame as its tiles do, so that the result is
PyTorch's to rounding; it is the same to the bit for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from denoiser import bundle
from denoiser.denoise import NoisePerColour, Progress
from denoiser.libfan import ARENA_ALIGNMENT_BYTES
from denoiser.models import Member
from denoiser.tiling import Span, span
from isp.cfa import Cfa
from isp.errors import ConfigError

MULTIPLE_PX: Final = 16
"""What the sides of a tile must be a multiple of."""

MAX_STRIP_PX: Final = 1 << 24
"""Most pixels in a strip, halo included: each thread holds 8 bytes for each, its input and its output."""


@dataclass(frozen=True)
class Strip:
    """Rows of the frame that a tile of full width gives, and what it needs for them."""

    top: int
    height: int
    rows: Span
    columns: Span


class CompiledBackend:
    """Denoises with the library of a bundle, in as many threads as `thread_count` says when it is made.

    The library is loaded at once; each thread keeps its scratch memory from one strip to the next.
    """

    def __init__(self, folder: Path, model: str) -> None:
        """Raises ConfigError if there is no such folder or the bundle doesn't hold the model, InputError
        for a bundle that can't be used on this machine."""
        opened = bundle.read(folder)
        self.choice = opened.resolve(model)
        self._library = opened.load()
        manifest = opened.manifest
        self._description = f"{manifest.target} {manifest.precision}, library SHA-256 {opened.library_sha256}"
        self._threads = thread_count()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="denoise")
        self._of_thread = threading.local()

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

        def run(strip: Strip) -> None:
            tile = cut_out(mosaic, cfa, strip)
            arena = self._arena(self._library.arena_bytes(specialist, *tile.shape))
            clean = _in_phase(self._library.run(specialist, noise, tile, arena), cfa)
            top, left = strip.rows.before, strip.columns.before
            output[strip.top : strip.top + strip.height] = clean[top : top + strip.height, left : left + width]

        futures = [self._pool.submit(run, strip) for strip in strips(height, width, halo_px, self._threads)]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                progress(done, len(futures))
        finally:
            for future in futures:  # those not begun, after an error or Ctrl-C
                future.cancel()
        return output

    def _arena(self, size_bytes: int) -> np.ndarray:
        """This thread's scratch memory, uint8, aligned."""
        arena: np.ndarray | None = getattr(self._of_thread, "arena", None)
        if arena is None or arena.nbytes < size_bytes:
            memory = np.empty(size_bytes + ARENA_ALIGNMENT_BYTES, np.uint8)
            offset = -memory.ctypes.data % ARENA_ALIGNMENT_BYTES
            arena = self._of_thread.arena = memory[offset : offset + size_bytes]
        return arena


def thread_count() -> int:
    """Threads to compute with, as PyTorch would: OMP_NUM_THREADS, else the CPUs this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # then those of nested loops
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def strips(height: int, width: int, halo_px: int, threads: int) -> Iterator[Strip]:
    """A frame in strips from top to bottom: one for each thread, or as many more as MAX_STRIP_PX asks for, but
    so few that at most half of each is halo, save the last. halo_px: a multiple of MULTIPLE_PX."""
    columns = span(0, width, width, halo_px, MULTIPLE_PX)
    tallest = max(MAX_STRIP_PX // len(columns.indices) - 2 * halo_px, 1)
    rounds = -(-height // (threads * tallest))
    strip_count = min(rounds * threads, max(height // max(2 * halo_px, MULTIPLE_PX), 1))
    rows = _rounded_up(-(-height // strip_count))
    for top in range(0, height, rows):
        given = min(rows, height - top)
        yield Strip(top, given, span(top, given, height, halo_px, MULTIPLE_PX), columns)


def cut_out(mosaic: np.ndarray, cfa: Cfa, strip: Strip) -> np.ndarray:
    """A strip with its halo, as a contiguous RGGB mosaic float32."""
    rows, columns, left = strip.rows.indices, strip.columns.indices, strip.columns.before
    end = left + mosaic.shape[1]
    rggb = np.empty((len(rows), len(columns)), np.float32)
    tile = _in_phase(rggb, cfa)
    inside = tile[:, left:end]
    for row, source in zip(inside, rows, strict=True):  # one copy, which indexing by arrays would double
        row[:] = mosaic[source]
    tile[:, :left] = inside[:, columns[:left]]
    tile[:, end:] = inside[:, columns[end:]]
    return rggb


def _rounded_up(px: int) -> int:
    return -(-px // MULTIPLE_PX) * MULTIPLE_PX


def _in_phase(rggb: np.ndarray, cfa: Cfa) -> np.ndarray:
    """A view of an RGGB mosaic of even size in another phase; flipped, never rolled, as in `denoiser.packing`."""
    return np.flip(rggb, tuple(axis for axis, odd in enumerate(cfa.position("R")) if odd))
