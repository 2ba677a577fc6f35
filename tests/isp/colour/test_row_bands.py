from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from isp.colour.row_bands import row_bands


@given(height=st.integers(0, 5000), width=st.integers(1, 100_000))
def test_bands_cover_every_row_once(height, width):
    assert [row for band in row_bands(height, width) for row in range(height)[band]] == list(range(height))
