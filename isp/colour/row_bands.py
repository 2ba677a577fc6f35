"""Rows in bands small enough for the processor's cache.

Several passes over one band cost little more than one pass over the frame, for only the first and
the last go to memory.
"""

from __future__ import annotations

from collections.abc import Iterator

_BAND_PIXELS = 32768


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Consecutive row slices that cover [0, height), of about 33,000 pixels each."""
    rows = max(1, _BAND_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
