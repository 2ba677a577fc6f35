"""Scaling and rounding against whole numbers of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compile.ethos_u.simulator import SimulationError, UnmodelledError
from compile.ethos_u.simulator.operations import OutputStage, Rounding
from compile.ethos_u.simulator.rounding import LIMIT, Multipliers, finished, scaled, single

VALUES = st.integers(-(2**31), 2**31 - 1)
MULTIPLIERS = st.integers(0, 2**31 - 1)
SHIFTS = st.integers(0, 63)


def once(value: int, multiplier: int, shift: int) -> int:
    """Half up."""
    return (value * multiplier + (1 << shift >> 1)) >> shift


def twice(value: int, multiplier: int, shift: int) -> int:
    """TensorFlow Lite: a doubling high product that rounds half away, then a shift that rounds half away."""
    if shift <= 31:
        return once(value, multiplier, shift)
    product = value * multiplier
    nudge = 1 << 30 if product >= 0 else 1 - (1 << 30)
    high = abs(product + nudge) >> 31  # division towards zero
    half = 1 << (shift - 31) >> 1
    return (high + half >> (shift - 31)) * (1 if product >= 0 else -1)


@given(VALUES, MULTIPLIERS, SHIFTS)
def test_once(value: int, multiplier: int, shift: int) -> None:
    assume(abs(value * multiplier) < LIMIT)
    assert scaled(np.array([value]), single(multiplier, shift), Rounding.NATURAL)[0] == once(value, multiplier, shift)


@given(VALUES, MULTIPLIERS, SHIFTS)
def test_twice(value: int, multiplier: int, shift: int) -> None:
    assume(abs(value * multiplier) < LIMIT)
    assert scaled(np.array([value]), single(multiplier, shift), Rounding.DOUBLE)[0] == twice(value, multiplier, shift)


def test_channels_have_scales_of_their_own() -> None:
    by = Multipliers(np.array([1, 3]), np.array([1, 0]))
    assert scaled(np.array([[5, 5], [-5, -5]]), by, Rounding.NATURAL).tolist() == [[3, 15], [-2, -15]]


def test_product_too_large() -> None:
    with pytest.raises(SimulationError, match="does not fit"):
        scaled(np.array([1 << 40]), single(1 << 31, 40), Rounding.NATURAL)


def test_truncation_is_refused() -> None:
    with pytest.raises(UnmodelledError, match="truncation"):
        scaled(np.array([1]), single(1, 1), Rounding.TRUNCATE)


def test_zero_point_comes_before_the_clamp() -> None:
    output = OutputStage(Rounding.NATURAL, None, -10, 100)
    assert finished(np.array([-30, 0, 95]), None, output, 7, "<i1").tolist() == [-10, 7, 100]


def test_overflow_of_32_bits() -> None:
    output = OutputStage(Rounding.NATURAL, None, -(1 << 31), (1 << 31) - 1)
    with pytest.raises(SimulationError, match="overflows"):
        finished(np.array([1 << 31]), None, output, 0, "<i4")
