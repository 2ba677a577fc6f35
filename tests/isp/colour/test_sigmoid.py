from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.colour.sigmoid import Sigmoid


def applied(curve, values):
    values = np.atleast_2d(np.asarray(values, np.float32)).copy()
    curve.apply(values)
    return values.ravel()


@given(contrast=st.floats(1.0, 4.0), mid_grey=st.floats(0.19, 0.6), white=st.floats(1.0, 64.0))
def test_goes_through_black_mid_grey_and_white(contrast, mid_grey, white):
    curve = Sigmoid.through(contrast, mid_grey, white)
    found = applied(curve, [0.0, 0.18, white, 2.0 * white])
    np.testing.assert_allclose(found, [0.0, mid_grey, 1.0, 1.0], atol=2e-6)


@given(contrast=st.floats(1.0, 4.0), mid_grey=st.floats(0.19, 0.6), white=st.floats(1.0, 64.0))
def test_rises_and_stays_in_range(contrast, mid_grey, white):
    found = applied(Sigmoid.through(contrast, mid_grey, white), np.linspace(0, 1.2 * white, 500))
    assert np.diff(found).min() > -2e-6
    assert found.min() == 0.0
    assert found.max() <= 1.0 + 1e-6


def test_reinhards_operator_with_white_is_the_case_of_contrast_1():
    """L (1 + L / white^2) / (1 + L) is not of this family; L / (1 + L), scaled to 1 at white, is."""
    white = 4.0
    reinhard = lambda x: x / (1 + x) * (1 + white) / white  # noqa: E731
    curve = Sigmoid.through(1.0, reinhard(0.18), white)
    x = np.linspace(0, white, 50)
    np.testing.assert_allclose(applied(curve, x), reinhard(x), atol=1e-6)


def test_contrast_is_the_slope_of_deep_shadows_on_logarithmic_axes():
    low, high = applied(Sigmoid.through(1.7, 0.2, 1.0), [1e-5, 1e-4]).astype(float)
    assert np.log10(high / low) == pytest.approx(1.7, abs=0.01)


def test_unreachable_mid_grey_is_refused():
    with pytest.raises(ValueError, match=r"mid_grey 0\.1: expected a value between 0\.18 and 1"):
        Sigmoid.through(1.0, 0.1, 1.0)
