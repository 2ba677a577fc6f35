"""Real noise: each frame of a static burst against the mean of the others, and the output's stability.

The others' mean has noise of its own, variance / (n - 1), which no denoiser can follow: it sets the
highest PSNR that can be measured, and is subtracted from both errors for the gain itself. The fixed
pattern is the same in all frames and so part of the truth.

Temporal stability is the variance over time of each pixel's output over that of its input: a denoiser
whose choices flip from frame to frame flickers, which no single frame shows. Lamps flicker too: what the
input's mean brightness does from frame to frame the output has to follow, and is taken off both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from denoiser.calibration.camera_noise import from_static_bursts
from denoiser.calibration.captures import Layout, Stack, load_stack
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.readers import is_raw_file

if TYPE_CHECKING:
    from denoiser.evaluation.scores import Denoise

LEAST_BURST = 3
"""Frames of a burst: one to score, and two whose mean is the truth."""
LEAST_SCORED = 2
LEAST_ERROR: Final = 1e-3
"""Error that can be told from chance, as a share of the truth's own noise variance."""


@dataclass(frozen=True)
class BurstScore:
    """PSNR with peak 1, on values that are not clipped, against the mean of the burst's other frames.

    frames: of the burst; scored: how many of them were denoised. noise: told to the denoiser.
    ceiling_db: PSNR of a perfect output. gain_db: how far the error went down, the truth's own noise taken
    out of it (an error 30 dB below that noise counts as that). temporal_variance_ratio: variance over time
    of the output over that of the input, both means over all pixels; less is steadier.
    """

    name: str
    frames: int
    scored: int
    noise: NoiseModel
    before_db: float
    after_db: float
    ceiling_db: float
    gain_db: float
    temporal_variance_ratio: float


def evaluate(
    denoise: Denoise,
    folder: Path,
    frames: int = 3,
    *,
    layout: Layout | None = None,
    noise: NoiseModel | None = None,
) -> list[BurstScore]:
    """Score every burst in a folder: each `.npz` stack, and each subfolder of RAW files.

    Names that begin with "dark" are left out. frames: how many of each burst are denoised. layout: of
    files that don't tell theirs. noise: of the camera, else measured from each burst itself. Raises
    InputError where there is no burst or one cannot be used, ConfigError for options that don't fit.
    """
    if frames < LEAST_SCORED:
        raise ConfigError(f"{frames} frames of a burst", expected=f"{LEAST_SCORED} or more, to see changes over time")
    scores = [
        score(denoise, name, stack, min(frames, len(stack.frames)), noise or measured(stack))
        for name, stack in _bursts(folder, layout or Layout())
    ]
    if not scores:
        raise InputError(f"{folder}: no burst in it", expected=".npz stacks, or folders of RAW files of one scene")
    return scores


def measured(stack: Stack) -> NoiseModel:
    """The noise of a burst, from the differences of its frames. Raises InputError where something moved."""
    line = from_static_bursts([stack], []).pooled
    return NoiseModel.uniform(line.shot, line.read, NoiseOrigin.CALIBRATION)


def score(denoise: Denoise, name: str, stack: Stack, scored: int, noise: NoiseModel) -> BurstScore:
    """Score of one burst, of which the first `scored` frames are denoised."""
    count = len(stack.frames)
    if stack.cfa is None:
        raise ConfigError(f"{name} doesn't tell its colours", expected="--cfa")
    if count < LEAST_BURST:
        raise InputError(f"{name} is a burst of {count} frames", expected=f"{LEAST_BURST} or more")
    mean = stack.frames.mean(0, dtype=np.float64).astype(np.float32)
    others = count - 1
    truth_noise = sum(_mean_square(frame - mean) for frame in stack.frames) / others / others
    if truth_noise == 0:
        raise InputError(f"the frames of {name} are all the same", expected="frames as captured, each with its noise")
    before, after, outputs = [], [], []
    for frame in stack.frames[:scored]:
        truth = mean - (frame - mean) / np.float32(others)
        output = denoise(frame.copy(), stack.cfa, noise.shot[1], noise.read[1])
        before.append(_mean_square(frame - truth))
        after.append(_mean_square(output - truth))
        outputs.append(output)
    before_error, after_error = float(np.mean(before)), float(np.mean(after))
    least = LEAST_ERROR * truth_noise
    inputs = stack.frames[:scored]
    light = inputs.mean((1, 2), dtype=np.float64).astype(np.float32)[:, None, None]
    return BurstScore(
        name,
        count,
        scored,
        noise,
        _db(before_error),
        _db(after_error),
        _db(truth_noise),
        _db(max(after_error - truth_noise, least)) - _db(max(before_error - truth_noise, least)),
        _temporal_variance(np.stack(outputs) - light) / _temporal_variance(inputs - light),
    )


def _bursts(folder: Path, layout: Layout) -> Iterator[tuple[str, Stack]]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", expected="a folder of bursts")
    for path in sorted(folder.iterdir()):
        if path.name.lower().startswith("dark"):
            continue
        if path.suffix.lower() == ".npz":
            yield path.stem, load_stack([path], layout)
        elif path.is_dir() and (files := sorted(file for file in path.iterdir() if is_raw_file(file))):
            yield path.name, load_stack(files, layout)


def _temporal_variance(frames: np.ndarray) -> float:
    return float(np.var(frames, axis=0, ddof=1).mean(dtype=np.float64))


def _mean_square(error: np.ndarray) -> float:
    return float(np.square(error).mean(dtype=np.float64))


def _db(error: float) -> float:
    return float(-10 * np.log10(error))
