"""Colour calibration of DNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.dng.illuminants import kelvin
from isp.errors import InputError
from isp.readers import read
from tests.isp.dng_maker import A_MATRIX, D65_MATRIX, make_dng

FORWARD1 = np.array([[0.50, 0.30, 0.16], [0.20, 0.75, 0.05], [0.02, 0.10, 0.70]])
FORWARD2 = FORWARD1 * 1.01
CALIBRATION1 = np.diag([1.01, 1.0, 0.99])
CALIBRATION2 = np.diag([1.02, 1.0, 0.98])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


def mosaic() -> np.ndarray:
    return np.full((8, 8), 500, np.uint16)


@pytest.mark.parametrize("subifd", [False, True])
def test_two_illuminants_keep_their_matrices_apart(path, subifd):
    frame = read(
        make_dng(
            path,
            mosaic(),
            raw_in_subifd=subifd,
            colour_matrix1=A_MATRIX,
            illuminant1=17,
            colour_matrix2=D65_MATRIX,
            illuminant2=21,
            forward_matrix1=FORWARD1,
            forward_matrix2=FORWARD2,
            camera_calibration1=CALIBRATION1,
            camera_calibration2=CALIBRATION2,
            analog_balance=(1.1, 1.0, 0.9),
        )
    )
    warm, cold = frame.illuminants
    assert (warm.kelvin, cold.kelvin) == (2856, 6504)
    for found, expected in (
        (warm.colour_matrix, A_MATRIX),
        (cold.colour_matrix, D65_MATRIX),
        (warm.forward_matrix, FORWARD1),
        (cold.forward_matrix, FORWARD2),
        (warm.camera_calibration, CALIBRATION1),
        (cold.camera_calibration, CALIBRATION2),
        (frame.analog_balance, (1.1, 1.0, 0.9)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_single_illuminant_is_one(path):
    frame = read(make_dng(path, mosaic(), illuminant1=23))
    (only,) = frame.illuminants
    assert only.kelvin == 5003
    assert only.forward_matrix is None
    assert only.camera_calibration is None
    assert frame.analog_balance == (1, 1, 1)


def test_a_matrix_whose_light_is_unstated_counts_alone(path):
    (only,) = read(make_dng(path, mosaic(), illuminant1=None)).illuminants
    assert only.kelvin == 6504
    for lights in ((0, 21), (21, 0), (255, 21), (21, 21)):
        made = make_dng(
            path,
            mosaic(),
            illuminant1=lights[0],
            illuminant2=lights[1],
            colour_matrix1=A_MATRIX,
            colour_matrix2=D65_MATRIX,
        )
        (only,) = read(made).illuminants
        np.testing.assert_allclose(only.colour_matrix, A_MATRIX, atol=1e-6)


def test_no_matrix_is_no_illuminant(path):
    assert read(make_dng(path, mosaic(), colour_matrix1=None)).illuminants == ()


def test_calibration_of_another_profile_does_not_count(path):
    signature = (50931, 2, 5, "this")
    frame = read(make_dng(path, mosaic(), camera_calibration1=CALIBRATION1, extra_main_tags=[signature]))
    assert frame.illuminants[0].camera_calibration is None
    both = [signature, (50932, 2, 5, "this")]
    frame = read(make_dng(path, mosaic(), camera_calibration1=CALIBRATION1, extra_main_tags=both))
    np.testing.assert_allclose(frame.illuminants[0].camera_calibration, CALIBRATION1, atol=1e-6)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *[(17, 2856), (18, 4874), (19, 6774), (20, 5503), (21, 6504), (22, 7504), (23, 5003), (24, 3200)],
        *[(1, 5503), (3, 2856), (10, 6504), (11, 7504), (12, 6400), (13, 5050), (14, 4150), (15, 3525), (16, 2925)],
        *[(0, None), (255, None), (77, None), (32768 + 4321, 4321)],
    ],
)
def test_kelvin_of_light_sources(code, expected):
    assert kelvin(code) == expected


def test_neutral(path):
    np.testing.assert_allclose(read(make_dng(path, mosaic())).as_shot_neutral, (0.5, 1, 0.6), atol=1e-6)
    assert read(make_dng(path, mosaic(), as_shot_neutral=None)).as_shot_neutral is None


def test_neutral_from_the_white_point(path):
    """The neutral of D65 is the camera's response to D65: the matrix times its XYZ."""
    white = (50729, 5, 2, (3127, 10000, 3290, 10000))
    frame = read(make_dng(path, mosaic(), as_shot_neutral=None, extra_main_tags=[white]))
    response = np.array(D65_MATRIX) @ [0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290]
    np.testing.assert_allclose(frame.as_shot_neutral, response / response.max(), rtol=1e-4)


@pytest.mark.parametrize("bad", [{"as_shot_neutral": (0.5, 0, 0.6)}, {"as_shot_neutral": (0.5, 1)}])
def test_senseless_neutral_is_refused(path, bad):
    with pytest.raises(InputError, match="AsShotNeutral"):
        read(make_dng(path, mosaic(), **bad))


def test_matrices_for_four_colours_are_refused(path):
    with pytest.raises(InputError, match="ColorMatrix1 has 12 values"):
        read(make_dng(path, mosaic(), colour_matrix1=np.ones((4, 3))))


def test_baseline_exposure(path):
    assert read(make_dng(path, mosaic(), baseline_exposure=-1.25)).baseline_exposure_ev == -1.25
    assert read(make_dng(path, mosaic())).baseline_exposure_ev == 0
    empty = (50730, 10, 1, (0, 0))
    assert read(make_dng(path, mosaic(), extra_main_tags=[empty])).baseline_exposure_ev == 0


def test_tone_curve(path):
    points = [(0, 0), (0.25, 0.5), (1, 1)]
    np.testing.assert_array_equal(read(make_dng(path, mosaic(), tone_curve=points)).tone_curve, points)
    assert read(make_dng(path, mosaic())).tone_curve is None
    for bad in ([(0, 0), (0.5, 0.2), (0.4, 0.3), (1, 1)], [(0, 0.5), (1, 1)], [(0, 0)], [0, 0, 1]):
        with pytest.raises(InputError, match="ProfileToneCurve"):
            read(make_dng(path, mosaic(), tone_curve=bad))
