"""White balance: one gain per camera colour.

Grey world: G. Buchsbaum, A spatial processor model for object colour perception, Journal of the
Franklin Institute 310(1), 1980, over the pixels that are not blown.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from isp import stage
from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.stage import Domain, Signal

BAND_ROWS = 32
BLOWN = 0.95
"""Part of saturation above which grey world leaves a pixel out."""
SAMPLES_PER_SIDE = 1024
"""Grey world looks at no more rows and columns of 2x2 blocks (or of pixels) than this."""

Gains = tuple[float, float, float]
log = logging.getLogger(__name__)


class WhiteBalance:
    """Multiplies each camera colour by its gain, before or after demosaic.

    Gains are scaled so that the least is 1 (green's, for daylight): what was blown stays at or above 1.
    `white_balance` and `saturation` are multiplied by them.
    """

    name: ClassVar[str] = "white_balance"
    summary: ClassVar[str] = "Makes a neutral object grey with one gain per colour"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType(
        {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC, Domain.LINEAR_RGB: Domain.LINEAR_RGB}
    )
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        """How the gains are found."""

        method: Literal["as_shot_or_grey_world", "as_shot", "grey_world", "gains"] = Field(
            "as_shot_or_grey_world",
            description="as_shot: as the camera judged the scene, an error where the file does not tell; "
            "grey_world: the mean of the scene is grey; as_shot_or_grey_world: grey world only where the "
            "file does not tell; gains: the numbers given as gains",
        )
        gains: tuple[float, float, float] | None = Field(
            None, description="gains for red, green and blue, each above 0; only with method gains"
        )

        @model_validator(mode="after")
        def _gains_with_their_method(self) -> Self:
            if (self.method == "gains") != (self.gains is not None):
                raise ValueError(f"gains {self.gains} with method {self.method}: give gains with method gains")
            if self.gains is not None and not (min(self.gains) > 0 and np.isfinite(self.gains).all()):
                raise ValueError(f"gains {self.gains}: expected three finite numbers above 0")
            return self

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        cfa = signal.cfa if signal.domain is Domain.LINEAR_MOSAIC else None
        gains = scaled_to_least(_gains(signal, cfa, parameters))
        data = np.ascontiguousarray(signal.data)
        apply_gains(data, cfa, gains)
        return replace(
            signal,
            data=data,
            white_balance=_product(signal.white_balance, gains),
            saturation=_product(signal.saturation, gains),
        )


def _gains(signal: Signal, cfa: Cfa | None, parameters: WhiteBalance.Parameters) -> Gains:
    if parameters.gains is not None:
        return parameters.gains
    neutral = signal.frame.as_shot_neutral
    if parameters.method != "grey_world" and neutral is not None:
        red, green, blue = neutral
        return 1 / red, 1 / green, 1 / blue
    if parameters.method == "as_shot":
        raise ConfigError(
            f"{signal.frame.source.name} does not tell the camera's white balance",
            expected="an as-shot neutral",
            remedy="set white_balance.method to grey_world, or to gains with white_balance.gains",
        )
    gains = grey_world_gains(signal.data, cfa, signal.saturation)
    if parameters.method == "as_shot_or_grey_world":
        log.info(
            "%s: no as-shot white balance, so grey world: gains %.3f, %.3f, %.3f", signal.frame.source.name, *gains
        )
    return gains


def scaled_to_least(gains: Gains) -> Gains:
    """The same balance with the least gain 1."""
    red, green, blue = gains
    least = min(gains)
    return red / least, green / least, blue / least


def grey_world_gains(data: np.ndarray, cfa: Cfa | None, saturation: Gains) -> Gains:
    """Gains that make the mean of all pixels that are not blown grey, green's 1.

    data: float32, CFA mosaic [H, W], or camera RGB [H, W, 3] with `cfa` None; black 0, saturated at
    `saturation`. Gains of 1 where a mean is not above black: such a picture tells nothing.
    """
    samples = _samples(data, cfa)
    kept = samples[(samples < BLOWN * np.asarray(saturation)).all(axis=1)]
    means = kept.mean(axis=0, dtype=np.float64) if len(kept) else np.zeros(3)
    if not means.min() > 0:
        log.warning("grey world: no pixels between black and white to judge from, so no white balance")
        return 1.0, 1.0, 1.0
    return float(means[1] / means[0]), 1.0, float(means[1] / means[2])


def _samples(data: np.ndarray, cfa: Cfa | None) -> np.ndarray:
    """(R, G, B) [N, 3] of evenly spread pixels, or of 2x2 blocks with the mean of their greens."""
    step = 1 if cfa is None else 2
    rows = slice(0, data.shape[0] // step * step, step * max(1, data.shape[0] // step // SAMPLES_PER_SIDE))
    columns = slice(0, data.shape[1] // step * step, step * max(1, data.shape[1] // step // SAMPLES_PER_SIDE))
    if cfa is None:
        return data[rows, columns].reshape(-1, 3)

    def plane(colour: str) -> np.ndarray:
        row, column = cfa.position(colour)
        return data[row:, column:][rows, columns]

    return np.stack([plane("R"), (plane("Gr") + plane("Gb")) / 2, plane("B")], axis=-1).reshape(-1, 3)


def apply_gains(data: np.ndarray, cfa: Cfa | None, gains: Gains) -> None:
    """Multiplies a CFA mosaic [H, W], or camera RGB [H, W, 3] with `cfa` None, in place."""
    height = data.shape[0]
    rows = data.reshape(height, -1)
    period = 1 if cfa is None else 2
    for phase in range(period):
        colours = (0, 1, 2) if cfa is None else cfa.channels[2 * phase : 2 * phase + 2]
        of_columns = np.resize(np.array([gains[colour] for colour in colours], np.float32), rows.shape[1])
        for start in range(phase, height, BAND_ROWS * period):
            rows[start : start + BAND_ROWS * period : period] *= of_columns


def _product(a: Gains, b: Gains) -> Gains:
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]
