"""From a capture's file to a result's file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isp.atomic import replacing
from isp.denoised_dng import DENOISE, write_denoised_dng
from isp.errors import ConfigError
from isp.noise.model import NoiseModel
from isp.noise.resolve import known_noise
from isp.pipeline import Pipeline, start_signal
from isp.raw_frame import RawFrame
from isp.report.saved_stages import SavedStages
from isp.report.sidecar import Timings, sha256, write_sidecar
from isp.report.view import viewable
from isp.stage import Domain, Signal

if TYPE_CHECKING:
    from isp.noise.calibration import Calibration
    from isp.readers.bayer_dump import BayerDump

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
MOSAIC_SUFFIX = ".dng"
ARRAY_SUFFIX = ".npy"
OnStep = Callable[[str, float], None]
"""Told the name of the step that begins and the share of steps that are done."""


@dataclass(frozen=True)
class Settings:
    """How captures are developed; the same for all captures of one command.

    noise: the user's model, which goes before the file's tag. dump: what a file without a header
    holds. start_at, stop_after: names of stages, empty for the first and the last. saved_stages:
    folder that takes each stage's result, in a folder per capture.
    """

    pipeline: Pipeline
    noise: NoiseModel | None = None
    calibration: Calibration | None = None
    dump: BayerDump | None = None
    start_at: str = ""
    stop_after: str = ""
    saved_stages: Path | None = None
    overwrite: bool = False
    sidecar: bool = False


@dataclass(frozen=True)
class Developed:
    """What became of one capture; width and height, in pixels, of what was written."""

    source: Path
    target: Path
    width: int
    height: int
    noise: NoiseModel | None
    timings: Timings

    @property
    def time_s(self) -> float:
        return sum(time_s for _, time_s in self.timings)


def check_format(target: Path, settings: Settings) -> None:
    """Raises ConfigError if the settings cannot give what the target's suffix asks for."""
    suffix = target.suffix.lower()
    known = (*PICTURE_SUFFIXES, MOSAIC_SUFFIX, ARRAY_SUFFIX)
    if suffix not in known:
        raise ConfigError(f"cannot write {target.name}: unknown format", expected=f"one of {' '.join(known)}")
    for stage in filter(None, (settings.start_at, settings.stop_after)):
        settings.pipeline.index(stage)
    if suffix == MOSAIC_SUFFIX:
        settings.pipeline.index(DENOISE)
        if settings.stop_after not in ("", DENOISE):
            raise ConfigError(
                f"--stop-after {settings.stop_after} with {target.name}",
                expected=f"{DENOISE!r}, whose mosaic a DNG takes",
            )


def develop(source: Path, target: Path, settings: Settings, on_step: OnStep | None = None) -> Developed:
    """Develops one capture and writes what the target's suffix asks for: a picture, the denoised
    mosaic as DNG, or the last stage's array as .npy.

    Raises InputError for a capture, ConfigError for settings that cannot be used; then no target is
    written.
    """
    from isp.readers import read

    check_format(target, settings)
    if target.exists() and not settings.overwrite:
        raise ConfigError(f"{target} exists", remedy="add --overwrite to replace it")
    timings: list[tuple[str, float]] = []
    report = on_step or (lambda _name, _share: None)
    report("read", 0.0)
    began = time.perf_counter()
    frame = read(source, settings.dump)
    timings.append(("read", time.perf_counter() - began))
    signal = start_signal(frame, known_noise(frame, settings.noise, settings.calibration))
    del frame  # from here on, only the signal keeps pixels alive

    pipeline = settings.pipeline
    to_dng = target.suffix.lower() == MOSAIC_SUFFIX
    stop_after = DENOISE if to_dng else settings.stop_after
    names = [part.name for part in pipeline.planned_part(signal.frame, settings.start_at, stop_after)]
    saved = _saved_stages(settings, signal.frame, source)
    if settings.start_at and saved is not None:
        signal = saved.before(settings.start_at, signal)
    coming = [*names, "write"]
    noisy = signal.data.copy() if to_dng and coming[0] == DENOISE else None
    report(coming[0], 0.0)
    for done in pipeline.run(signal, start_at=settings.start_at, stop_after=stop_after):
        signal = done.signal
        timings.append((done.name, done.time_s))
        if done.name not in names:
            continue
        if saved is not None:
            saved.save(done.name, signal)
        following = names.index(done.name) + 1
        if to_dng and coming[following] == DENOISE:
            noisy = signal.data.copy()
        report(coming[following], following / len(coming))

    began = time.perf_counter()
    make_folder(target.parent)
    if noisy is not None:
        write_denoised_dng(target, noisy, signal, pipeline)
        height, width = signal.data.shape
    else:
        height, width = _write(target, signal)
    timings.append(("write", time.perf_counter() - began))
    if settings.sidecar:
        write_sidecar(target, source, pipeline, signal, tuple(timings))
    return Developed(source, target, width, height, signal.noise, tuple(timings))


def make_folder(folder: Path) -> None:
    """Makes a folder for results, if need be. Raises ConfigError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"folder {folder} cannot be made: {error.strerror}", remedy="write to a folder that you may change"
        ) from error


def _saved_stages(settings: Settings, frame: RawFrame, source: Path) -> SavedStages | None:
    if settings.saved_stages is None:
        if settings.start_at:
            raise ConfigError("--start-at without --save-stages", expected="--save-stages DIR, as in the run before")
        return None
    planned = settings.pipeline.planned_part(frame, "", "")
    return SavedStages(settings.saved_stages / source.stem, sha256(source), settings.pipeline, planned)


def _write(target: Path, signal: Signal) -> tuple[int, int]:
    """Writes a picture or an array; returns its height and width."""
    if target.suffix.lower() == ARRAY_SUFFIX:
        with replacing(target) as temporary, temporary.open("wb") as file:
            np.save(file, signal.data, allow_pickle=False)
        return signal.data.shape[0], signal.data.shape[1]

    from isp.writers.picture import cropped, oriented, write_picture

    if signal.domain is Domain.DISPLAY_RGB:
        data, colour_space = signal.data, signal.colour_space
    else:
        data, colour_space = viewable(signal), "srgb"
    upright = oriented(cropped(data, signal.frame), signal.frame.orientation)
    write_picture(target, upright, colour_space, signal.frame)
    return upright.shape[0], upright.shape[1]
