from __future__ import annotations

import colour
import numpy as np
import pytest

from isp.colour.chromaticity import (
    D50_XYZ,
    D65_XY,
    P3_PRIMARIES,
    REC709_PRIMARIES,
    bradford_adaptation,
    rgb_to_xyz,
    xy_to_xyz,
    xyz_to_xy,
)


@pytest.mark.parametrize(("primaries", "oracle"), [(REC709_PRIMARIES, "sRGB"), (P3_PRIMARIES, "Display P3")])
def test_rgb_to_xyz_agrees_with_colour_science(primaries, oracle):
    expected = colour.RGB_COLOURSPACES[oracle].matrix_RGB_to_XYZ
    np.testing.assert_allclose(rgb_to_xyz(primaries, D65_XY), expected, atol=1e-4)


def test_bradford_agrees_with_colour_science():
    d65 = xy_to_xyz(D65_XY)
    expected = colour.adaptation.matrix_chromatic_adaptation_VonKries(d65, D50_XYZ, transform="Bradford")
    np.testing.assert_allclose(bradford_adaptation(d65, D50_XYZ), expected, atol=1e-9)


def test_adaptation_turns_one_white_into_the_other():
    illuminant_a, d50 = xy_to_xyz((0.44757, 0.40745)), D50_XYZ
    np.testing.assert_allclose(bradford_adaptation(illuminant_a, d50) @ illuminant_a, d50, atol=1e-12)


def test_chromaticity_survives_the_way_to_xyz_and_back():
    assert xyz_to_xy(3.0 * xy_to_xyz((0.2, 0.5))) == pytest.approx((0.2, 0.5))
