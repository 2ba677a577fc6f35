from __future__ import annotations

from dataclasses import replace

import colour
import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from isp.colour.chromaticity import D50_XYZ, D65_XY, xy_to_xyz
from isp.colour.dng_colour import balanced_camera_to_srgb, camera_matrices, white_of_neutral
from isp.colour.temperature import correlated_temperature_mired
from isp.errors import InputError
from tests.isp.colour.captures import COOL, WARM

BALANCE = (1.0, 1.0, 1.0)
ILLUMINANT_A, D50 = (0.44757, 0.40745), (0.34567, 0.35850)
FORWARD = np.array([[0.6, 0.25, 0.1142], [0.2, 0.75, 0.05], [0.01, 0.1, 0.7149]])  # rows sum to D50


def at_mired(mired):
    """A chromaticity near the Planckian locus, by bisection between two points on either side."""
    low, high = np.array([0.26, 0.27]), np.array([0.53, 0.41])
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if correlated_temperature_mired(tuple(middle)) < mired else (low, middle)
    return tuple(low)


def test_matrices_are_mixed_in_reciprocal_temperature():
    halfway = at_mired((1e6 / 2856 + 1e6 / 5003) / 2)
    for given_order in ((WARM, COOL), (COOL, WARM)):
        mixed = camera_matrices(given_order, BALANCE, halfway).xyz_to_camera
        np.testing.assert_allclose(mixed, (WARM.colour_matrix + COOL.colour_matrix) / 2, atol=1e-6)


@pytest.mark.parametrize(("mired", "nearest"), [(1e6 / 2000, WARM), (1e6 / 9000, COOL)])
def test_matrices_are_not_extrapolated(mired, nearest):
    found = camera_matrices((WARM, COOL), BALANCE, at_mired(mired)).xyz_to_camera
    np.testing.assert_allclose(found, nearest.colour_matrix, atol=1e-12)


def test_calibration_and_analog_balance_multiply_from_the_left():
    calibration = np.diag([1.1, 1.0, 0.9])
    found = camera_matrices((replace(COOL, camera_calibration=calibration),), (2.0, 1.0, 3.0), D50)
    np.testing.assert_allclose(found.xyz_to_camera, np.diag([2.2, 1.0, 2.7]) @ COOL.colour_matrix)


def test_forward_matrices_and_calibrations_are_mixed_in_the_same_way():
    halfway = at_mired((1e6 / 2856 + 1e6 / 5003) / 2)
    one, other = np.diag([1.1, 1.0, 0.9]), np.diag([1.3, 1.0, 0.8])
    warm = replace(WARM, forward_matrix=FORWARD, camera_calibration=one)
    cool = replace(COOL, forward_matrix=3 * FORWARD, camera_calibration=other)
    found = camera_matrices((warm, cool), (2.0, 1.0, 1.0), halfway)
    np.testing.assert_allclose(found.forward, 2 * FORWARD, atol=1e-6)
    np.testing.assert_allclose(found.reference_to_camera, np.diag([2.4, 1.0, 0.85]), atol=1e-6)


@given(mired=st.floats(150, 450), tint=st.floats(-0.01, 0.01))
def test_white_is_recovered_from_its_neutral(mired, tint):
    x, y = at_mired(mired)
    white = (x, y + tint)
    neutral = camera_matrices((WARM, COOL), BALANCE, white).xyz_to_camera @ xy_to_xyz(white)
    assert white_of_neutral(3.0 * neutral, (WARM, COOL)) == pytest.approx(white, abs=1e-6)


def test_impossible_neutral_is_an_error_that_says_what_to_do():
    with pytest.raises(InputError, match=r"no light source.*white_balance gains"):
        white_of_neutral(np.array([0.01, 1.0, 0.01]), (WARM, COOL))


@pytest.mark.parametrize("singular", [np.ones((3, 3)), np.full((3, 3), np.nan)])
def test_singular_matrix_is_an_error(singular):
    with pytest.raises(InputError, match="ColorMatrix cannot be inverted"):
        balanced_camera_to_srgb((2.0, 1.0, 1.5), (replace(COOL, colour_matrix=singular),))


