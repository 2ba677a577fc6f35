from __future__ import annotations

import logging

import numpy as np
import pytest
import rawpy
from pydantic import ValidationError

from isp.cfa import Cfa
from isp.colour.dng_colour import balanced_camera_to_srgb
from isp.errors import InputError
from isp.raw_frame import CalibrationIlluminant
from isp.stage import Domain
from isp.stages.colour_matrix import ColourMatrix
from tests.isp.colour.captures import COOL, WARM, a_frame, a_signal

GAINS = (1.9, 1.0, 1.75)


def run(signal, **parameters):
    return ColourMatrix()(signal, ColourMatrix.Parameters(**parameters))


def camera_rgb(height=5, width=7):
    return np.random.default_rng(7).random((height, width, 3), dtype=np.float32)


def test_every_pixel_is_multiplied_by_the_files_matrix():
    frame = a_frame(illuminants=(WARM, COOL))
    rgb = camera_rgb(300, 301)
    found = run(a_signal(rgb, Domain.LINEAR_RGB, frame, white_balance=GAINS))
    assert found.domain is Domain.SCENE_RGB
    assert found.data.dtype == np.float32
    np.testing.assert_allclose(found.data, rgb @ balanced_camera_to_srgb(GAINS, (WARM, COOL)).T, atol=1e-5)


def test_neutral_and_below_black_are_kept():
    data = np.array([[[0.5, 0.5, 0.5], [-0.01, -0.01, -0.01]]])
    found = run(a_signal(data, Domain.LINEAR_RGB, a_frame(illuminants=(COOL,)), white_balance=GAINS))
    np.testing.assert_allclose(found.data, data, atol=1e-6)


def test_no_matrix_in_the_file_is_the_identity_and_said(caplog):
    rgb = camera_rgb()
    with caplog.at_level(logging.INFO):
        found = run(a_signal(rgb, Domain.LINEAR_RGB, a_frame()))
    np.testing.assert_array_equal(found.data, rgb)
    assert "no colour matrix in the file" in caplog.text


def test_explicit_matrix_is_applied_as_it_is():
    rows = [[1.5, -0.4, 0.0], [-0.2, 1.4, -0.1], [0.0, -0.5, 1.7]]
    rgb = camera_rgb()
    found = run(a_signal(rgb, Domain.LINEAR_RGB, a_frame(illuminants=(COOL,))), matrix=rows)
    np.testing.assert_allclose(found.data, rgb @ np.array(rows).T, atol=1e-6)


def test_gains_that_no_light_explains_fall_to_the_files_neutral_and_say_so(caplog):
    frame = a_frame(illuminants=(WARM, COOL), as_shot_neutral=tuple(1 / gain for gain in GAINS))
    rgb = camera_rgb()
    found = run(a_signal(rgb, Domain.LINEAR_RGB, frame, white_balance=(60.0, 1.0, 60.0)))
    assert "no light source explains" in caplog.text
    np.testing.assert_allclose(found.data, rgb @ balanced_camera_to_srgb(GAINS, (WARM, COOL)).T, atol=1e-5)


def test_gains_that_no_light_explains_are_an_error_without_one():
    with pytest.raises(InputError, match="no light source"):
        run(a_signal(camera_rgb(), Domain.LINEAR_RGB, a_frame(illuminants=(WARM, COOL)), white_balance=(60.0, 1, 60.0)))


@pytest.mark.parametrize("matrix", ["identity", [[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 0], [0, 0, float("nan")]]])
def test_bad_matrices_are_refused(matrix):
    with pytest.raises(ValidationError):
        ColourMatrix.Parameters(matrix=matrix)


@pytest.mark.parametrize("capture", ["gopro_Hero6_GOPR0024", "canon550d_magiclantern_colorchart"])
def test_colours_of_a_capture_are_close_to_librawss(shared, capture):
    """The same half-size camera RGB through both: medians of chromaticity differ by little, for LibRaw
    has one daylight matrix and does not adapt."""
    path = shared / "data" / "raw" / f"{capture}.dng"
    with rawpy.imread(str(path)) as raw:
        neutral = 1.0 / np.array(raw.camera_whitebalance[:3])
        common = {"half_size": True, "gamma": (1, 1), "no_auto_bright": True, "output_bps": 16, "use_camera_wb": True}
        expected = raw.postprocess(**common, user_flip=0).astype(np.float64)
        camera = raw.postprocess(**common, user_flip=0, output_color=rawpy.ColorSpace.raw).astype(np.float32) / 65535
    illuminants = _illuminants(path)
    frame = a_frame(cfa=Cfa.RGGB, illuminants=illuminants)
    gains = tuple((1.0 / neutral) / (1.0 / neutral)[1])
    found = run(a_signal(camera, Domain.LINEAR_RGB, frame, white_balance=gains)).data.astype(np.float64)
    bright = (expected.min(axis=2) > 1500) & (expected.max(axis=2) < 60_000)
    assert bright.mean() > 0.3

    def chromaticity(rgb):
        return rgb[bright] / rgb[bright].sum(axis=1, keepdims=True)

    difference = np.abs(chromaticity(found) - chromaticity(expected))
    assert np.median(difference) < 0.012


def _illuminants(path):
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags

        def matrix(name):
            pairs = np.array(tags[name].value, float).reshape(3, 3, 2)
            return pairs[..., 0] / pairs[..., 1]

        first = CalibrationIlluminant(2856.0, matrix("ColorMatrix1"))
        if "ColorMatrix2" not in tags:
            return (first,)
        return first, CalibrationIlluminant(5003.0, matrix("ColorMatrix2"))
