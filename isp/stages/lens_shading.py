"""Lens-shading correction: brings the corners to the brightness and colour of the centre."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from isp import stage
from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.raw_frame import GainMap, Rect
from isp.shading.file import read_shading_file
from isp.shading.gain_map import multiply_mosaic_gain, multiply_rgb
from isp.stage import Domain, Signal


class LensShading:
    """Multiplies by gain maps; a frame without any passes as it is.

    On a mosaic, maps meant for the demosaiced picture (DNG's OpcodeList3) are applied as well, each
    plane to the pixels of its colour, and `shading_gain` keeps the product. Demosaiced frames take only
    those maps. Values are not clipped; where a gain is below 1, `saturation` falls with it.
    """

    name: ClassVar[str] = "lens_shading"
    summary: ClassVar[str] = "Evens out lens shading with the file's gain maps or a calibration's"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType(
        {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC, Domain.LINEAR_RGB: Domain.LINEAR_RGB}
    )
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        """Where the gains come from."""

        source: Literal["auto", "file", "none"] = Field(
            "auto", description="auto: the gain maps of the DNG, if it has any; file: gain_file; none: no correction"
        )
        gain_file: Path | None = Field(
            None,
            description="gains as .npz or YAML: a grid [rows, columns] for each of R, Gr, Gb, B or R, G, B, whose "
            "outermost points lie on the frame's edges; only with source file",
        )

        @model_validator(mode="after")
        def _file_with_its_source(self) -> Self:
            if (self.source == "file") != (self.gain_file is not None):
                raise ValueError(
                    f"gain_file {self.gain_file} with source {self.source}: give gain_file with source file"
                )
            return self

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        cfa = signal.cfa if signal.domain is Domain.LINEAR_MOSAIC else None
        maps = _maps(signal, cfa, parameters)
        if not maps:
            return signal
        if signal.shading_gain is not None:
            raise ConfigError("lens_shading: the picture was corrected before", remedy="list the stage once")
        saturation = _saturation(signal.saturation, maps, cfa)
        if cfa is None:
            for gain_map in maps:
                multiply_rgb(signal.data, gain_map)
            return replace(signal, saturation=saturation)
        gain = np.ones(signal.data.shape, np.float32)
        for gain_map in maps:
            multiply_mosaic_gain(gain, cfa, gain_map)
        data = np.multiply(signal.data, gain, out=signal.data)
        return replace(signal, data=data, shading_gain=gain, saturation=saturation)


def _maps(signal: Signal, cfa: Cfa | None, parameters: LensShading.Parameters) -> tuple[GainMap, ...]:
    if parameters.source == "none":
        return ()
    if parameters.gain_file is not None:
        return read_shading_file(parameters.gain_file, cfa, signal.data.shape[0], signal.data.shape[1])
    if cfa is not None:
        return signal.frame.gain_maps
    # Half-size demosaic makes a picture smaller than the mosaic in whose pixels areas are counted.
    factor = max(1, round(signal.frame.height / signal.data.shape[0]))
    return tuple(
        replace(gain_map, area=_divided(gain_map.area, factor))
        for gain_map in signal.frame.gain_maps
        if gain_map.opcode_list == 3
    )


def _divided(area: Rect, factor: int) -> Rect:
    return Rect(area.top // factor, area.left // factor, -(-area.bottom // factor), -(-area.right // factor))


def _saturation(
    saturation: tuple[float, float, float], maps: tuple[GainMap, ...], cfa: Cfa | None
) -> tuple[float, float, float]:
    """The least value at which each colour can be full after its gains."""
    least = [1.0, 1.0, 1.0]
    for gain_map in maps:
        lowest = min(1.0, float(gain_map.gains.min()))
        for channel in _channels(gain_map, cfa):
            least[channel] *= lowest
    red, green, blue = saturation
    return red * least[0], green * least[1], blue * least[2]


def _channels(gain_map: GainMap, cfa: Cfa | None) -> set[int]:
    if cfa is None or gain_map.opcode_list == 3:
        return set(range(3)) & set(range(gain_map.plane, gain_map.plane + gain_map.planes))
    rows = {(gain_map.area.top + step * gain_map.row_pitch) % 2 for step in (0, 1)}
    columns = {(gain_map.area.left + step * gain_map.column_pitch) % 2 for step in (0, 1)}
    return {cfa.channels[2 * row + column] for row in rows for column in columns}