@given(red=st.floats(1.5, 3.0), blue=st.floats(1.25, 2.5))
@pytest.mark.parametrize("forward", [None, FORWARD])
def test_neutral_stays_neutral(forward, red, blue):
    illuminants = tuple(replace(illuminant, forward_matrix=forward) for illuminant in (WARM, COOL))
    matrix = balanced_camera_to_srgb((red, 1.0, blue), illuminants)
    np.testing.assert_allclose(matrix @ np.ones(3), 1.0, atol=1e-12)


def test_scale_of_the_gains_does_not_matter():
    one = balanced_camera_to_srgb((2.0, 1.0, 1.5), (WARM, COOL))
    np.testing.assert_allclose(balanced_camera_to_srgb((4.0, 2.0, 3.0), (WARM, COOL)), one, atol=1e-9)


def test_forward_matrix_is_preferred_and_exact():
    illuminant = replace(COOL, forward_matrix=FORWARD)
    # D50 to D65 (Bradford) and XYZ to sRGB, from Lindbloom's tables.
    d50_to_srgb = np.array(
        [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
    )
    np.testing.assert_allclose(FORWARD.sum(axis=1), D50_XYZ, atol=1e-12)
    matrix = balanced_camera_to_srgb((2.0, 1.0, 1.5), (illuminant,))
    np.testing.assert_allclose(matrix, d50_to_srgb @ FORWARD, atol=2e-3)


def test_forward_matrix_with_camera_calibration():
    """The specification's formula, FM * D * inverse(AB * CC), written out."""
    calibration = np.array([[1.05, 0.01, 0.0], [0.0, 1.0, 0.02], [0.0, 0.0, 0.93]])
    gains = np.array([2.0, 1.0, 1.5])
    bare = balanced_camera_to_srgb(tuple(gains), (replace(COOL, forward_matrix=FORWARD),))
    found = balanced_camera_to_srgb(
        tuple(gains), (replace(COOL, forward_matrix=FORWARD, camera_calibration=calibration),), (1.0, 1.0, 1.2)
    )
    to_reference = np.linalg.inv(np.diag([1.0, 1.0, 1.2]) @ calibration)
    reference_neutral = to_reference @ (1 / gains)
    np.testing.assert_allclose(found, bare @ np.diag(1 / reference_neutral) @ to_reference @ np.diag(1 / gains))


@pytest.mark.parametrize(
    ("capture", "tag"),
    [
        ("canon550d_magiclantern_colorchart", "ColorMatrix1"),
        ("gopro_Hero6_GOPR0024", "ColorMatrix2"),
        ("Captured_Images__image_0__9ee9ba86", "ColorMatrix1"),
    ],
)
def test_agrees_with_libraw_under_daylight(shared, capture, tag):
    """LibRaw balances in camera RGB instead of adapting by Bradford: under D65 that is the same."""
    path = shared / "data" / "raw" / f"{capture}.dng"
    with tifffile.TiffFile(path) as tiff:
        rational = np.array(tiff.pages[0].tags[tag].value, float).reshape(3, 3, 2)
    with rawpy.imread(str(path)) as raw:
        expected = raw.color_matrix[:, :3]
    illuminant = replace(COOL, kelvin=6504.0, colour_matrix=rational[..., 0] / rational[..., 1])
    gains = 1.0 / (illuminant.colour_matrix @ xy_to_xyz(D65_XY))
    np.testing.assert_allclose(balanced_camera_to_srgb(tuple(gains), (illuminant,)), expected, atol=1e-3)


def test_colour_matrix_recovers_the_scene_under_tungsten():
    """Under illuminant A, the camera's RGB of a surface becomes the surface's colour as adapted to D65."""
    white = xy_to_xyz(ILLUMINANT_A)
    to_camera = camera_matrices((WARM, COOL), BALANCE, ILLUMINANT_A).xyz_to_camera
    gains = 1.0 / (to_camera @ white)
    surface = white * np.array([0.5, 0.4, 0.1])
    expected = colour.XYZ_to_RGB(
        surface, "sRGB", illuminant=ILLUMINANT_A, chromatic_adaptation_transform="Bradford", apply_cctf_encoding=False
    )
    found = balanced_camera_to_srgb(tuple(gains), (WARM, COOL)) @ (gains * (to_camera @ surface))
    # One adaptation, against ours through D50: Bradford's gains compose.
    np.testing.assert_allclose(found, expected, atol=1e-3)
