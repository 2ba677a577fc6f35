"""A capture developed into a DNG: what of the pipeline goes into the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile

from isp import readers, stage
from isp.develop import Settings, develop
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.pipeline import Pipeline, Step
from isp.raw_frame import Rect
from isp.readers import read
from isp.registry import StageSource
from isp.stage import Domain, Signal
from tests.isp.stub_stages import GainParameters, frame, interpolate, linearise, show

WHITE_DN, LEVEL, SIGMA = 4095.0, 0.25, 0.01
NOISE = NoiseModel.uniform(0.0, SIGMA**2, NoiseOrigin.TAG)
SHADING = 1.5


class StrengthParameters(stage.Parameters):
    strength: float = 1.0


@dataclass
class Shade:
    """Stands for lens shading: one gain everywhere."""

    name: ClassVar[str] = "shade"
    summary: ClassVar[str] = "a stub"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}
    needs_noise: ClassVar[bool] = False
    Parameters: ClassVar[type[stage.Parameters]] = stage.Parameters

    def __call__(self, signal: Signal, parameters: Any, /) -> Signal:
        gain = np.full(signal.data.shape, SHADING, np.float32)
        return replace(signal, data=signal.data * gain, shading_gain=gain)


@dataclass
class Denoise:
    """Knows that the scene is flat."""

    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "a stub"
    transitions: ClassVar[Mapping[Domain, Domain]] = {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}
    needs_noise: ClassVar[bool] = True
    Parameters: ClassVar[type[stage.Parameters]] = StrengthParameters

    def __call__(self, signal: Signal, parameters: Any, /) -> Signal:
        return replace(signal, data=signal.data + parameters.strength * (LEVEL * SHADING - signal.data))


def developed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strength: float) -> Path:
    random = np.random.default_rng(7)
    mosaic = (random.normal(LEVEL, SIGMA, (96, 128)) * WHITE_DN).round().astype(np.uint16)
    capture = tmp_path / "capture.dng"
    capture.touch()
    noisy = frame(mosaic, default_crop=Rect(4, 8, 94, 124), orientation=6, noise=NOISE)
    with monkeypatch.context() as patched:
        patched.setattr(readers, "read", lambda *_: noisy)
        source = StageSource("stub", "stub", "1", EntryPoint("stub", "stub:Stub", "isp.stages"))
        steps = (
            Step(linearise(), GainParameters(gain=1 / WHITE_DN), source),
            Step(Shade(), stage.Parameters(), source),
            Step(Denoise(), StrengthParameters(strength=strength), source),
            Step(interpolate(), GainParameters(), source),
            Step(show(), GainParameters(), source),
        )
        result = develop(capture, tmp_path / "out.dng", Settings(Pipeline("stubs", "", steps)))
    assert (result.width, result.height) == (128, 96)
    assert [name for name, _ in result.timings] == ["read", "linearise", "shade", "denoise", "write"]
    return result.target


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_states_the_denoised_mosaic_and_the_noise_that_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strength: float
) -> None:
    written = read(developed(tmp_path, monkeypatch, strength))
    linear = (written.mosaic - written.black.pattern[0, 0]) / (written.white - written.black.pattern[0, 0])
    assert linear.mean() == pytest.approx(LEVEL, rel=1e-3), "without lens shading, whose opcodes stay in the file"
    assert linear.std() == pytest.approx((1 - strength) * SIGMA, abs=1e-5 + 0.05 * SIGMA * (1 - strength))
    assert written.noise is not None
    assert written.noise.read[1] / SIGMA**2 == pytest.approx((1 - strength) ** 2, abs=0.06)
    assert written.noise_reduction_applied == pytest.approx(strength)
    assert (written.default_crop, written.orientation) == (Rect(4, 8, 94, 124), 6)


def test_preview_is_developed_from_the_denoised_mosaic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = developed(tmp_path, monkeypatch, 1.0)
    preview = tifffile.imread(target, key=0)
    assert preview.shape == (90, 116, 3), "cropped, not turned"
    assert np.ptp(preview) == 0, "without noise"
    assert preview[0, 0, 0] == round(LEVEL * SHADING * 255)
