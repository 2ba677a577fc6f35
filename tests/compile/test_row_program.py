"""The schedule, played through row by row as the engine does: nothing is read before it is made or after it is gone,
and nothing is kept for longer than that takes."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compile.fusion import fuse
from compile.row_program import SAME, Ring, RowProgram, Rows, Timing, timing
from denoiser.network import Architecture, FeatureAlignNetwork
from tests.compile.graphs import graph_of
from tests.compile.small_networks import FOUR_SCALES, architectures, random_network

UNLIMITED = 10**6


class Missing(Exception):
    """A row that is not made yet, or no more there."""


@dataclass
class Playback:
    """Rings as the engine has them: row y of a layer lies in place y modulo the ring's capacity."""

    program: RowProgram
    times: Timing
    rows: int
    held: dict[Ring, dict[int, int]] = field(default_factory=dict)
    reads: dict[Ring, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = {ring: {} for ring in self.program.rings}

    def put(self, ring: Ring, row: int) -> None:
        self.held[ring][row % self.times.capacity[ring]] = row

    def read(self, ring: Ring, row: int) -> None:
        """Rows beyond the border are zeros, which are always there."""
        if 0 <= row < self.rows >> ring.scale and self.held[ring].get(row % self.times.capacity[ring]) != row:
            raise Missing(f"row {row} of a ring of scale {ring.scale}")

    def turns(self) -> list[int]:
        """Plays a whole frame; returns the rows of the answer in the order in which they come."""
        program, lag = self.program, self.times.lag
        per_turn, answers = 1 << program.coarsest, []
        for start in range(0, self.rows + lag[program.answer], per_turn):
            for y in range(start, min(start + per_turn, self.rows)):
                self.put(program.image, y)
            for step in program.steps:
                scale = step.target.scale
                first = (start >> scale) - lag[step.target]
                for y in range(max(first, 0), min(first + (per_turn >> scale), self.rows >> scale)):
                    for row in range(step.rows.first(y), step.rows.first(y) + step.rows.count):
                        self.read(step.source, row)
                    if step.side is not None:
                        self.read(step.side, y)
                    self.put(step.target, y)
            for y in range(start - lag[program.answer], start - lag[program.answer] + per_turn):
                if 0 <= y < self.rows:
                    self.read(program.answer, y)
                    answers.append(y)
        return answers


def program_of(architecture: Architecture) -> RowProgram:
    return fuse(graph_of(FeatureAlignNetwork(architecture)), 1)


def tall(program: RowProgram, times: Timing) -> int:
    """Rows enough that every layer comes to run as in the middle of a frame."""
    turns = 4 + max(times.lag[ring] << ring.scale for ring in program.rings) // (1 << program.coarsest)
    return turns << program.coarsest


def breaks(program: RowProgram, times: Timing) -> bool:
    try:
        answers = Playback(program, times, rows := tall(program, times)).turns()
    except Missing:
        return True
    return answers != list(range(rows))


@settings(max_examples=25, deadline=None)
@given(architecture=architectures(most_scales=5), turns=st.integers(1, 16))
def test_every_row_is_there_when_it_is_read(architecture: Architecture, turns: int) -> None:
    program = program_of(architecture)
    rows = turns << program.coarsest
    assert Playback(program, timing(program), rows).turns() == list(range(rows))


@settings(max_examples=10, deadline=None)
@given(architecture=architectures())
def test_no_layer_could_be_earlier(architecture: Architecture) -> None:
    program = program_of(architecture)
    lag, unlimited = timing(program).lag, dict.fromkeys(program.rings, UNLIMITED)
    assert not breaks(program, Timing(lag, unlimited))
    assert min(lag.values()) >= 0
    for step in program.steps:
        if lag[step.target] > 0:
            assert breaks(program, Timing({**lag, step.target: lag[step.target] - 1}, unlimited))


@settings(max_examples=10, deadline=None)
@given(architecture=architectures())
def test_no_ring_could_be_smaller(architecture: Architecture) -> None:
    program = program_of(architecture)
    times = timing(program)
    assert min(times.capacity.values()) >= 1
    for ring in program.rings:
        if times.capacity[ring] > 1:
            assert breaks(program, Timing(times.lag, {**times.capacity, ring: times.capacity[ring] - 1}))


def test_lags_and_rings_of_one_scale() -> None:
    """Stem, block, head: each looks one row ahead, so each is one row later and keeps three rows; the image is
    kept for the block's alignment, two rows behind, as well."""
    program = program_of(Architecture((4,), (1,), (), align_width=4))
    times = timing(program)
    assert [times.lag[ring] for ring in program.rings] == [0, 1, 2, 3]
    assert [times.capacity[ring] for ring in program.rings] == [3, 3, 3, 1]
    unaligned = program_of(Architecture((4,), (1,), (), align_width=0))
    assert [timing(unaligned).capacity[ring] for ring in unaligned.rings] == [3, 3, 3, 1]


def test_lags_and_rings_of_two_scales() -> None:
    """By hand. In a turn, two fine rows come in. The stem is 1 row late, its rows of a turn are -1 and 0; so of the
    coarse scale, row -1 can be made: lag 1. The coarse block then has lag 2, its row of a turn is -2. The fine rows
    made from it are -4 and -3: lag 4. The head needs one more: lag 5."""
    program = program_of(Architecture((4, 4), (0, 1), (0,), align_width=0))
    times = timing(program)
    image, stem, down, block, up, head = program.rings
    assert [times.lag[ring] for ring in program.rings] == [0, 1, 1, 2, 4, 5]
    # At the end of a turn the stem has row 0; down reads -2 and -1, and up, as its skip connection, -4 and -3.
    assert times.capacity == {image: 4, stem: 5, down: 3, block: 1, up: 4, head: 2}


def test_rows_that_are_read() -> None:
    assert [(SAME.first(y), SAME.last(y)) for y in (0, 5)] == [(0, 0), (5, 5)]
    halves = Rows(1, 1, 0, 1)
    assert [halves.first(y) for y in range(-3, 4)] == [-2, -1, -1, 0, 0, 1, 1]
    pairs = Rows(2, 0, 0, 2)
    assert [(pairs.first(y), pairs.last(y)) for y in (0, 3)] == [(0, 1), (6, 7)]
    around = Rows(1, 0, -1, 3)
    assert [(around.first(y), around.last(y)) for y in (0, 3)] == [(-1, 1), (2, 4)]


def test_the_playback_notices_what_is_wrong() -> None:
    """The test's own engine is not blind: too small a ring and too early a layer are found."""
    program = fuse(graph_of(random_network(FOUR_SCALES)), 1)
    times = timing(program)
    with pytest.raises(Missing):
        Playback(program, Timing(times.lag, {**times.capacity, program.image: 1}), 64).turns()
    with pytest.raises(Missing):
        Playback(program, Timing({**times.lag, program.answer: 0}, times.capacity), 64).turns()
