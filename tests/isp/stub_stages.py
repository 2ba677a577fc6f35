"""Small stages that tests put into pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from isp import stage
from isp.cfa import Cfa
from isp.pipeline import Pipeline, Step
from isp.raw_frame import BlackLevel, RawFrame
from isp.registry import StageSource
from isp.stage import Domain, Signal


class GainParameters(stage.Parameters):
    gain: float = Field(1.0, ge=0, le=10, description="factor")


@dataclass
class Stub:
    """Moves the signal along `transitions`, multiplies it by `gain` and remembers what it got."""

    name: str
    transitions: Mapping[Domain, Domain]
    needs_noise: bool = False
    summary: str = "a stub"
    Parameters: type[stage.Parameters] = GainParameters
    seen: list[Signal] = field(default_factory=list)

    def __call__(self, signal: Signal, parameters: Any, /) -> Signal:
        self.seen.append(signal)
        data = signal.data.astype(np.float32) * np.float32(parameters.gain)
        gives = self.transitions[signal.domain]
        if data.ndim == 2 and gives not in stage.MOSAIC_DOMAINS:
            data = np.repeat(data[..., None], 3, axis=2)
        return replace(signal, data=data, domain=gives, colour_space="srgb" if gives is Domain.DISPLAY_RGB else "")


def linearise() -> Stub:
    return Stub("linearise", {Domain.MOSAIC: Domain.LINEAR_MOSAIC, Domain.SENSOR_RGB: Domain.LINEAR_RGB})


def clean(*, needs_noise: bool = True) -> Stub:
    return Stub("clean", {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}, needs_noise=needs_noise)


def interpolate() -> Stub:
    return Stub("interpolate", {Domain.LINEAR_MOSAIC: Domain.LINEAR_RGB})


def show(*, needs_noise: bool = False) -> Stub:
    return Stub("show", {Domain.LINEAR_RGB: Domain.DISPLAY_RGB}, needs_noise=needs_noise)


def pipeline(*stubs: Stub, **gains: float) -> Pipeline:
    """A pipeline of stubs; `gains` sets the gain of stubs by name."""
    source = StageSource("stub", "stub-package", "1.2", EntryPoint("stub", "stub:Stub", "isp.stages"))
    steps = tuple(Step(stub, GainParameters(gain=gains.get(stub.name, 1.0)), source) for stub in stubs)
    return Pipeline("stubs", "", steps)


def frame(mosaic: np.ndarray | None = None, *, cfa: Cfa | None = Cfa.GRBG, **facts: Any) -> RawFrame:
    """A frame of 64 x 48 pixels of noise around the middle of 12 bits."""
    if mosaic is None:
        random = np.random.default_rng(1)
        mosaic = random.normal(1000, 30, (48, 64)).clip(0, 4095).astype(np.uint16)
    return RawFrame(
        mosaic=mosaic, cfa=cfa, black=BlackLevel(np.zeros((2, 2))), white=4095.0, source=Path("a.dng"), **facts
    )
