from __future__ import annotations

import numpy as np
import pytest

from isp.psnr import psnr_db


def test_known_answers() -> None:
    a = np.full((4, 4), 0.5, np.float32)
    assert psnr_db(a, a) == pytest.approx(200)
    assert psnr_db(a, a + np.float32(0.1)) == pytest.approx(20, abs=1e-5)
    b = a.copy()
    b[0, 0] += np.float32(0.4)
    assert psnr_db(a, b) == pytest.approx(20, abs=1e-5)


def test_what_lies_outside_is_clipped() -> None:
    a, b = np.array([-3.0, 0.5, 7.0]), np.array([0.0, 0.5, 1.0])
    assert psnr_db(a, b) == pytest.approx(200)
