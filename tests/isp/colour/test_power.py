from __future__ import annotations

import numpy as np
import pytest

from isp.colour.power import raise_to


@pytest.mark.parametrize("exponent", [1 / 2.4, 1.0, 1.4, 4.0])
def test_agrees_with_float64(exponent):
    values = np.concatenate([[0.0], np.logspace(-9, 0, 9999)]).astype(np.float32).reshape(100, 100)
    expected = values.astype(np.float64) ** exponent
    raise_to(values, exponent)
    np.testing.assert_allclose(values, expected, atol=2e-7)
    assert values[0, 0] == 0
