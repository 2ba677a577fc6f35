"""A bundle's library, run as the peers are: one image, the network's zeros beyond its edges.

Unlike the peers it takes the mosaic and gives the mosaic: packing, normalisation, the network and the residual.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from denoiser import bundle
from denoiser.compiled import MULTIPLE_PX
from denoiser.denoise import Denoiser, NoisePerColour
from denoiser.libfan import ARENA_ALIGNMENT_BYTES
from isp.cfa import Cfa


@dataclass(frozen=True)
class Strip:
    """Rows of a mosaic for one thread. start, stop: of what it needs; first, end: of what it gives."""

    start: int
    stop: int
    first: int
    end: int


def strips(height: int, count: int, halo_px: int) -> list[Strip]:
    """At most `count` strips of about the same height; every bound is a multiple of MULTIPLE_PX."""
    units = height // MULTIPLE_PX
    bounds = [MULTIPLE_PX * (units * index // count) for index in range(count + 1)]
    return [
        Strip(max(first - halo_px, 0), min(end + halo_px, height), first, end)
        for first, end in pairwise(bounds)
        if first < end
    ]


def open_library(
    folder: Path, model: str, noise: NoisePerColour, mosaic: np.ndarray, threads: int
) -> Callable[[], np.ndarray]:
    """What denoises a mosaic, RGGB float32 [H, W] of multiples of 16, in a strip for each thread."""
    library = bundle.read(folder).load()
    specialist = library.specialists.index(model)
    halo_px = -(-library.halo_px(specialist) // MULTIPLE_PX) * MULTIPLE_PX
    height, width = mosaic.shape
    todo = strips(height, threads, halo_px)
    arenas = [_arena(library.arena_bytes(specialist, each.stop - each.start, width)) for each in todo]
    pool = ThreadPoolExecutor(threads)

    def whole() -> np.ndarray:
        return library.run(specialist, noise, mosaic, arenas[0])

    def in_strips() -> np.ndarray:
        output = np.empty_like(mosaic)

        def run(strip: Strip, arena: np.ndarray) -> None:
            clean = library.run(specialist, noise, mosaic[strip.start : strip.stop], arena)
            output[strip.first : strip.end] = clean[strip.first - strip.start : strip.end - strip.start]

        for future in [pool.submit(run, strip, arena) for strip, arena in zip(todo, arenas, strict=True)]:
            future.result()
        return output

    return whole if len(todo) == 1 else in_strips


def open_denoiser(folder: Path, model: str, noise: NoisePerColour, mosaic: np.ndarray) -> Callable[[], np.ndarray]:
    """What denoises a mosaic as the ISP does: checked, reflected at the edges, OMP_NUM_THREADS threads."""
    denoiser = Denoiser(model, str(folder))
    return lambda: denoiser.denoise(mosaic, Cfa.RGGB, noise.shot, noise.read)


def _arena(size_bytes: int) -> np.ndarray:
    memory = np.empty(size_bytes + ARENA_ALIGNMENT_BYTES, np.uint8)
    offset = -memory.ctypes.data % ARENA_ALIGNMENT_BYTES
    return memory[offset : offset + size_bytes]
