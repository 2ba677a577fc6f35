"""Linear light to the integers of a picture file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from isp import stage
from isp.stage import Domain, Signal


class OutputEncoding:
    """Converts linear sRGB to the output's colour space, clips, encodes and rounds to nearest."""

    name: ClassVar[str] = "output_encoding"
    summary: ClassVar[str] = "Converts to the output's colour space and rounds to its bits"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.SCENE_RGB: Domain.DISPLAY_RGB}
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        colour_space: Literal["srgb", "display_p3", "linear"] = Field(
            default="srgb",
            description="srgb; display_p3: wider gamut, same transfer function; linear: sRGB primaries, no encoding",
        )
        bits: Literal[8, 16, 32] = Field(
            default=8, description="bits per colour: 8 and 16 are integers; 32 is float, for linear only, not clipped"
        )

        @field_validator("bits")
        @classmethod
        def _float_is_linear(cls, bits: int, info: ValidationInfo) -> int:
            if bits == 32 and info.data.get("colour_space") != "linear":
                raise ValueError("8 or 16, or colour_space linear")
            return bits

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        """float32 [H, W, 3] in; uint8, uint16 or float32 of that shape out. The input is overwritten."""
        from isp.colour.colour_space import ColourSpace
        from isp.colour.quantise import encode

        space = ColourSpace(parameters.colour_space)
        data = signal.data
        if parameters.bits != 32:
            data = encode(data, space, np.uint8 if parameters.bits == 8 else np.uint16)
        return replace(signal, data=data, domain=Domain.DISPLAY_RGB, colour_space=space.value)
