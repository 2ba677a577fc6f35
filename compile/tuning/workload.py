"""Arguments that a kernel is measured with: a row of 256 columns, random features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tvm.tirx import PrimFunc

from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling, Vectors, scheduled

CHUNKS = 32
ROWS_APART = 1 << 16
"""Values between the input rows, and from the start of `rows` to the first; more than any row takes."""
ROW_OFFSETS = tuple(ROWS_APART * n + 1024 for n in range(3))
ROWS_VALUES = 3 * ROWS_APART + 1024
SIDE_VALUES = ROWS_APART
CANDIDATE = "candidate_"
"""What the names of tilings that are measured begin with."""


@dataclass(frozen=True)
class Workload:
    """Types and sizes, in values, of a kernel's arrays."""

    rows: np.dtype
    side: np.dtype
    weights: np.dtype
    weights_values: int
    out: np.dtype
    out_shape: tuple[int, ...]

    @property
    def out_values(self) -> int:
        return math.prod(self.out_shape)


def candidates(kernel: RowKernel, vectors: Vectors, tilings: Sequence[Tiling]) -> dict[str, PrimFunc]:
    """A kernel with each tiling, under a C name of its own."""
    return {f"{CANDIDATE}{index}": scheduled(kernel, vectors, tiling) for index, tiling in enumerate(tilings)}


def workload(kernel: RowKernel, vectors: Vectors) -> Workload:
    """What CHUNKS chunks of a kernel read and write."""
    function: PrimFunc = kernel.computation(vectors)
    rows, _, _, _, side, weights, _, out = function.params
    inner = [int(size) for size in list(out.ty.shape)[1:]]
    return Workload(
        _type(rows), _type(side), _type(weights), int(weights.ty.shape[0]), _type(out), (CHUNKS * COLUMNS, *inner)
    )


def _type(buffer: object) -> np.dtype:
    return np.dtype(str(buffer.ty.dtype))  # type: ignore[attr-defined]
