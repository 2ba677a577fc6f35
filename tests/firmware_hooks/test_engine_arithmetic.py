"""The engine's own square root and logarithm, the constants of a noise model, and the choice of a specialist."""

from __future__ import annotations

import ctypes
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compile.row_kernels import restore, stabilise
from denoiser.denoise import PLANE_COLOURS
from denoiser.models import Choice, Member
from denoiser.normalisation import DEEPEST_SIGMAS, RESIDUAL_SIGMAS, STABILISED_SCALE, apply_residual, network_input
from tests.firmware_hooks.engines import NETWORKS, Engine, Fan, Noise, NoiseStruct

CHANNELS = 8


@pytest.fixture(scope="session")
def insides(engine: Engine) -> ctypes.CDLL:
    source = Path(__file__).with_name("engine_insides.c")
    path = engine.linked([source, engine.tables], "insides.so", "-O2", "-fPIC", "-shared")
    library = ctypes.CDLL(str(path))
    for name in ("inside_square_root", "inside_decimal_logarithm"):
        getattr(library, name).restype = ctypes.c_double
        getattr(library, name).argtypes = [ctypes.c_double]
    return library


values = st.floats(-12, 6).map(lambda exponent: 10.0**exponent)
edges = [10.0**power for power in range(-12, 7)] + [
    0.75,
    1.5,
    1.0,
    0.5,
    2.0,
    math.nextafter(0.75, 0),
    math.nextafter(1.5, 2),
]


@given(value=values)
def test_square_root(insides: ctypes.CDLL, value: float) -> None:
    assert insides.inside_square_root(value) == pytest.approx(math.sqrt(value), rel=1e-9)


@given(value=values)
def test_decimal_logarithm(insides: ctypes.CDLL, value: float) -> None:
    assert insides.inside_decimal_logarithm(value) == pytest.approx(math.log10(value), rel=0, abs=1e-9)


def test_the_edges_of_their_pieces(insides: ctypes.CDLL) -> None:
    for value in edges:
        assert insides.inside_square_root(value) == pytest.approx(math.sqrt(value), rel=1e-9)
        assert insides.inside_decimal_logarithm(value) == pytest.approx(math.log10(value), rel=0, abs=1e-9)


levels = st.one_of(st.just(0.0), st.floats(-12, 0).map(lambda exponent: float(np.float32(10.0**exponent))))


@given(shot=st.tuples(levels, levels, levels), read=st.tuples(levels, levels, levels))
def test_constants_of_a_noise_model(
    insides: ctypes.CDLL, shot: tuple[float, float, float], read: tuple[float, float, float]
) -> None:
    """They are read off what `denoiser.normalisation` makes of single values."""
    made = np.empty(len(stabilise.CONSTANTS) * CHANNELS, np.float32)
    restored = np.empty(2 * 2 * len(restore.CONSTANTS), np.float32)
    pointers = (made.ctypes.data_as(ctypes.c_void_p), restored.ctypes.data_as(ctypes.c_void_p))
    insides.inside_constants(ctypes.byref(NoiseStruct(shot, read)), *pointers)
    found = dict(zip(stabilise.CONSTANTS, made.reshape(-1, CHANNELS).astype(np.float64), strict=True))
    shots, reads = (
        torch.tensor([each[colour] for colour in PLANE_COLOURS], dtype=torch.float64)[None, :, None, None]
        for each in (shot, read)
    )

    def seen(value: float) -> np.ndarray:
        """In standard deviations of the noise; the last is the noise-level plane."""
        planes = torch.full((1, 4, 1, 1), value, dtype=torch.float64)
        return network_input(planes, shots, reads)[0, :, 0, 0].numpy() * ([STABILISED_SCALE] * 4 + [1])

    told_shot, zero = found["shot"][:4], found["zero"][:4]
    for value in (1.0, 1e-6):
        stabilised = 2 * value / (np.sqrt(told_shot * value + found["zero_squared"][:4]) + zero)
        np.testing.assert_allclose(stabilised, seen(value)[:4], rtol=1e-6)
    below = -DEEPEST_SIGMAS / 2 * float(zero.min())
    np.testing.assert_allclose(below * found["per_zero"][:4], seen(below)[:4], rtol=1e-6)
    np.testing.assert_allclose(found["zero_squared"][:4], zero**2, rtol=1e-6)
    np.testing.assert_allclose(found["scale"][:4], 1 / STABILISED_SCALE)
    assert found["offset"][4] == pytest.approx(seen(0.0)[4], abs=1e-6)
    for name, beyond in (("scale", 0), ("shot", 0), ("zero", 1), ("zero_squared", 1), ("per_zero", 1)):
        assert (found[name][4:] == beyond).all()
    assert not found["offset"][[0, 1, 2, 3, 5, 6, 7]].any()

    # Two rows of two colours each: the change by one unit of the answer, at black and at white.
    rows = restored.reshape(2, len(restore.CONSTANTS), 2).transpose(1, 0, 2).reshape(len(restore.CONSTANTS), 4)
    given = dict(zip(restore.CONSTANTS, rows.astype(np.float64), strict=True))
    for value in (0.0, 1.0):
        planes = torch.full((1, 4, 1, 1), value, dtype=torch.float64)
        change = (apply_residual(planes, torch.ones_like(planes), shots, reads) - planes)[0, :, 0, 0].numpy()
        found_change = np.sqrt(given["shot"] * value + given["read"])
        np.testing.assert_allclose(found_change, change, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(given["deepest"], -DEEPEST_SIGMAS * zero, rtol=1e-6)
    assert RESIDUAL_SIGMAS == 4


def choice() -> Choice:
    members = tuple(Member(each.name, Path(each.name), "", each.chosen_from) for each in NETWORKS)
    return Choice("all", members)


def chosen(fan: Fan, shot: tuple[float, float, float]) -> str:
    noise = Noise.of(shot, (1.0, 1.0, 1.0))
    return NETWORKS[fan.specialist_for(NoiseStruct(noise.shot, noise.read))].name


@given(exponents=st.tuples(*(st.floats(-7, 1),) * 3))
def test_the_specialist_for_a_noise(fan: Fan, exponents: tuple[float, float, float]) -> None:
    red, green, blue = (10.0**exponent for exponent in exponents)
    mean = (red + 2 * green + blue) / 4
    expected = choice().member_for(mean).name
    if all(abs(mean / max(each.chosen_from, 1e-12) - 1) > 1e-6 for each in NETWORKS):
        assert chosen(fan, (red, green, blue)) == expected


def test_the_specialist_at_the_borders(fan: Fan) -> None:
    """From a border on it is the next one."""
    for before, after in pairwise(NETWORKS):
        for factor, expected in ((1 - 1e-6, before), (1, after), (1 + 1e-6, after)):
            level = after.chosen_from * factor
            assert chosen(fan, (level, level, level)) == expected.name
            assert choice().member_for(level).name == expected.name
    assert chosen(fan, (0.0, 0.0, 0.0)) == NETWORKS[0].name
    assert chosen(fan, (9.0, 9.0, 9.0)) == NETWORKS[-1].name


def test_green_counts_twice(fan: Fan) -> None:
    border = NETWORKS[3].chosen_from
    assert chosen(fan, (0.0, 1.99 * border, 0.0)) == NETWORKS[2].name
    assert chosen(fan, (0.0, 2.01 * border, 0.0)) == NETWORKS[3].name
    for one in ((4.02 * border, 0.0, 0.0), (0.0, 0.0, 4.02 * border)):
        assert chosen(fan, one) == NETWORKS[3].name
