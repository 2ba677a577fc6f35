"""A network as a stream of rows: which kernel makes which rows from which, and when.

All layers advance together. In one turn the mosaic advances by as many rows as make one row of the coarsest
scale, and every layer makes the rows that its inputs allow; it lags behind the mosaic by as many rows
as the layers before it look ahead. So a layer keeps a few rows in a ring, whatever the frame's height, and no
row is ever computed twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compile.row_kernels.kernel import RowKernel


@dataclass(frozen=True, eq=False)
class Ring:
    """The last rows of one layer's output. scale: halvings from full packed resolution. channels: whole
    vectors."""

    scale: int
    channels: int


@dataclass(frozen=True)
class Rows:
    """Which input rows an output row y needs: `count` of them from (y * multiply >> shift) + origin on."""

    multiply: int
    shift: int
    origin: int
    count: int

    def last(self, row: int) -> int:
        return (row * self.multiply >> self.shift) + self.origin + self.count - 1

    def first(self, row: int) -> int:
        return (row * self.multiply >> self.shift) + self.origin


SAME = Rows(1, 0, 0, 1)
AROUND = Rows(1, 0, -1, 3)
PAIR = Rows(2, 0, 0, 2)
HALF = Rows(1, 1, 0, 1)


@dataclass(frozen=True, eq=False)
class Step:
    """One layer. rows: which rows of `source` it reads; of `side` it reads the row of its own number.
    parities: weights for even and odd output rows, one after the other, 2, or 1 if they are the same."""

    kernel: RowKernel
    source: Ring
    rows: Rows
    side: Ring | None
    target: Ring
    weights: np.ndarray
    parities: int


@dataclass(frozen=True)
class RowProgram:
    """steps: in the order in which they run within a turn. image, answer: where the stabilised mosaic
    comes in, and where the network's answer comes out."""

    image: Ring
    steps: tuple[Step, ...]
    answer: Ring

    @property
    def rings(self) -> tuple[Ring, ...]:
        return (self.image, *(step.target for step in self.steps))

    @property
    def coarsest(self) -> int:
        """Scale whose rows are one turn apart."""
        return max(ring.scale for ring in self.rings)


@dataclass(frozen=True)
class Timing:
    """lag: rows of its own scale by which each ring is behind the mosaic at the end of a turn. capacity:
    rows that it keeps."""

    lag: dict[Ring, int]
    capacity: dict[Ring, int]


def timing(program: RowProgram) -> Timing:
    """The smallest lags and rings with which no layer reads a row that is not there yet, or no more."""
    lag = {program.image: 0}
    for step in program.steps:
        needed = _lag_behind(lag[step.source], step.rows, step.source.scale, step.target.scale, program.coarsest)
        if step.side is not None:
            needed = max(needed, lag[step.side])
        lag[step.target] = needed
    capacity = dict.fromkeys(program.rings, 1)
    for step in program.steps:
        per_turn = _rows_per_turn(step.target.scale, program)
        start = -lag[step.target]
        for ring, rows in ((step.source, step.rows), (step.side, SAME)):
            if ring is None:
                continue
            newest = _rows_per_turn(ring.scale, program) - lag[ring] - 1
            oldest = min(rows.first(start + row) for row in range(per_turn))
            capacity[ring] = max(capacity[ring], newest - oldest + 1)
    answer = program.answer
    capacity[answer] = max(capacity[answer], _rows_per_turn(answer.scale, program))
    return Timing(lag, capacity)


def _rows_per_turn(scale: int, program: RowProgram) -> int:
    return 1 << (program.coarsest - scale)


def _lag_behind(source_lag: int, rows: Rows, source_scale: int, target_scale: int, coarsest: int) -> int:
    """The smallest lag with which the last row of every turn finds its inputs made."""
    newest_source = (1 << (coarsest - source_scale)) - source_lag - 1
    per_turn = 1 << (coarsest - target_scale)
    lag = 0
    while rows.last(per_turn - lag - 1) > newest_source:
        lag += 1
    return lag
