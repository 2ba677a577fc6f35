"""Replaces hot and dead pixels."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from isp import stage
from isp.errors import ConfigError
from isp.stage import Domain, Signal

log = logging.getLogger(__name__)


class DefectivePixels:
    """Finds single pixels that stand out of their surroundings by far more than noise, and fills them."""

    name: ClassVar[str] = "defective_pixels"
    summary: ClassVar[str] = "Replaces hot and dead pixels, found in the picture or listed in a file"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType({Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC})
    needs_noise: ClassVar[bool] = True

    class Parameters(stage.Parameters):
        """Which pixels are replaced."""

        method: Literal["dynamic", "map"] = Field(
            "dynamic",
            description="dynamic: those found in the picture itself, and those of map_file if it is given; "
            "map: only those of map_file",
        )
        threshold_sigma: float = Field(
            8.0,
            ge=3.0,
            le=100.0,
            description="how far beyond all its neighbours of the same colour a pixel is taken for defective, "
            "in standard deviations of the noise",
        )
        map_file: Path | None = Field(
            None,
            description="known defective pixels: text with x y on each line, .npy [N, 2], or a YAML list of "
            "[x, y]; x is the column and y the row of the picture area",
        )

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        from isp.defects.detection import find_defects
        from isp.defects.map_file import read_defect_map
        from isp.defects.replacement import replace_defects

        data, cfa, noise = signal.data, signal.cfa, signal.noise
        if cfa is None:
            raise ConfigError("defective_pixels: the frame is no Bayer mosaic", expected="a mosaic with a known CFA")
        defects = np.zeros((0, 2), np.int64)
        if parameters.map_file is not None:
            defects = read_defect_map(parameters.map_file, *data.shape)
        if parameters.method == "dynamic":
            if noise is None:
                raise ConfigError("defective_pixels: the noise is not known", remedy="give it with --noise SHOT,READ")
            found = find_defects(data, cfa, noise, parameters.threshold_sigma, signal.shading_gain)
            defects = np.concatenate([defects, found])
        log.info("%s: %d defective pixels replaced", signal.frame.source.name, len(defects))
        replace_defects(data, cfa, defects)
        return replace(signal, data=data)
