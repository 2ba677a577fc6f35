"""Colour responses of real cameras, for turning photographs into what a sensor would have seen.

T. Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019: the paper mixes these four,
taken from their DNG ColorMatrix2 tags.
"""

from __future__ import annotations

import numpy as np

XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
"""XYZ (D65) to camera RGB, float64 [4, 3, 3]."""
