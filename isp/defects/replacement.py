"""Fills defective pixels from their neighbours of the same colour."""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa

PAIRS = (((0, -2), (0, 2)), ((-2, 0), (2, 0)), ((-2, -2), (2, 2)), ((-2, 2), (2, -2)))
GREEN_PAIRS = (((-1, -1), (1, 1)), ((-1, 1), (1, -1)), *PAIRS)


def replace_defects(mosaic: np.ndarray, cfa: Cfa, defects: np.ndarray) -> None:
    """Fills the pixels `defects`, int [N, 2] (row, column), of a CFA mosaic float32 [H, W] in place.

    Each gets the mean of the two opposite neighbours that differ least, so that edges go on through
    it. Where every such pair has a defect or lies outside, it gets the median of the sound neighbours;
    where there are none, that of pixels filled before it.
    """
    bad = np.zeros(mosaic.shape, bool)
    bad[defects[:, 0], defects[:, 1]] = True
    defects = np.argwhere(bad)
    for row, column, channel in zip((0, 0, 1, 1), (0, 1, 0, 1), cfa.channels, strict=True):
        left = defects[(defects[:, 0] % 2 == row) & (defects[:, 1] % 2 == column)]
        pairs = np.array(GREEN_PAIRS if channel == 1 else PAIRS)
        while len(left):
            filling, usable = _filling(mosaic, bad, left, pairs)
            if not usable.any():
                break
            filled = left[usable]
            mosaic[filled[:, 0], filled[:, 1]] = filling[usable]
            bad[filled[:, 0], filled[:, 1]] = False
            left = left[~usable]


def _filling(mosaic: np.ndarray, bad: np.ndarray, at: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What to put at each place of `at`, and whether there is anything to put there."""
    places = at[:, None, None, :] + pairs
    last = np.array(mosaic.shape) - 1
    inside = ((places >= 0) & (places <= last)).all(axis=-1)
    places = np.clip(places, 0, last)
    values = mosaic[places[..., 0], places[..., 1]]
    sound = inside & ~bad[places[..., 0], places[..., 1]]

    difference = np.where(sound.all(axis=2), np.abs(values[..., 0] - values[..., 1]), np.inf)
    best = difference.argmin(axis=1)
    each = np.arange(len(at))
    filling = values[each, best].mean(axis=1)
    unpaired = np.isinf(difference[each, best])
    usable = sound.any(axis=(1, 2))
    lone = unpaired & usable
    if lone.any():
        neighbours = np.where(sound[lone], values[lone], np.nan).reshape(int(lone.sum()), -1)
        filling[lone] = np.nanmedian(neighbours, axis=1)
    return filling, usable
