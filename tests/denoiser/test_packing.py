"""Bayer phases to planes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoiser.packing import pack, unpack
from isp.cfa import Cfa


@pytest.mark.parametrize("cfa", Cfa)
def test_planes_are_r_gr_gb_b(cfa: Cfa) -> None:
    mosaic = np.empty((8, 12), np.float32)
    for index, colour in enumerate(("R", "Gr", "Gb", "B")):
        row, column = cfa.position(colour)
        mosaic[row::2, column::2] = index
    for index, plane in enumerate(pack(mosaic, cfa)[0]):
        assert (plane == index).all()


@given(st.sampled_from(Cfa), st.integers(1, 6), st.integers(1, 6))
def test_unpack_inverts_pack(cfa: Cfa, rows: int, columns: int) -> None:
    mosaic = np.random.default_rng(rows * 7 + columns).normal(size=(2 * rows, 2 * columns)).astype(np.float32)
    assert np.array_equal(unpack(pack(mosaic, cfa), cfa), mosaic)
