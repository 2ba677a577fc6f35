"""Unsharp masking of luminance; the mathematics are in `isp.colour.unsharp`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from isp import stage
from isp.stage import Domain, Signal


class Sharpen:
    """Raises the contrast of fine detail in luminance, leaving colour and what looks like noise alone."""

    name: ClassVar[str] = "sharpen"
    summary: ClassVar[str] = "Sharpens luminance by an unsharp mask, but not what looks like noise"
    transitions: ClassVar[Mapping[Domain, Domain]] = {
        Domain.SCENE_RGB: Domain.SCENE_RGB,
        Domain.DISPLAY_RGB: Domain.DISPLAY_RGB,
    }
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        radius_px: float = Field(default=0.8, ge=0.3, le=10, description="standard deviation of the blur, in pixels")
        amount: float = Field(default=0.6, ge=0, le=5, description="share of the detail that is added")
        threshold_sigma: float = Field(
            default=2.0, ge=0, le=20, description="detail below so many standard deviations of the noise is left alone"
        )

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        """float32, uint8 or uint16 [H, W, 3] in, the same array out; integers saturate at their ends.

        Best after the output encoding, where equal steps look equal.
        """
        from isp.colour.unsharp import sharpen_luminance

        sharpen_luminance(
            signal.data,
            radius_px=parameters.radius_px,
            amount=parameters.amount,
            threshold_sigma=parameters.threshold_sigma,
        )
        return signal
