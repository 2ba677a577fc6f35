from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from isp.stage import Domain
from isp.stages.output_encoding import OutputEncoding
from tests.isp.colour.captures import a_signal


def run(data, **parameters):
    signal = a_signal(np.asarray(data, np.float32), Domain.SCENE_RGB)
    return OutputEncoding()(signal, OutputEncoding.Parameters(**parameters))


@pytest.mark.parametrize(("bits", "dtype", "grey"), [(8, np.uint8, 118), (16, np.uint16, 30_235)])
def test_srgb_mid_grey(bits, dtype, grey):
    found = run(np.full((2, 3, 3), 0.18), bits=bits)
    assert found.data.dtype == dtype
    assert np.unique(found.data).tolist() == pytest.approx([grey], abs=1)
    assert (found.domain, found.colour_space) == (Domain.DISPLAY_RGB, "srgb")


def test_display_p3_is_less_saturated_in_numbers():
    red = [[[1.0, 0.0, 0.0]]]
    found = run(red, colour_space="display_p3")
    assert found.colour_space == "display_p3"
    assert found.data.tolist() == [[[234, 51, 35]]]  # sRGB red in Display P3


def test_float_is_linear_and_not_clipped():
    data = [[[-0.1, 0.5, 7.0]]]
    found = run(data, colour_space="linear", bits=32)
    np.testing.assert_allclose(found.data, data)
    assert (found.data.dtype, found.colour_space) == (np.float32, "linear")


def test_float_is_refused_elsewhere():
    with pytest.raises(ValidationError, match="8 or 16, or colour_space linear"):
        OutputEncoding.Parameters(bits=32)


@pytest.mark.parametrize("parameters", [{"bits": 10}, {"colour_space": "rec2020"}, {"gamma": 2.2}])
def test_unknown_values_are_refused(parameters):
    with pytest.raises(ValidationError):
        OutputEncoding.Parameters(**parameters)
