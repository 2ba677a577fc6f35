"""Which register tile each kernel uses on a target."""

from __future__ import annotations

from collections.abc import Iterable

from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling
from targets.descriptions import Target

UNROLLED = 8


def untuned(kernels: Iterable[RowKernel], target: Target) -> dict[RowKernel, Tiling]:
    """For each kernel, a tile that keeps its sums in half of the vector registers."""
    sums = _vector_registers(target) // 2
    columns = min(COLUMNS, sums // 2)
    return dict.fromkeys(kernels, Tiling(columns, sums // columns, UNROLLED))


def _vector_registers(target: Target) -> int:
    """Of the kind that the target's kernels use."""
    architecture = target.triple.partition("-")[0]
    if architecture == "aarch64" or target.cpu == "x86-64-v4":
        return 32
    return 16 if architecture == "x86_64" else 8
