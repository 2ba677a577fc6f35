"""The colour spaces in which pictures are written.

sRGB: IEC 61966-2-1:1999. Display P3: SMPTE EG 432-1 primaries, D65 white, sRGB's transfer function.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from isp.colour.chromaticity import D65_XY, P3_PRIMARIES, REC709_PRIMARIES, Xy, rgb_to_xyz


class Transfer(StrEnum):
    """From linear light to the encoded value."""

    SRGB = "srgb"
    LINEAR = "linear"


class ColourSpace(StrEnum):
    """Values of `Signal.colour_space`."""

    SRGB = "srgb"
    DISPLAY_P3 = "display_p3"
    LINEAR = "linear"

    @property
    def display_name(self) -> str:
        """The name that a picture's profile carries."""
        return {"srgb": "sRGB", "display_p3": "Display P3", "linear": "Linear sRGB"}[self.value]

    @property
    def primaries(self) -> tuple[Xy, Xy, Xy]:
        return P3_PRIMARIES if self is ColourSpace.DISPLAY_P3 else REC709_PRIMARIES

    @property
    def transfer(self) -> Transfer:
        return Transfer.LINEAR if self is ColourSpace.LINEAR else Transfer.SRGB

    def from_linear_srgb(self) -> np.ndarray | None:
        """Matrix float64 [3, 3] from linear sRGB to this space's linear RGB; None where they agree."""
        if self.primaries == REC709_PRIMARIES:
            return None
        to_xyz = rgb_to_xyz(REC709_PRIMARIES, D65_XY)
        return np.asarray(np.linalg.solve(rgb_to_xyz(self.primaries, D65_XY), to_xyz))
