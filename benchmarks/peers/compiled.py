"""A bundle's library, run as the peers are: one image, the network's zeros beyond its edges.

Unlike the peers it takes the mosaic and gives the mosaic: packing, normalisation, the network and the residual.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from denoiser import bundle
from denoiser.denoise import Denoiser, NoisePerColour
from denoiser.libfan import ARENA_ALIGNMENT_BYTES, Call
from denoiser.thread_team import ThreadTeam
from isp.cfa import Cfa


def open_library(
    folder: Path, model: str, noise: NoisePerColour, mosaic: np.ndarray, threads: int
) -> Callable[[], np.ndarray]:
    """What denoises a mosaic, RGGB float32 [H, W] of multiples of 16, which the threads share."""
    library = bundle.read(folder).load()
    specialist = library.specialists.index(model)
    height, width = mosaic.shape
    arena = _arena(library.arena_bytes(specialist, height, width, threads))
    team = ThreadTeam(threads)

    # As the peers' answers, it has its place once and for all.
    clean = np.empty_like(mosaic)

    def denoised() -> np.ndarray:
        call = Call(specialist, noise, mosaic, clean, arena, threads)
        team.together(lambda part: library.run_part(call, part))
        return clean

    return denoised


def open_denoiser(folder: Path, model: str, noise: NoisePerColour, mosaic: np.ndarray) -> Callable[[], np.ndarray]:
    """What denoises a mosaic as the ISP does: checked, reflected at the edges, OMP_NUM_THREADS threads."""
    denoiser = Denoiser(model, str(folder))
    return lambda: denoiser.denoise(mosaic, Cfa.RGGB, noise.shot, noise.read)


def _arena(size_bytes: int) -> np.ndarray:
    memory = np.empty(size_bytes + ARENA_ALIGNMENT_BYTES, np.uint8)
    offset = -memory.ctypes.data % ARENA_ALIGNMENT_BYTES
    return memory[offset : offset + size_bytes]
