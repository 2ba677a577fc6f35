"""What becomes of pixels at which the sensor was full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from isp import stage
from isp.stage import Domain, Signal


class Highlights:
    """Keeps blown areas neutral, in white-balanced camera RGB whose colours are full at `saturation`."""

    name: ClassVar[str] = "highlights"
    summary: ClassVar[str] = "Keeps blown areas neutral"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType({Domain.LINEAR_RGB: Domain.LINEAR_RGB})
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        """Clip, or guess what was lost."""

        method: Literal["clip", "reconstruct"] = Field(
            "clip",
            description="clip: every colour ends at the saturation of the colour that fills first; "
            "reconstruct: full colours are raised to what the others suggest, so that detail stays where "
            "not all are full; whites then lie above 1",
        )

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        data = np.ascontiguousarray(signal.data)
        if parameters.method == "clip":
            least = min(signal.saturation)
            clip(data, least)
            return replace(signal, data=data, saturation=(least, least, least))
        from isp.highlights.reconstruction import reconstruct

        reconstruct(data, signal.saturation)
        most = max(signal.saturation)
        return replace(signal, data=data, saturation=(most, most, most))


def clip(rgb: np.ndarray, level: float) -> None:
    """Limits camera RGB float32 [H, W, 3] to `level` from above, in place."""
    np.minimum(rgb, np.float32(level), out=rgb)
