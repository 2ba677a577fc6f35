"""The log-logistic tone curve.

y = A x^c / (x^c + k): a sigmoid on a logarithmic axis, the Naka-Rushton response (K. I. Naka and
W. A. H. Rushton, J. Physiol. 185, 1966) that Reinhard's photographic operator (SIGGRAPH 2002, eq. 4)
has for c = 1. `k` and `A` follow from two conditions: scene mid-grey 0.18 becomes a given display
value, and the scene's white becomes 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isp.colour.power import raise_to

MID_GREY = 0.18
"""Linear reflectance of a mid-grey card."""


@dataclass(frozen=True)
class Sigmoid:
    """Coefficients of y = scale * x^contrast / (x^contrast + offset), for x up to `white`."""

    contrast: float
    offset: float
    scale: float
    white: float

    @classmethod
    def through(cls, contrast: float, mid_grey: float, white: float) -> Sigmoid:
        """The curve that maps 0 to 0, 0.18 to `mid_grey` and `white` to 1.

        Raises ValueError where no such curve bends the right way: `mid_grey` must lie between
        (0.18 / white) ** contrast, where the curve is a plain power, and 1.
        """
        floor = (MID_GREY / white) ** contrast
        if not floor < mid_grey < 1.0:
            raise ValueError(f"mid_grey {mid_grey:g}: expected a value between {floor:.3g} and 1")
        offset = MID_GREY**contrast * (1.0 - mid_grey) / (mid_grey - floor)
        return cls(contrast, offset, 1.0 + offset / white**contrast, white)

    def apply(self, values: np.ndarray) -> None:
        """Map a float32 array of values >= 0 in place; results lie in [0, 1]."""
        np.minimum(values, np.float32(self.white), out=values)
        raise_to(values, self.contrast)
        denominator = values + np.float32(self.offset)
        values /= denominator
        values *= np.float32(self.scale)
