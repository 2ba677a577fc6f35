"""Black subtraction and scaling to white.

Adobe, Digital Negative Specification 1.7, chapter 5 ("Mapping Raw Values to Linear Reference
Values"): black is subtracted per position of its pattern, per row and per column; what is left is
divided by white minus the greatest black of the plane. One divisor for all positions keeps their
sensitivities equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from isp import stage
from isp.errors import InputError
from isp.raw_frame import BlackLevel as Black
from isp.stage import Domain, Signal

BAND_ROWS = 32


class BlackLevel:
    """Raw digital numbers, uint16 or float32, to float32 with black 0 and white 1.

    Values below black stay negative and values above white stay above 1; `saturation` becomes 1.
    """

    name: ClassVar[str] = "black_level"
    summary: ClassVar[str] = "Subtracts the black level and scales white to 1"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType(
        {Domain.MOSAIC: Domain.LINEAR_MOSAIC, Domain.SENSOR_RGB: Domain.LINEAR_RGB}
    )
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        """No parameters: black and white come with the frame."""

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:  # noqa: ARG002
        data = subtract_black(signal.data, signal.frame.black, signal.frame.white)
        return replace(signal, data=data, domain=self.transitions[signal.domain], saturation=(1.0, 1.0, 1.0))


def subtract_black(raw: np.ndarray, black: Black, white: float) -> np.ndarray:
    """float32, black 0 and white 1, in the shape of `raw`: digital numbers [H, W] or [H, W, colours].

    At `white`, a position of less than the greatest black reaches a little more than 1.
    Raises InputError where white does not exceed black.
    """
    height, width = raw.shape[:2]
    colours = raw.shape[2] if raw.ndim == 3 else 1
    pattern = np.asarray(black.pattern, np.float64).reshape(*black.pattern.shape[:2], -1)
    per_row = np.zeros(height) if black.per_row is None else black.per_row
    per_column = np.zeros(width) if black.per_column is None else black.per_column
    greatest = pattern.max(axis=(0, 1)) + per_row.max() + per_column.max()
    if not white > greatest.max():
        raise InputError(
            f"white level {white:g} with a black level of up to {greatest.max():g}",
            expected="white above black",
            remedy="give the sensor's levels with the file",
        )
    span = np.tile(np.float32(white) - np.broadcast_to(greatest, colours).astype(np.float32), width)
    linear = np.empty(raw.shape, np.float32)
    source, target = raw.reshape(height, -1), linear.reshape(height, -1)
    period = pattern.shape[0]
    for phase in range(period):
        columns = np.resize(np.arange(pattern.shape[1]), width)
        of_columns = (pattern[phase, columns] + per_column[:, None]).ravel().astype(np.float32)
        for start in range(phase, height, BAND_ROWS * period):
            rows = slice(start, start + BAND_ROWS * period, period)
            band = target[rows]
            np.subtract(source[rows], of_columns, out=band, dtype=np.float32)
            if black.per_row is not None:
                band -= per_row[rows, None].astype(np.float32)
            band /= span
    return linear
