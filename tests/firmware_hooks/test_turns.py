"""A call in turns: the same result as fan_run's, and rows that are final as soon as they are said to be done."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tests.firmware_hooks.engines import (
    BAD_SIZE,
    NETWORKS,
    OK,
    USUAL,
    Arena,
    Fan,
    Noise,
    NoiseStruct,
    mosaic_of,
)

LARGE_ENOUGH = ctypes.c_uint64 * 1024
"""For a fan_call."""


@pytest.mark.parametrize("specialist", range(len(NETWORKS)), ids=[each.name for each in NETWORKS])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (208, 48)])
def test_turns_make_what_one_run_makes(fan: Fan, specialist: int, height: int, width: int) -> None:
    mosaic, out = mosaic_of(height, width), np.full((height, width), 7, np.float32)
    arena, call = Arena(fan.arena_bytes(specialist, width, height), 0xFF), LARGE_ENOUGH(*[2**64 - 1] * 1024)
    begun = fan.begin(
        *(call, specialist, NoiseStruct(USUAL.shot, USUAL.read), mosaic.ctypes.data, width, out.ctypes.data, width),
        *(width, height, arena.address, arena.size_bytes),
    )
    assert begun == OK
    assert fan.rows_done(call) == 0
    expected, done, more, turns = fan.denoised(specialist, mosaic, USUAL), 0, 1, 0
    while more:
        more, before, turns = fan.advance(call), done, turns + 1
        done = fan.rows_done(call)
        assert before <= done <= before + 16
        assert out[:done].tobytes() == expected[:done].tobytes()
        assert (out[done:] == 7).all()
        assert turns < 200
    assert done == height
    assert turns > height // 16
    assert fan.advance(call) == 0
    assert fan.rows_done(call) == height
    assert out.tobytes() == expected.tobytes()


def test_without_noise_a_turn_is_as_long(fan: Fan) -> None:
    mosaic, out, call = mosaic_of(48, 32), np.empty((48, 32), np.float32), LARGE_ENOUGH()
    arena, noise = Arena(fan.arena_bytes(0, 32, 48)), Noise.of([0] * 3, [0] * 3)
    given = (NoiseStruct(noise.shot, noise.read), mosaic.ctypes.data, 32, out.ctypes.data, 32, 32, 48)
    assert fan.begin(call, 0, *given, arena.address, arena.size_bytes) == OK
    rows = []
    while fan.advance(call):
        rows.append(fan.rows_done(call))
    assert rows == [16, 32]
    assert out.tobytes() == mosaic.tobytes()


def test_a_refused_call_makes_no_turn(fan: Fan) -> None:
    mosaic, arena, call = mosaic_of(32, 32), Arena(fan.arena_bytes(0, 32, 32)), LARGE_ENOUGH(*[7] * 1024)
    out = np.full((32, 32), 7, np.float32)
    given = (NoiseStruct(USUAL.shot, USUAL.read), mosaic.ctypes.data, 32, out.ctypes.data, 32, 32, 31)
    assert fan.begin(call, 0, *given, arena.address, arena.size_bytes) == BAD_SIZE
    assert fan.advance(call) == 0
    assert fan.rows_done(call) == 0
    assert (out == 7).all()
