"""What a stage of the pipeline is, and what flows between stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from isp.cfa import Cfa
from isp.noise.model import NoiseModel
from isp.raw_frame import RawFrame


class Domain(StrEnum):
    """Meaning of the numbers between two stages."""

    MOSAIC = "mosaic"
    """Raw digital numbers, [H, W]."""
    SENSOR_RGB = "sensor_rgb"
    """Raw digital numbers of a file demosaiced by its camera (LinearRaw), [H, W, 3]."""
    LINEAR_MOSAIC = "linear_mosaic"
    """float32 [H, W], black 0, white 1; values below black are kept."""
    LINEAR_RGB = "linear_rgb"
    """float32 [H, W, 3], camera RGB, black 0."""
    SCENE_RGB = "scene_rgb"
    """float32 [H, W, 3], linear light, sRGB primaries (D65)."""
    DISPLAY_RGB = "display_rgb"
    """uint8, uint16 or float32 [H, W, 3], encoded for a display, in `Signal.colour_space`."""


MOSAIC_DOMAINS = frozenset({Domain.MOSAIC, Domain.LINEAR_MOSAIC})


class Parameters(BaseModel):
    """Base of every stage's parameters: immutable, unknown keys are errors.

    Every field carries a description, a unit in its name and, where it has one, a range: help texts
    and documentation are made from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True)
class Signal:
    """A picture on its way through the pipeline, with what stages tell each other.

        data: array in the meaning of `domain`; a stage may overwrite the array it is given and must not
        keep it. frame: the capture's facts (its `mosaic` may be gone by then: use `data`). noise: model
        of the noise in the linear mosaic, None where unknown. white_balance: gains (R, G, B) applied so
        far. saturation: per camera colour (R, G, B), the value at which the sensor is full; white
        balance scales it. shading_gain: float32 [H, W], the lens-shading gain that the data has been
    multiplied by, None where there was none: the noise model holds for data / shading_gain.
    colour_space: set by the output encoding. decisions: (what, which) that stages chose by the data and
    that should be on record, such as ("denoise.model", "universal").
    """

    data: np.ndarray
    domain: Domain
    frame: RawFrame
    cfa: Cfa | None
    noise: NoiseModel | None = None
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shading_gain: np.ndarray | None = None
    colour_space: str = ""
    decisions: tuple[tuple[str, str], ...] = ()


P_contra = TypeVar("P_contra", bound=Parameters, contravariant=True)


class Stage(Protocol[P_contra]):
    """One step of the pipeline; found through the entry-point group `isp.stages`.

    transitions: for each domain it takes, the domain it gives. A LinearRaw file skips the stages
    that take none but mosaic domains. needs_noise: the stage reads `Signal.noise`; where neither the
    user nor the file gave one, the pipeline estimates it from the linear mosaic before the stage runs.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    transitions: ClassVar[Mapping[Domain, Domain]]
    needs_noise: ClassVar[bool]
    Parameters: ClassVar[type[Parameters]]

    def __call__(self, signal: Signal, parameters: P_contra, /) -> Signal: ...
