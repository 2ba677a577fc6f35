"""What a network sees of photographs of one's own, for calibration: unprocessed to what a sensor captures of them.

References
----------
T. Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from compile.ethos_u.border import seen
from compile.ethos_u.calibration import SHARES, TILE_PX
from compile.golden_scenes import within
from denoiser.evaluation.scenes import Photograph, photographs, unprocess
from isp.cfa import Cfa
from isp.errors import InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample.sensor import expose, mosaic_of

MOST = 24
"""Photographs that are taken, evenly from a folder."""
SEED = 5


def chosen(folder: Path) -> tuple[Photograph, ...]:
    """The photographs that `images` takes. Raises InputError where there are none."""
    found = photographs(folder)
    count = min(MOST, len(found))
    return tuple(found[number * len(found) // count] for number in range(count))


def images(folder: Path, shot_range: tuple[float, float]) -> Iterator[np.ndarray]:
    """As `calibration.images`, of the middle of each photograph: float32 [1, 5, PACKED, PACKED].

    folder: sRGB pictures. Raises InputError where there are none, and for one that can't be read or is too small.
    """
    for photograph in chosen(folder):
        clean = np.minimum(mosaic_of(_linear(photograph), Cfa.RGGB), 1)
        for share in SHARES:
            shot, read = within(shot_range, share)
            noise = NoiseModel(shot, read, NoiseOrigin.USER)
            noisy = np.minimum(expose(clean, Cfa.RGGB, noise, seed=SEED), 1)
            yield seen(noisy, shot, read)


def _linear(photograph: Photograph) -> np.ndarray:
    """The middle of a photograph in linear camera RGB: float32 [TILE_PX, TILE_PX, 3]."""
    bgr = cv2.imread(str(photograph.path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{photograph.path}: not a readable photograph", expected="a whole file", remedy="remove it")
    top, left = ((size - TILE_PX) // 2 for size in bgr.shape[:2])
    if min(top, left) < 0:
        height, width = bgr.shape[:2]
        raise InputError(
            f"{photograph.path}: {width} x {height} px", expected=f"at least {TILE_PX} x {TILE_PX}", remedy="remove it"
        )
    crop = bgr[top : top + TILE_PX, left : left + TILE_PX, ::-1]
    rgb, _ = unprocess(crop, np.random.default_rng([SEED, photograph.index]))
    return rgb
