"""Plain capital letters drawn with strokes of even width, at any size, without a font file."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

CAP_UNITS = 6
"""Height of a letter in units of the stroke grid; letters are 4 units wide and advance by 6."""
_ADVANCE_UNITS = 6
_STROKE_UNITS = 0.9

# Strokes as points "xy" on the grid, x 0 to 4 rightwards, y 0 to 6 downwards; "/" lifts the pen.
_GLYPHS = {
    " ": "", "-": "13 33", ".": "26 26", ":": "22 22/25 25", "/": "06 40", "+": "13 33/22 24",
    "0": "10 30 41 45 36 16 05 01 10/23 23", "1": "11 20 26", "2": "01 10 30 41 42 06 46",
    "3": "01 10 30 41 42 33 44 45 36 16 05/13 33", "4": "36 30 04 44", "5": "40 00 03 33 44 45 36 16 05",
    "6": "41 30 10 01 05 16 36 45 44 33 03", "7": "00 40 16", "8": "10 30 41 42 33 13 02 01 10/13 04 05 16 36 45 44 33",
    "9": "05 16 36 45 41 30 10 01 02 13 43",
    "A": "06 20 46/14 34", "B": "00 06 36 45 44 33 03/33 42 41 30 00", "C": "41 30 10 01 05 16 36 45",
    "D": "00 06 26 45 41 20 00", "E": "40 00 06 46/03 33", "F": "40 00 06/03 33",
    "G": "41 30 10 01 05 16 36 45 43 23", "H": "00 06/40 46/03 43", "I": "20 26", "J": "40 45 36 16 05",
    "K": "00 06/40 03 46", "L": "00 06 46", "M": "06 00 23 40 46", "N": "06 00 46 40",
    "O": "10 30 41 45 36 16 05 01 10", "P": "06 00 30 41 42 33 03", "Q": "10 30 41 45 36 16 05 01 10/24 46",
    "R": "06 00 30 41 42 33 03/23 46", "S": "41 30 10 01 02 13 33 44 45 36 16 05", "T": "00 40/20 26",
    "U": "00 05 16 36 45 40", "V": "00 26 40", "W": "00 16 22 36 40", "X": "00 46/40 06", "Y": "00 23 40/23 26",
    "Z": "00 40 06 46",
}  # fmt: skip


def lettering(text: str, cap_height: float) -> np.ndarray:
    """Coverage mask of one line of text: bool [h, w], True where there is ink.

    text: capitals, digits and a few marks. cap_height: height of the capitals in samples of the mask. A margin of one
    grid unit stands around the text.
    """
    unit = cap_height / CAP_UNITS
    letters = [_glyph(letter, unit) for letter in text]
    return np.concatenate(letters, axis=1)


def _glyph(letter: str, unit: float) -> np.ndarray:
    height, width = round((CAP_UNITS + 2) * unit), round(_ADVANCE_UNITS * unit)
    y = (np.arange(height, dtype=np.float32)[:, None] + 0.5) / np.float32(unit) - 1
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / np.float32(unit) - 1
    ink = np.zeros((height, width), bool)
    for stroke in filter(None, _GLYPHS[letter].split("/")):
        points = [(float(point[0]), float(point[1])) for point in stroke.split()]
        for start, end in pairwise(points):
            ink |= _distance_squared(x, y, start, end) < (_STROKE_UNITS / 2) ** 2
    return ink


def _distance_squared(x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Squared distance of each point to the segment between `start` and `end`."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length_squared = along_x**2 + along_y**2
    if length_squared == 0:
        return (x - start[0]) ** 2 + (y - start[1]) ** 2
    t = np.clip(((x - start[0]) * along_x + (y - start[1]) * along_y) / length_squared, 0, 1)
    return (x - start[0] - t * along_x) ** 2 + (y - start[1] - t * along_y) ** 2
