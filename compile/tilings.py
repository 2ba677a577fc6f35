"""Which register tile each kernel uses on a target."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt

from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling
from targets.descriptions import Target

UNROLLED = 8


def untuned(kernels: Iterable[RowKernel], target: Target) -> dict[RowKernel, Tiling]:
    """For each kernel, a tile that keeps its sums in half of the registers.

    A core without vectors loads each factor by itself: fewest where the tile is square.
    """
    sums = _registers(target) // 2
    columns = isqrt(sums) if _is_scalar(target) else min(COLUMNS, sums // 2)
    return dict.fromkeys(kernels, Tiling(columns, sums // columns, UNROLLED))


def _is_scalar(target: Target) -> bool:
    return set(target.lanes.values()) == {1}


def _registers(target: Target) -> int:
    """Of the kind that the target's kernels use: of vectors, or of the FPU."""
    architecture = target.triple.partition("-")[0]
    if architecture == "aarch64" or target.cpu == "x86-64-v4" or _is_scalar(target):
        return 32
    return 16 if architecture == "x86_64" else 8
