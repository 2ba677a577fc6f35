"""One capture developed with and without denoising, everything else being equal."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isp.denoised_dng import DENOISE
from isp.develop import OnStep, Settings
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel
from isp.noise.resolve import known_noise
from isp.pipeline import Pipeline, PlannedStep, start_signal
from isp.raw_frame import RawFrame
from isp.report.crops import Crop, choose_crops
from isp.report.facts import Section, frame_sections
from isp.report.residual import Residual, residual
from isp.report.sidecar import Timings, sha256
from isp.report.view import viewable
from isp.stage import Domain, Signal


@dataclass(frozen=True)
class Comparison:
    """Everything that the page shows.

    before, after: uint8 [h, w, 3], sRGB, cropped and upright. hashes: SHA-256 by what was hashed.
    range_dn: digital numbers from black to white. ratio: the residual's map, lying as the pictures do.
    """

    source: Path
    before: np.ndarray
    after: np.ndarray
    crops: tuple[Crop, ...]
    residual: Residual
    ratio: np.ndarray
    noise: NoiseModel
    range_dn: float
    sections: tuple[Section, ...]
    planned: tuple[PlannedStep, ...]
    pipeline: Pipeline
    timings: Timings
    hashes: Mapping[str, str]


def compare(source: Path, settings: Settings, on_step: OnStep | None = None) -> Comparison:
    """Develops `source` twice through the settings' pipeline: as it is, and with denoising left out.

    What stages measure from the picture (white balance, metering) is measured once, on the denoised
    picture, and used for both. Raises ConfigError for a pipeline without denoising, InputError for a
    file that was demosaiced by its camera.
    """
    from isp.readers import read

    pipeline = settings.pipeline
    pipeline.index(DENOISE)
    report = on_step or (lambda _name, _share: None)
    report("read", 0.0)
    began = time.perf_counter()
    frame = read(source, settings.dump)
    timings = [("read", time.perf_counter() - began)]
    if frame.cfa is None:
        raise InputError(f"{source} was demosaiced by its camera", expected="a Bayer mosaic, which denoising takes")
    signal = start_signal(frame, known_noise(frame, settings.noise, settings.calibration))
    planned = pipeline.plan(Domain.MOSAIC)
    names = [part.name for part in planned]
    before_denoise, following = names[names.index(DENOISE) - 1], names[names.index(DENOISE) + 1 :]
    if not following:
        raise ConfigError(f"pipeline {pipeline.name!r} ends with {DENOISE!r}", expected="stages that make a picture")

    # Both developments together: all steps once, and those after denoising once more.
    total = len(names) + len(following) + 1
    report(names[0], 1 / total)
    noisy = clean = signal
    left: dict[str, Signal] = {}
    for done in pipeline.run(signal):
        signal = done.signal
        timings.append((done.name, done.time_s))
        left[done.name] = _without_pixels(signal)
        if done.name in names[:-1]:
            at = names.index(done.name) + 1
            report(names[at], (at + 1) / total)
        if done.name == before_denoise:
            noisy = replace(signal, data=signal.data.copy())
        if done.name == DENOISE:
            clean = replace(signal, data=signal.data.copy())
    after = _upright(signal)
    noise = clean.noise
    assert noise is not None, "the denoise stage needs a noise model, so that the pipeline has estimated one"

    gain = 1.0 if clean.shading_gain is None else clean.shading_gain
    removed = residual(noisy.data / gain, clean.data / gain, frame.cfa, noise)
    hashes = {
        "capture": sha256(source),
        "pipeline": hashlib.sha256(json.dumps(pipeline.resolved(), sort_keys=True).encode()).hexdigest(),
        "mosaic before denoising": _array_hash(noisy.data),
        "mosaic after denoising": _array_hash(clean.data),
        "denoised picture": _array_hash(after),
    }
    del clean
    noisy = replace(noisy, noise=noise)
    for at, done in enumerate(_pinned(pipeline, left).run(noisy, start_at=following[0])):
        report(f"{done.name}, not denoised", (len(names) + at + 1) / total)
        noisy = done.signal
    before = _upright(noisy)
    return Comparison(
        source=source,
        before=before,
        after=after,
        crops=choose_crops(before, after),
        residual=removed,
        ratio=_lying_like(removed.ratio, frame),
        noise=noise,
        range_dn=frame.white - float(frame.black.pattern.mean()),
        sections=frame_sections(frame, noise),
        planned=planned,
        pipeline=pipeline,
        timings=tuple(timings),
        hashes=hashes,
    )


def _pinned(pipeline: Pipeline, left: Mapping[str, Signal]) -> Pipeline:
    """The pipeline with what its stages measured replaced by the numbers that they found."""
    fixed: dict[str, dict[str, Any]] = {}
    names = [step.name for step in pipeline.steps]
    if "white_balance" in left:
        fixed["white_balance"] = {"method": "gains", "gains": left["white_balance"].white_balance}
    if "exposure" in left:
        earlier = left[names[names.index("exposure") - 1]]
        gain = left["exposure"].saturation[1] / earlier.saturation[1]
        fixed["exposure"] = {"metering": "none", "baseline": "ignore", "ev": math.log2(gain)}
    steps = tuple(
        replace(
            step, parameters=step.stage.Parameters.model_validate({**step.parameters.model_dump(), **fixed[step.name]})
        )
        if step.name in fixed
        else step
        for step in pipeline.steps
    )
    return replace(pipeline, steps=steps)


def _without_pixels(signal: Signal) -> Signal:
    return replace(signal, data=np.empty(0, np.float32), shading_gain=None)


def _upright(signal: Signal) -> np.ndarray:
    from isp.writers.picture import cropped, oriented

    return np.ascontiguousarray(oriented(cropped(viewable(signal), signal.frame), signal.frame.orientation))


def _lying_like(blocks: np.ndarray, frame: RawFrame) -> np.ndarray:
    from isp.writers.picture import cropped, oriented

    return np.ascontiguousarray(oriented(cropped(blocks, frame), frame.orientation))


def _array_hash(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
