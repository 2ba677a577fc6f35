from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from isp.colour.profile_tone_curve import apply_table, spline_table

POINTS = np.array([[0, 0], [0.05, 0.09], [0.18, 0.32], [0.5, 0.7], [0.8, 0.93], [1, 1]])


def applied(points, values):
    values = np.atleast_2d(np.asarray(values, np.float32)).copy()
    apply_table(spline_table(points), values)
    return values.ravel()


def test_agrees_with_scipys_natural_spline():
    x = np.linspace(0, 1, 3001)
    expected = CubicSpline(*POINTS.T, bc_type="natural")(x).clip(0, 1)
    np.testing.assert_allclose(applied(POINTS, x), expected, atol=3e-5)


def test_shadows_are_as_fine_as_16_bits_need():
    """Two points make a straight line: the identity, to the grid of the table."""
    x = np.linspace(0, 0.01, 1000)
    np.testing.assert_allclose(applied([[0, 0], [1, 1]], x), x, atol=2e-6)


def test_ends():
    np.testing.assert_array_equal(applied(POINTS, [0.0, 1.0, 7.0]), [0.0, 1.0, 1.0])


@pytest.mark.parametrize("points", [[[0, 0]], [[0, 0], [0.5, 0.2], [0.5, 0.3], [1, 1]], [[0, 0], [0.9, 1]]])
def test_points_that_are_no_curve_are_refused(points):
    with pytest.raises(ValueError, match="two points or more"):
        spline_table(np.array(points, float))
