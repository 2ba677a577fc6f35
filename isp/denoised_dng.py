"""A denoised mosaic as DNG, for other programs to go on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from isp.pipeline import Pipeline
from isp.report.residual import noise_left, residual
from isp.report.view import viewable
from isp.stage import Signal

DENOISE = "denoise"
"""Name of the stage whose result a DNG takes."""

PREVIEW_PX = 1024
"""Longer side of the picture that a DNG carries, for programs that list files."""


def write_denoised_dng(path: Path, noisy: np.ndarray, signal: Signal, pipeline: Pipeline) -> None:
    """Writes what the denoise stage left, with a preview that the rest of the pipeline makes of it.

    noisy: the mosaic before denoising, float32 [H, W] as `signal.data`; what denoising took from it
    tells the noise that is left.
    """
    from isp.writers.cfa_dng import write_cfa_dng

    assert signal.cfa is not None, "the denoise stage takes mosaics only"
    assert signal.noise is not None, "the denoise stage needs a noise model, so that the pipeline has one"
    step = pipeline.steps[pipeline.index(DENOISE)]
    strength = min(1.0, float(getattr(step.parameters, "strength", 1.0)))
    gain = np.float32(1) if signal.shading_gain is None else signal.shading_gain
    removed = residual(noisy / gain, signal.data / gain, signal.cfa, signal.noise)
    write_cfa_dng(
        path,
        signal.frame,
        signal.data,
        noise=noise_left(signal.noise, removed, strength),
        preview=_preview(signal, pipeline),
        noise_reduction_applied=strength,
        shading_gain=signal.shading_gain,
    )


def _preview(signal: Signal, pipeline: Pipeline) -> np.ndarray:
    """uint8 [h, w, 3], sRGB, cropped but not turned."""
    import cv2

    from isp.writers.picture import cropped

    frame = signal.frame
    following = [step.name for step in pipeline.steps[pipeline.index(DENOISE) + 1 :]]
    developed = replace(signal, data=signal.data.copy())
    if following:
        for done in pipeline.run(developed, start_at=following[0]):
            developed = done.signal
    picture = np.ascontiguousarray(cropped(viewable(developed), frame))
    scale = min(1.0, PREVIEW_PX / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
