"""Brightness in linear light."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from isp import stage
from isp.shown_area import shown_area
from isp.stage import Domain, Signal

_log = logging.getLogger(__name__)


class Exposure:
    """Multiplies by one gain: the user's EV times the file's BaselineExposure times the metered gain."""

    name: ClassVar[str] = "exposure"
    summary: ClassVar[str] = "Sets the brightness: by EV, by the file's BaselineExposure, or metered"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.SCENE_RGB: Domain.SCENE_RGB}
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        ev: float = Field(default=0.0, ge=-10, le=10, description="exposure correction in EV, on top of the others")
        baseline: Literal["apply", "ignore"] = Field(
            default="apply",
            description="what to do with the file's BaselineExposure; with metering it only shifts the limits",
        )
        metering: Literal["log_average", "none"] = Field(
            default="log_average",
            description="log_average: brings the mean of log luminance to `key`, within the limits below; "
            "none: keeps the capture's exposure, for comparable frames",
        )
        key: float = Field(default=0.13, ge=0.01, le=1.0, description="linear luminance that metering aims at")
        highlight_percentile: float = Field(
            default=99.0, ge=50, le=100, description="share of pixels, in percent, that `highlight_limit` holds down"
        )
        highlight_limit: float = Field(
            default=1.5, ge=0.1, le=16, description="linear luminance above which metering lifts no more highlights"
        )
        lowest_metered_ev: float = Field(default=-1.0, ge=-10, le=0, description="metering darkens no further, in EV")
        highest_metered_ev: float = Field(default=4.0, ge=0, le=10, description="metering brightens no further, in EV")

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        """float32 [H, W, 3] in, the same array out; `saturation` is scaled with it."""
        gain = self.gain_for(signal, parameters)
        if gain == 1.0:
            return signal
        # In place, and so without a second frame in memory.
        np.multiply(signal.data, np.float32(gain), out=signal.data)
        red, green, blue = signal.saturation
        return replace(signal, saturation=(red * gain, green * gain, blue * gain))

    @staticmethod
    def gain_for(signal: Signal, parameters: Parameters) -> float:
        """The gain that the stage applies to `signal`."""
        gain = 2.0**signal.frame.baseline_exposure_ev if parameters.baseline == "apply" else 1.0
        if parameters.metering == "log_average":
            from isp.colour.metering import metered_gain

            area = shown_area(signal.frame, *signal.data.shape[:2])
            metered = metered_gain(
                signal.data[area.slices],
                key=parameters.key / gain,
                highlight_percentile=parameters.highlight_percentile,
                highlight_limit=parameters.highlight_limit / gain,
                saturation=min(signal.saturation),
            )
            metered_ev = min(max(math.log2(metered), parameters.lowest_metered_ev), parameters.highest_metered_ev)
            _log.info("%s: metered %+.2f EV", signal.frame.source, metered_ev)
            gain *= 2.0**metered_ev
        return float(gain * 2.0**parameters.ev)
