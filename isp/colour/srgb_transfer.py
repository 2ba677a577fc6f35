"""sRGB's transfer function, IEC 61966-2-1:1999."""

from __future__ import annotations

import numpy as np

from isp.colour.power import raise_to

_LINEAR_BELOW = 0.0031308
_LINEAR_SLOPE = 12.92
_SCALE = 1.055
_OFFSET = 0.055
_EXPONENT = 1.0 / 2.4


def encode_srgb(linear: np.ndarray) -> None:
    """Turn float32 linear light in [0, 1] into encoded values in [0, 1], in place."""
    # Both branches as a sum, each held constant where the other one varies: no mask is needed.
    dark = np.minimum(linear, np.float32(_LINEAR_BELOW))
    np.maximum(linear, np.float32(_LINEAR_BELOW), out=linear)
    raise_to(linear, _EXPONENT)
    linear *= np.float32(_SCALE)
    dark *= np.float32(_LINEAR_SLOPE)
    linear += dark
    linear -= np.float32(_OFFSET + _LINEAR_SLOPE * _LINEAR_BELOW)
