"""From the scene's range of light to the display's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from isp import stage
from isp.errors import ConfigError, InputError
from isp.stage import Domain, Signal


class ToneMap:
    """Compresses linear light to what a display shows, still linear; keeps hue (see `isp.colour.hue_preserving`)."""

    name: ClassVar[str] = "tone_map"
    summary: ClassVar[str] = "Fits the scene's light to a display by a tone curve that keeps hue"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.SCENE_RGB: Domain.SCENE_RGB}
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        method: Literal["sigmoid", "profile_curve", "plain"] = Field(
            default="sigmoid",
            description="sigmoid: log-logistic curve; profile_curve: the file's ProfileToneCurve; plain: cuts at 1",
        )
        contrast: float = Field(
            default=1.4, ge=1.0, le=4.0, description="sigmoid: steepness of the shadows on logarithmic axes"
        )
        mid_grey: float = Field(
            default=0.24, ge=0.05, le=0.6, description="sigmoid: linear display value of scene light 0.18"
        )
        white: float | None = Field(
            default=None,
            ge=0.5,
            le=1024,
            description="sigmoid: scene light that becomes display white; by default where the sensor is full, "
            "at least 1",
        )

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        """float32 [H, W, 3] in, the same array out, at most 1. Colours outside sRGB keep their negative values.

        Raises ConfigError for a sigmoid that does not exist, or a curve that the file does not have.
        """
        rgb = signal.data
        match parameters.method:
            case "plain":
                np.minimum(rgb, np.float32(1), out=rgb)
            case "sigmoid":
                self._sigmoid(rgb, parameters, white=parameters.white or max(1.0, min(signal.saturation)))
            case "profile_curve":
                self._profile_curve(rgb, signal)
        return signal

    @staticmethod
    def _sigmoid(rgb: np.ndarray, parameters: Parameters, white: float) -> None:
        from isp.colour.hue_preserving import apply_keeping_hue
        from isp.colour.sigmoid import Sigmoid

        try:
            curve = Sigmoid.through(parameters.contrast, parameters.mid_grey, white)
        except ValueError as error:
            raise ConfigError(
                f"tone_map.{error} for contrast {parameters.contrast:g} and white {white:g}",
                remedy="raise mid_grey, white or contrast",
            ) from None
        apply_keeping_hue(rgb, curve.apply)

    @staticmethod
    def _profile_curve(rgb: np.ndarray, signal: Signal) -> None:
        from isp.colour.hue_preserving import apply_keeping_hue
        from isp.colour.profile_tone_curve import apply_table, spline_table

        frame = signal.frame
        if frame.tone_curve is None:
            raise ConfigError(
                f"tone_map.method is profile_curve, but {frame.source} has no ProfileToneCurve",
                remedy="use tone_map.method=sigmoid",
            )
        try:
            table = spline_table(frame.tone_curve)
        except ValueError as error:
            raise InputError(f"{frame.source}: bad ProfileToneCurve", expected=str(error)) from None
        apply_keeping_hue(rgb, lambda values: apply_table(table, values))
