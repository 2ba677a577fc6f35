"""Frames and signals made up for the tests of colour, tone and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from isp.cfa import Cfa
from isp.raw_frame import BlackLevel, CalibrationIlluminant, RawFrame
from isp.stage import Domain, Signal

# A GoPro HERO6: illuminants A and D50, no ForwardMatrix.
WARM = CalibrationIlluminant(
    2856.0, np.array([[1.8331, -0.8166, -0.2478], [0.1391, 0.8961, -0.0367], [0.0822, 0.0662, 0.2597]])
)
COOL = CalibrationIlluminant(
    5003.0, np.array([[1.0344, -0.4210, -0.0620], [-0.2315, 1.0625, 0.1948], [0.0093, 0.1058, 0.5541]])
)


def a_frame(height: int = 4, width: int = 6, **facts: Any) -> RawFrame:
    frame = RawFrame(
        mosaic=np.zeros((height, width), np.uint16),
        cfa=Cfa.RGGB,
        black=BlackLevel(np.zeros((2, 2))),
        white=1023.0,
        source=Path("made_up.dng"),
    )
    return replace(frame, **facts)


def a_signal(data: np.ndarray, domain: Domain, frame: RawFrame | None = None, **facts: Any) -> Signal:
    signal = Signal(np.array(data, np.float32), domain, frame or a_frame(*data.shape[:2]), Cfa.RGGB)
    return replace(signal, **facts)
