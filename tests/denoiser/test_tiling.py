"""Tiles cover the frame once, and go on beyond it as the mosaic would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoiser.tiling import reflect, tiles


@given(st.integers(1, 40), st.integers(0, 60))
def test_reflection_is_numpys(size: int, margin: int) -> None:
    expected = np.pad(np.arange(size), margin, mode="reflect")
    assert np.array_equal(reflect(np.arange(-margin, size + margin), size), expected)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 5), st.integers(0, 3))
def test_every_pixel_is_given_once_and_sources_are_aligned(height: int, width: int, side: int, halo: int) -> None:
    multiple = 8
    given_times = np.zeros((2 * height, 2 * width), int)
    for tile in tiles(2 * height, 2 * width, side * multiple, halo * multiple, multiple):
        given_times[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
        assert len(tile.source_rows) % multiple == 0
        assert len(tile.source_columns) % multiple == 0
        halo_px = halo * multiple
        rows = tile.source_rows[halo_px : halo_px + tile.height]
        assert np.array_equal(rows, np.arange(tile.top, tile.top + tile.height))
        # The Bayer phase goes on: even rows come from even rows.
        offsets = np.arange(tile.top - halo_px, tile.top - halo_px + len(tile.source_rows))
        assert np.array_equal(tile.source_rows % 2, offsets % 2)
    assert (given_times == 1).all()


def test_sizes_that_would_break_the_alignment_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        list(tiles(64, 64, 20, 16, 16))
