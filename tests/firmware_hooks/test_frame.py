"""Whole frames through callbacks: any even size and Bayer phase, with as much memory as there is."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.cfa import Cfa
from tests.firmware_hooks.engines import (
    ARENA_TOO_SMALL,
    BAD_ARGUMENT,
    BAD_SIZE,
    HALO_PX,
    NETWORKS,
    OK,
    STOPPED,
    USUAL,
    Arena,
    Fan,
    FrameStruct,
    Noise,
    NoiseStruct,
    RowFunction,
    mosaic_of,
)

BAYER = (Cfa.RGGB, Cfa.GRBG, Cfa.GBRG, Cfa.BGGR)
"""In the order of fan_bayer."""
MARGIN_PX = 32
FOUR_SCALES, ONE_SCALE = 0, 4
TOLERANCE = 2e-6


def expected_of(fan: Fan, specialist: int, mosaic: np.ndarray, cfa: Cfa, noise: Noise = USUAL) -> np.ndarray:
    """By one tile: the frame goes on by reflection to multiples of 16 and for the margin; zeros beyond."""
    height, width = mosaic.shape
    around = [(MARGIN_PX, MARGIN_PX + -size % 16) for size in (height, width)]
    axes = tuple(axis for axis in (0, 1) if cfa.position("R")[axis])
    tile = np.flip(np.pad(mosaic, around, mode="reflect"), axes)
    clean = np.flip(fan.denoised(specialist, np.ascontiguousarray(tile), noise), axes)
    return clean[MARGIN_PX : MARGIN_PX + height, MARGIN_PX : MARGIN_PX + width]


class Memory:
    """A frame whose callbacks look at what they are asked for."""

    def __init__(self, mosaic: np.ndarray, cfa: Cfa) -> None:
        self.mosaic = mosaic
        self.out = np.zeros_like(mosaic)
        self.times_written = np.zeros(mosaic.shape, np.uint8)
        self.asked = 0
        self.refuse_read = self.refuse_write = 2**32
        height, width = mosaic.shape
        read, write = RowFunction(self._guarded(self._read)), RowFunction(self._guarded(self._write))
        self.struct = FrameStruct(width, height, BAYER.index(cfa), None, read, write)
        self.errors: list[Exception] = []

    def _guarded(self, row: Callable[[int, int, np.ndarray], int]) -> Callable[..., int]:
        def called(_context: object, x: int, y: int, count: int, values: object) -> int:
            height, width = self.mosaic.shape
            if not (y < height and count > 0 and x + count <= width):
                self.errors.append(IndexError((x, y, count)))
                return 1
            return row(x, y, np.ctypeslib.as_array(values, (count,)))

        return called

    def _read(self, x: int, y: int, values: np.ndarray) -> int:
        self.asked += 1
        values[:] = self.mosaic[y, x : x + len(values)]
        return int(self.asked > self.refuse_read)

    def _write(self, x: int, y: int, values: np.ndarray) -> int:
        self.times_written[y, x : x + len(values)] += 1
        self.out[y, x : x + len(values)] = values
        return int(self.times_written.sum() > self.refuse_write)


def run(fan: Fan, specialist: int, memory: Memory, size_bytes: int, noise: Noise = USUAL) -> int:
    arena = Arena(size_bytes, 0xFF)
    told = NoiseStruct(noise.shot, noise.read)
    status = fan.frame_run(specialist, told, ctypes.byref(memory.struct), arena.address, size_bytes)
    assert not memory.errors
    return status


@pytest.mark.parametrize("cfa", Cfa)
@pytest.mark.parametrize("shape", [(2, 2), (34, 2), (2, 40), (18, 30), (64, 96), (50, 206)])
def test_any_even_size_and_phase(fan: Fan, shape: tuple[int, int], cfa: Cfa) -> None:
    mosaic = mosaic_of(*shape)
    expected = expected_of(fan, FOUR_SCALES, mosaic, cfa)
    all_columns = -(-shape[1] // 16) * 16
    for strip in sorted({16, 64, all_columns}):
        if strip > all_columns:
            continue
        memory = Memory(mosaic, cfa)
        assert run(fan, FOUR_SCALES, memory, fan.frame_bytes(FOUR_SCALES, shape[1], strip)) == OK
        assert (memory.times_written == 1).all()
        np.testing.assert_allclose(memory.out, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("specialist", range(len(NETWORKS)), ids=[each.name for each in NETWORKS])
def test_any_network(fan: Fan, specialist: int) -> None:
    """In one strip it is one tile, to the bit."""
    mosaic = mosaic_of(130, 70, seed=specialist)
    memory = Memory(mosaic, Cfa.GBRG)
    assert run(fan, specialist, memory, fan.frame_bytes(specialist, 70, 80)) == OK
    np.testing.assert_array_equal(memory.out, expected_of(fan, specialist, mosaic, Cfa.GBRG))


def test_without_noise_the_frame_is_copied(fan: Fan) -> None:
    mosaic, silent = mosaic_of(46, 70), Noise.of([0] * 3, [0] * 3)
    for specialist in (FOUR_SCALES, ONE_SCALE):
        memory = Memory(mosaic, Cfa.BGGR)
        assert run(fan, specialist, memory, fan.frame_bytes(specialist, 70, 32), silent) == OK
        assert memory.out.tobytes() == mosaic.tobytes()


@given(width=st.integers(1, 2000).map(lambda half: 2 * half), strip=st.integers(1, 130).map(lambda units: 16 * units))
def test_strips_are_the_widest_that_fit(fan: Fan, width: int, strip: int) -> None:
    whole = -(-width // 16) * 16
    size_bytes = fan.frame_bytes(FOUR_SCALES, width, strip)
    taken = fan.frame_strip(FOUR_SCALES, width, size_bytes)
    assert taken % 16 == 0
    assert fan.frame_bytes(FOUR_SCALES, width, taken) <= size_bytes
    # As many strips as the widest would be, and as wide as each other.
    assert -(-width // taken) <= -(-width // strip)
    assert taken <= whole
    one_less = fan.frame_strip(FOUR_SCALES, width, size_bytes - 1)
    assert one_less <= taken


def test_a_frame_needs_no_more_than_its_strips(fan: Fan) -> None:
    bytes_of = [fan.frame_bytes(FOUR_SCALES, 4000, strip) for strip in (16, 256, 1024, 4000, 8000)]
    assert bytes_of == sorted(bytes_of)
    assert bytes_of[-1] == bytes_of[-2]
    widest = 16 + 2 * HALO_PX
    assert bytes_of[0] < fan.arena_bytes(FOUR_SCALES, widest, 16) + 4 * 200 * widest
    assert fan.frame_strip(FOUR_SCALES, 4000, bytes_of[0] - 1) == 0
    assert fan.frame_strip(FOUR_SCALES, 4000, 2**40) == 4000


@pytest.mark.parametrize(
    ("specialist", "width", "strip"),
    [(len(NETWORKS), 64, 16), (0, 0, 16), (0, 63, 16), (0, 64, 0), (0, 64, 24), (0, 2**31, 16), (0, 64, 2**31)],
)
def test_no_bytes_for_what_there_is_not(fan: Fan, specialist: int, width: int, strip: int) -> None:
    assert fan.frame_bytes(specialist, width, strip) == 0


def test_a_frame_wider_than_a_tile_may_be_goes_in_strips(fan: Fan) -> None:
    assert fan.frame_bytes(ONE_SCALE, 40000, 40000) == 0
    memory = Memory(mosaic_of(2, 40000), Cfa.RGGB)
    strip = fan.frame_strip(ONE_SCALE, 40000, 2**40)
    assert 10000 < strip < 32768
    assert run(fan, ONE_SCALE, memory, fan.frame_bytes(ONE_SCALE, 40000, strip)) == OK
    assert (memory.times_written == 1).all()


@pytest.mark.parametrize("refused", ["read", "write"])
def test_a_callback_ends_the_run(fan: Fan, refused: str) -> None:
    memory = Memory(mosaic_of(64, 64), Cfa.RGGB)
    setattr(memory, f"refuse_{refused}", 5)
    assert run(fan, FOUR_SCALES, memory, fan.frame_bytes(FOUR_SCALES, 64, 64)) == STOPPED
    assert memory.times_written.sum() <= 64 if refused == "write" else memory.asked == 6


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"width": 63}, BAD_SIZE),
        ({"height": 0}, BAD_SIZE),
        ({"height": 15}, BAD_SIZE),
        ({"bayer": 4}, BAD_ARGUMENT),
        ({"bayer": -1}, BAD_ARGUMENT),
        ({"read": RowFunction()}, BAD_ARGUMENT),
        ({"write": RowFunction()}, BAD_ARGUMENT),
    ],
)
def test_bad_frames_are_told(fan: Fan, changes: dict[str, object], expected: int) -> None:
    memory = Memory(mosaic_of(16, 64), Cfa.RGGB)
    for name, value in changes.items():
        setattr(memory.struct, name, value)
    assert run(fan, 0, memory, fan.frame_bytes(0, 64, 64)) == expected
    assert not memory.asked


def test_bad_arguments_are_told(fan: Fan) -> None:
    memory, needed = Memory(mosaic_of(16, 64), Cfa.RGGB), fan.frame_bytes(0, 64, 16)
    frame, noise, arena = ctypes.byref(memory.struct), NoiseStruct(USUAL.shot, USUAL.read), Arena(needed + 64)
    assert fan.frame_run(len(NETWORKS), noise, frame, arena.address, needed) == BAD_ARGUMENT
    assert fan.frame_run(0, None, frame, arena.address, needed) == BAD_ARGUMENT
    assert fan.frame_run(0, noise, None, arena.address, needed) == BAD_ARGUMENT
    assert fan.frame_run(0, noise, frame, None, needed) == BAD_ARGUMENT
    assert fan.frame_run(0, noise, frame, arena.address + 4, needed) == BAD_ARGUMENT
    negative = NoiseStruct((-1.0, 0.0, 0.0), USUAL.read)
    assert fan.frame_run(0, negative, frame, arena.address, needed) == BAD_ARGUMENT
    assert fan.frame_run(0, noise, frame, arena.address, needed - 1) == ARENA_TOO_SMALL
    assert not memory.asked
