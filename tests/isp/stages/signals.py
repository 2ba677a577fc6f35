"""Signals for the tests of single stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel
from isp.raw_frame import BlackLevel, GainMap, RawFrame, Rect
from isp.stage import Domain, Signal


def signal_of(
    data: np.ndarray,
    cfa: Cfa | None,
    domain: Domain,
    *,
    black: BlackLevel | None = None,
    white: float = 1.0,
    neutral: tuple[float, float, float] | None = None,
    noise: NoiseModel | None = None,
    gain_maps: tuple[GainMap, ...] = (),
    default_crop: Rect | None = None,
) -> Signal:
    frame = RawFrame(
        mosaic=data,
        cfa=cfa,
        black=black or BlackLevel(np.zeros((2, 2))),
        white=white,
        source=Path("capture.dng"),
        as_shot_neutral=neutral,
        gain_maps=gain_maps,
        default_crop=default_crop,
    )
    return Signal(data=data.copy(), domain=domain, frame=frame, cfa=cfa, noise=noise)
