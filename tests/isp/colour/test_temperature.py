from __future__ import annotations

import colour
import numpy as np
import pytest

from isp.colour.temperature import correlated_temperature_mired

KNOWN = {"A": ((0.44757, 0.40745), 2856), "D50": ((0.34567, 0.35850), 5003), "D65": ((0.31272, 0.32903), 6504)}


@pytest.mark.parametrize("illuminant", KNOWN)
def test_standard_illuminants(illuminant):
    xy, kelvin = KNOWN[illuminant]
    assert 1e6 / correlated_temperature_mired(xy) == pytest.approx(kelvin, rel=0.003)


@pytest.mark.parametrize("kelvin", [1800, 2500, 3200, 4100, 5500, 7000, 10_000, 20_000])
@pytest.mark.parametrize("tint", [-0.01, 0.0, 0.01])
def test_agrees_with_colour_science(kelvin, tint):
    uv = colour.temperature.CCT_to_uv_Robertson1968([kelvin, tint])
    xy = colour.UCS_uv_to_xy(uv)
    expected = colour.temperature.uv_to_CCT_Robertson1968(uv)[0]
    assert 1e6 / correlated_temperature_mired(tuple(xy)) == pytest.approx(expected, rel=2e-3)


def test_ends_of_the_table():
    assert correlated_temperature_mired((0.70, 0.29)) == pytest.approx(600)
    assert correlated_temperature_mired((0.20, 0.20)) == pytest.approx(0)


def test_bluer_light_has_fewer_mired():
    mired = [correlated_temperature_mired((x, 0.36)) for x in np.linspace(0.28, 0.50, 23)]
    assert np.all(np.diff(mired) > 0)
