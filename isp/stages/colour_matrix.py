"""Camera RGB to linear sRGB; the mathematics are in `isp.colour.dng_colour`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from isp import stage
from isp.errors import InputError
from isp.stage import Domain, Signal

_log = logging.getLogger(__name__)

Row = tuple[float, float, float]


class ColourMatrix:
    """Maps white-balanced camera RGB to linear light with sRGB primaries (D65)."""

    name: ClassVar[str] = "colour_matrix"
    summary: ClassVar[str] = "Turns camera RGB into linear sRGB by the file's colour matrices"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.LINEAR_RGB: Domain.SCENE_RGB}
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        matrix: Literal["auto"] | tuple[Row, Row, Row] = Field(
            default="auto",
            description="auto: from the file's matrices, or the identity where it has none; or three rows of three "
            "numbers from white-balanced camera RGB to linear sRGB, applied as they are",
        )

        @field_validator("matrix")
        @classmethod
        def _finite(cls, value: Literal["auto"] | tuple[Row, Row, Row]) -> Literal["auto"] | tuple[Row, Row, Row]:
            if value != "auto" and not np.isfinite(value).all():
                raise ValueError("expected finite numbers")
            return value

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        """float32 [H, W, 3] in, the same array out. Values below 0 (noise, colours outside sRGB) are kept.

        The matrix is the one for the light that the white balance assumes; where there is no such
        light, for the one that the file states. Raises InputError where there is none either.
        """
        matrix = self.matrix_for(signal, parameters)
        if matrix is None:
            _log.info("%s: no colour matrix in the file, camera RGB is taken as sRGB", signal.frame.source)
        else:
            from isp.colour.linear_map import apply_matrix

            apply_matrix(signal.data, matrix)
        return replace(signal, domain=Domain.SCENE_RGB)

    @staticmethod
    def matrix_for(signal: Signal, parameters: Parameters) -> np.ndarray | None:
        """The float64 [3, 3] matrix that the stage applies to `signal`; None for no change."""
        if parameters.matrix != "auto":
            return np.asarray(parameters.matrix, dtype=np.float64)
        frame = signal.frame
        if not frame.illuminants:
            return None
        from isp.colour.dng_colour import balanced_camera_to_srgb

        try:
            return balanced_camera_to_srgb(signal.white_balance, frame.illuminants, frame.analog_balance)
        except InputError as error:
            if frame.as_shot_neutral is None:
                raise
            # Gains made for looks rather than for a light, or none at all: the file still tells the light.
            _log.warning("%s: %s; the file's own neutral is taken instead", frame.source, error.found)
            red, green, blue = frame.as_shot_neutral
            as_shot = (1.0 / red, 1.0 / green, 1.0 / blue)
            return balanced_camera_to_srgb(as_shot, frame.illuminants, frame.analog_balance)
