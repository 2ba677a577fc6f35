"""The denoise stage of the ISP."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from isp.errors import ConfigError
from isp.stage import Domain, Parameters, Signal

log = logging.getLogger(__name__)


class DenoiseParameters(Parameters):
    """How strongly, and with which model."""

    strength: float = Field(
        1.0,
        ge=0,
        le=1.5,
        description="0 leaves the noise, 1 removes what the noise model states, more denoises the result again",
    )
    model: str = Field(
        "auto",
        description="auto: the specialist for the noise, or the universal network where there are none; else a family "
        "(universal, specialists, small), a model's name, or the path of a .safetensors file",
    )
    backend: str = Field(
        "torch",
        min_length=1,
        description="torch; the folder of a bundle made by `python -m compile --target host`; or board:BUNDLE@URL, a "
        "bundle on a board, such as board:build/arm64@ssh:pi@camera",
    )
    tile_px: int = Field(1024, ge=16, le=16384, description="side of torch's tiles: memory and speed, not the result")


class Denoise:
    """Removes noise from the linear mosaic with the Feature-Align Network."""

    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "Removes noise by the Feature-Align Network, as the noise model says"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}
    needs_noise: ClassVar[bool] = True
    Parameters: ClassVar[type[Parameters]] = DenoiseParameters

    def __call__(self, signal: Signal, parameters: DenoiseParameters, /) -> Signal:
        """The signal denoised; its noise model is that of the source, for what is left is no longer white."""
        if parameters.strength == 0:
            return signal
        if signal.noise is None or signal.cfa is None:
            raise ConfigError(
                "denoise: no noise model", expected="a noise model from the file, the user or an estimate"
            )
        data = signal.data
        # The noise model holds before lens shading was corrected.
        if signal.shading_gain is not None:
            data = data / signal.shading_gain
        height, width = data.shape
        even = np.pad(data, ((0, height % 2), (0, width % 2)), mode="reflect") if height % 2 or width % 2 else data
        from denoiser.denoise import loaded

        denoiser, noise = loaded(parameters.model, parameters.backend, parameters.tile_px), signal.noise
        member = denoiser.member_for(noise.shot)
        log.info("%s: denoising by the model %s", signal.frame.source.name, member.name)
        clean = denoiser.denoise(even, signal.cfa, noise.shot, noise.read, strength=parameters.strength)
        clean = clean[:height, :width]
        if signal.shading_gain is not None:
            clean *= signal.shading_gain
        chosen = (
            ("denoise.model", member.name),
            ("denoise.weights_sha256", member.sha256),
            ("denoise.backend", denoiser.backend),
        )
        return replace(signal, data=clean, decisions=(*signal.decisions, *chosen))
