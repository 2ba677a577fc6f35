"""Which register tile each kernel uses on a target."""

from __future__ import annotations

from collections.abc import Iterable

from compile.row_kernels.kernel import MOST_COLUMNS, RowKernel, Tiling
from targets.descriptions import Precision, Target


def untuned(kernels: Iterable[RowKernel], target: Target, precision: Precision) -> dict[RowKernel, Tiling]:
    """For each kernel, a tile that keeps its sums in half of the vector registers."""
    lanes = target.lanes[precision]
    sums = _vector_registers(target) // 2
    columns = min(MOST_COLUMNS, max(sums // 2, 1))
    return {kernel: Tiling(lanes, columns, max(sums // columns, 1)) for kernel in kernels}


def _vector_registers(target: Target) -> int:
    """Of the widest kind that the target's kernels use."""
    architecture = target.triple.partition("-")[0]
    if architecture == "aarch64" or target.cpu == "x86-64-v4":
        return 32
    if architecture == "x86_64":
        return 16
    return 8
