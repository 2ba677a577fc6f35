"""All that a set of calibration captures tells of a camera's noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from denoiser.calibration.captures import Stack
from denoiser.calibration.noise_line import NoiseLine
from denoiser.calibration.pattern_noise import fixed_pattern_variance, row_noise_variance
from denoiser.calibration.photon_transfer import fit_photon_transfer, temporal_noise
from denoiser.calibration.static_burst import fit_static_burst
from isp.errors import InputError

MOST_FLICKER = 0.1
"""Largest relative change of brightness between frames of one exposure."""
MOST_RESIDUAL = 0.25
"""Largest relative residual of a burst's fit: beyond, something moved."""


@dataclass(frozen=True)
class CameraNoise:
    """The line of each colour ("R", "G", "B", or "mono"), and pattern noise where the captures show it.

    pooled: one line through the points of all colours, whose amplifier is usually the same.
    span_dn: digital numbers from black to white. row_sigma_dn: of the noise that rows share.
    dark_pattern_sigma_dn (DSNU): fixed pattern without light. response_pattern (PRNU): fixed pattern
    of the sensitivity, relative. None where no dark or flat frames were given.
    """

    lines: Mapping[str, NoiseLine]
    pooled: NoiseLine
    span_dn: float
    method: str
    row_sigma_dn: float
    dark_pattern_sigma_dn: float | None = None
    response_pattern: float | None = None


def from_flats_and_darks(flats: Sequence[Stack], darks: Sequence[Stack]) -> CameraNoise:
    """Photon transfer; one stack for each exposure, all of one camera and setting."""
    _check_same([*flats, *darks])
    _check_exposures([*flats, *darks])
    colours = list(darks[0].planes())
    lines = {c: fit_photon_transfer(_planes(flats, c), _planes(darks, c)) for c in colours}
    everything = [[plane for c in colours for plane in _planes(stacks, c)] for stacks in (flats, darks)]
    span = darks[0].span_dn
    return CameraNoise(
        lines,
        fit_photon_transfer(*everything),
        span,
        f"photon transfer, {len(flats)} exposures of flat frames and {len(darks)} of dark frames",
        _row_sigma(darks) * span,
        math.sqrt(_dark_pattern(darks)) * span,
        _response_pattern(flats, darks),
    )


def from_static_bursts(bursts: Sequence[Stack], darks: Sequence[Stack]) -> CameraNoise:
    """One stack for each scene, all of one camera and setting; darks, if any, tell the fixed pattern."""
    _check_same([*bursts, *darks])
    span = bursts[0].span_dn
    lines = {c: fit_static_burst(_planes(bursts, c), bursts[0].floor, 1 / span) for c in bursts[0].planes()}
    pooled = fit_static_burst([plane for c in lines for plane in _planes(bursts, c)], bursts[0].floor, 1 / span)
    if pooled.residual_rms > MOST_RESIDUAL:
        raise InputError(
            f"the frames do not follow one line: residual {pooled.residual_rms:.0%}",
            expected=f"at most {MOST_RESIDUAL:.0%}",
            remedy="take the burst again: nothing may move, neither camera nor scene",
        )
    frames = " + ".join(str(len(burst.frames)) for burst in bursts)
    return CameraNoise(
        lines,
        pooled,
        span,
        f"static burst of {frames} frames",
        _row_sigma(bursts) * span,
        math.sqrt(_dark_pattern(darks)) * span if darks else None,
    )


def _check_same(stacks: Sequence[Stack]) -> None:
    first = stacks[0]
    for stack in stacks:
        for what in ("cfa", "span_dn", "model", "iso"):
            if getattr(stack, what) != getattr(first, what):
                raise InputError(
                    f"captures differ in {what}: {getattr(first, what)} and {getattr(stack, what)}",
                    expected="one camera with one setting; calibrate each ISO by itself",
                )
        if stack.frames.shape[1:] != first.frames.shape[1:]:
            raise InputError(f"captures of {first.frames.shape[1:]} and {stack.frames.shape[1:]} pixels")


def _check_exposures(stacks: Sequence[Stack]) -> None:
    """Differences of frames hide a change of exposure: frames in the wrong order must be caught here."""
    for stack in stacks:
        means = stack.frames.mean((1, 2), dtype=np.float64)
        if np.ptp(means) > MOST_FLICKER * abs(means.mean()) + 2 / stack.span_dn:
            levels = ", ".join(f"{mean * stack.span_dn:.0f}" for mean in means)
            raise InputError(
                f"frames taken for one exposure have mean signals of {levels} DN",
                expected=f"a change of at most {MOST_FLICKER:.0%}",
                remedy="list the files in order of exposure, the same number of each",
            )


def _planes(stacks: Sequence[Stack], colour: str) -> list[np.ndarray]:
    return [plane for stack in stacks for plane in stack.planes()[colour]]


def _row_sigma(stacks: Sequence[Stack]) -> float:
    return math.sqrt(float(np.mean([row_noise_variance(stack.frames) for stack in stacks])))


def _pattern(stack: Stack) -> float:
    planes = [plane for of_colour in stack.planes().values() for plane in of_colour]
    return float(np.mean([fixed_pattern_variance(plane, temporal_noise(plane)[1]) for plane in planes]))


def _dark_pattern(darks: Sequence[Stack]) -> float:
    return float(np.mean([_pattern(stack) for stack in darks]))


def _response_pattern(flats: Sequence[Stack], darks: Sequence[Stack]) -> float | None:
    """PRNU from the flat that is nearest to half of full; None where none is well above dark."""
    means = [float(stack.frames.mean()) for stack in flats]
    nearest = int(np.argmin(np.abs(np.array(means) - 0.5)))
    signal = means[nearest] - float(np.mean([stack.frames.mean() for stack in darks]))
    if not 0.1 < signal < 0.8:
        return None
    return math.sqrt(max(0.0, _pattern(flats[nearest]) - _dark_pattern(darks))) / signal
