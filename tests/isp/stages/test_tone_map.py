from __future__ import annotations

import numpy as np
import pytest

from isp.errors import ConfigError, InputError
from isp.stage import Domain
from isp.stages.tone_map import ToneMap
from tests.isp.colour.captures import a_frame, a_signal


def run(data, frame=None, saturation=(1.0, 1.0, 1.0), **parameters):
    signal = a_signal(np.asarray(data), Domain.SCENE_RGB, frame, saturation=saturation)
    return ToneMap()(signal, ToneMap.Parameters(**parameters)).data


def greys(*levels):
    return np.repeat(np.array(levels, np.float32)[None, :, None], 3, axis=2)


def test_plain_cuts_at_white_only():
    np.testing.assert_allclose(run(greys(-0.1, 0.3, 1.0, 5.0), method="plain"), greys(-0.1, 0.3, 1.0, 1.0))


def test_sigmoid_maps_black_mid_grey_and_the_sensors_white():
    for white in (1.0, 4.0):
        found = run(greys(0, 0.18, white, 2 * white), saturation=(white, white + 1, white + 2), mid_grey=0.25)
        np.testing.assert_allclose(found, greys(0, 0.25, 1, 1), atol=1e-5)


def test_white_is_never_below_1_by_itself():
    """An under-exposed frame is not brightened until its clipped areas are white."""
    assert run(greys(0.25), saturation=(0.25, 0.25, 0.25)).max() < 0.5


def test_white_can_be_set():
    assert run(greys(2.0), white=2.0).max() == pytest.approx(1.0)


def test_more_contrast_darkens_shadows_and_brightens_lights():
    soft, hard = (run(greys(0.03, 0.5), contrast=contrast)[0, :, 0] for contrast in (1.2, 2.0))
    assert hard[0] < soft[0]
    assert hard[1] > soft[1]


def test_sigmoid_that_does_not_exist_is_an_error_with_its_range():
    with pytest.raises(
        ConfigError, match=r"tone_map\.mid_grey 0\.05: expected a value between 0\.18 and 1.*raise mid_grey"
    ):
        run(greys(0.5), contrast=1.0, mid_grey=0.05)


def test_profile_curve_goes_through_its_points():
    curve = np.array([[0, 0], [0.18, 0.35], [0.6, 0.8], [1, 1]])
    found = run(greys(0, 0.18, 0.6, 1, 3), a_frame(tone_curve=curve), method="profile_curve")
    np.testing.assert_allclose(found, greys(0, 0.35, 0.8, 1, 1), atol=1e-4)


def test_profile_curve_must_be_in_the_file():
    with pytest.raises(ConfigError, match=r"no ProfileToneCurve; use tone_map\.method=sigmoid"):
        run(greys(0.5), method="profile_curve")


def test_broken_profile_curve_is_an_input_error():
    with pytest.raises(InputError, match="bad ProfileToneCurve"):
        run(greys(0.5), a_frame(tone_curve=np.array([[0.0, 0.0], [0.0, 1.0]])), method="profile_curve")


@pytest.mark.parametrize("method", ["sigmoid", "profile_curve", "plain"])
def test_works_in_place_on_one_array(method):
    frame = a_frame(tone_curve=np.array([[0.0, 0.0], [1.0, 1.0]]))
    signal = a_signal(greys(0.1, 0.5), Domain.SCENE_RGB, frame)
    assert ToneMap()(signal, ToneMap.Parameters(method=method)).data is signal.data
