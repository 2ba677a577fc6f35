"""The 24 patches of the ColorChecker test chart.

Values: D. Pascale, "RGB coordinates of the Macbeth ColorChecker", The BabelColor Company, 2006, table of sRGB values
stated by the maker GretagMacbeth (8 bit, sRGB encoded, D65).
"""

from __future__ import annotations

import numpy as np

PATCHES_SRGB8: tuple[tuple[int, int, int], ...] = (
    (115, 82, 68), (194, 150, 130), (98, 122, 157), (87, 108, 67), (133, 128, 177), (103, 189, 170),
    (214, 126, 44), (80, 91, 166), (193, 90, 99), (94, 60, 108), (157, 188, 64), (224, 163, 46),
    (56, 61, 150), (70, 148, 73), (175, 54, 60), (231, 199, 31), (187, 86, 149), (8, 133, 161),
    (243, 243, 242), (200, 200, 200), (160, 160, 160), (122, 122, 121), (85, 85, 85), (52, 52, 52),
)  # fmt: skip
"""Row by row from the top left: six columns, four rows."""

ROWS, COLUMNS = 4, 6


def decode_srgb(encoded: np.ndarray) -> np.ndarray:
    """sRGB encoded values 0..1 to linear light 0..1 (IEC 61966-2-1); same shape, float64."""
    value = np.asarray(encoded, np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def patches_linear() -> np.ndarray:
    """Linear sRGB of the patches: float64 [4, 6, 3], white 1."""
    return decode_srgb(np.array(PATCHES_SRGB8) / 255).reshape(ROWS, COLUMNS, 3)


def colour_chart(height: int, width: int) -> np.ndarray:
    """The chart on its black card: linear sRGB, float32 [height, width, 3]."""
    chart = np.full((height, width, 3), 0.03, np.float32)
    gap = round(min(height, width) * 0.03)
    patches = patches_linear()
    for row in range(ROWS):
        for column in range(COLUMNS):
            top = gap + row * (height - gap) // ROWS
            bottom = (row + 1) * (height - gap) // ROWS
            left = gap + column * (width - gap) // COLUMNS
            right = (column + 1) * (width - gap) // COLUMNS
            chart[top:bottom, left:right] = patches[row, column]
    return chart
