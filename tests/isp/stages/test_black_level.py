from __future__ import annotations

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.errors import InputError
from isp.raw_frame import BlackLevel as Black
from isp.stage import Domain
from isp.stages.black_level import BlackLevel, subtract_black
from tests.isp.stages.signals import signal_of

PATTERN = np.array([[64.5, 65.25], [66.0, 63.75]])


def run(data, black, white, cfa=Cfa.GRBG, domain=Domain.MOSAIC):
    signal = signal_of(data, cfa, domain, black=black, white=white)
    return BlackLevel()(signal, BlackLevel.Parameters())


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(2, 2), (70, 33), (65, 130)])
def test_uniform_black_is_zero_and_white_is_exactly_one(dtype, shape):
    black = Black(np.full((2, 2), 64.0))
    assert (run(np.full(shape, 64, dtype), black, 1023).data == 0).all()
    assert (run(np.full(shape, 1023, dtype), black, 1023).data == 1).all()


def test_each_position_has_its_own_fractional_black():
    mosaic = np.tile(PATTERN, (40, 35)).astype(np.float32)
    result = run(mosaic, Black(PATTERN), 1023)
    assert result.domain is Domain.LINEAR_MOSAIC
    assert result.data.dtype == np.float32
    np.testing.assert_array_equal(result.data, 0)


def test_positions_keep_equal_sensitivity_and_white_reaches_one():
    step = run((np.tile(PATTERN, (4, 4)) + 100).astype(np.float32), Black(PATTERN), 1023).data
    np.testing.assert_allclose(step, 100 / (1023 - 66), rtol=1e-6)
    full = run(np.full((8, 8), 1023, np.uint16), Black(PATTERN), 1023).data
    assert full.min() == 1
    assert full.max() < 1.003


def test_rows_and_columns_add_to_the_pattern():
    per_row, per_column = np.linspace(-2, 2, 71), np.linspace(0, 3, 50)
    black = np.resize(PATTERN, (2, 2))[np.arange(71)[:, None] % 2, np.arange(50) % 2]
    black = black + per_row[:, None] + per_column
    result = run((black + 200).astype(np.float32), Black(PATTERN, per_row, per_column), 1023)
    np.testing.assert_allclose(result.data, 200 / (1023 - 66 - 2 - 3), rtol=1e-5)


def test_values_below_black_and_above_white_are_kept():
    data = run(np.array([[60, 1100], [64, 64]], np.uint16), Black(np.full((2, 2), 64.0)), 1023).data
    assert data[0, 0] == pytest.approx(-4 / 959)
    assert data[0, 1] == pytest.approx(1036 / 959)


def test_linear_raw_has_a_black_per_colour():
    black = np.array([[[10.0, 20.0, 30.0]]])
    data = np.broadcast_to(np.float32([10, 20, 30]), (5, 7, 3)).copy()
    data[0] = 255
    result = run(data, Black(black), 255, cfa=None, domain=Domain.SENSOR_RGB)
    assert result.domain is Domain.LINEAR_RGB
    np.testing.assert_array_equal(result.data[1:], 0)
    np.testing.assert_array_equal(result.data[0], 1)


def test_white_not_above_black_is_an_input_error():
    with pytest.raises(InputError, match=r"white level 60 .* expected white above black"):
        subtract_black(np.zeros((2, 2), np.uint16), Black(PATTERN), 60)
