"""Tiles cover the frame once, and go on beyond it as the mosaic would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isp.tiling import MARGIN_PX, reflect, tiles


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
        for span, start, length, size in (
            (tile.rows, tile.top, tile.height, 2 * height),
            (tile.columns, tile.left, tile.width, 2 * width),
        ):
            assert len(span.indices) % multiple == 0
            assert span.before % multiple == 0
            given = span.indices[span.before : span.before + length]
            assert np.array_equal(given, np.arange(start, start + length))
            # The Bayer phase goes on: even rows come from even rows.
            places = np.arange(start - span.before, start - span.before + len(span.indices))
            assert np.array_equal(span.indices % 2, places % 2)
            # The whole halo where the frame has it, and the margin beyond the frame.
            assert places[0] == max(start - halo * multiple, -MARGIN_PX)
            assert places[-1] + 1 >= min(start + length + halo * multiple, size + MARGIN_PX)
    assert (given_times == 1).all()


def test_sizes_that_would_break_the_alignment_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        list(tiles(64, 64, 20, 16, 16))
