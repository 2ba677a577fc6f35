"""The Darmstadt Noise Dataset (DND): its RAW captures, denoised into what its server scores.

50 captures with 20 boxes of 512x512 each; the clean pictures are not public. A folder as downloaded:
`info.mat` with, for each capture, its boxes (1-based, inclusive: top, left, bottom, right), its noise
(variance = a x + b) and its camera, and `images_raw/0001.mat` to `0050.mat` with `Inoisy`, black 0,
white 1. A submission is a folder `bundled` with a cell array of the denoised boxes for each capture.
Each box is denoised by itself, as the data set's own program does.

`camera.pattern` is a matrix that is easily read transposed, which swaps GRBG and GBRG; `camera.bayertype`
is text and isn't.

References
----------
T. Plötz, S. Roth, "Benchmarking Denoising Algorithms with Real Photographs", CVPR 2017, and the
submission kit of its data set, evaluation version 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from denoiser.evaluation.matlab_files import read_v73, write_v5
from isp.cfa import Cfa
from isp.errors import InputError

if TYPE_CHECKING:
    from denoiser.denoise import Progress
    from denoiser.evaluation.scores import Denoise

EVALUATION_VERSION: Final = "1.0"


@dataclass(frozen=True)
class Box:
    """Rows `top` to `bottom`, columns `left` to `right` of a capture: 0-based, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Capture:
    """One capture's facts; cfa: at its first pixel. shot, read: variance = shot * x + read."""

    path: Path
    cfa: Cfa
    shot: float
    read: float
    boxes: tuple[Box, ...]


def captures(folder: Path) -> list[Capture]:
    """All that `info.mat` tells. Raises InputError where it or a capture's file is missing or not as described."""
    path = folder / "info.mat"
    info = read_v73(path, "info")
    try:
        if not isinstance(info, dict):
            raise ValueError("info is not a struct")
        rows = list(zip(info["camera"], info["nlf"], info["boundingboxes"], strict=True))
        found = [
            _capture(folder / "images_raw" / f"{number:04d}.mat", camera, noise, boxes)
            for number, (camera, noise, boxes) in enumerate(rows, 1)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not as expected: {error}",
            expected="info with camera.bayertype, nlf.a, nlf.b and boundingboxes for each capture",
        ) from error
    for capture in found:
        if not capture.path.is_file():
            raise InputError(f"{capture.path}: no such file", expected=f"{len(found)} captures, as {path.name} says")
    return found


def noisy_box(inoisy: np.ndarray, capture: Capture, box: Box) -> tuple[np.ndarray, Cfa]:
    """A box of a capture, float32 [h, w], and the phase at its first pixel."""
    height, width = inoisy.shape
    if box.top < 0 or box.left < 0 or box.bottom > height or box.right > width:
        raise InputError(f"{capture.path.name} is of {height}x{width} pixels", expected=f"enough for its {box}")
    crop = np.ascontiguousarray(inoisy[box.top : box.bottom, box.left : box.right], np.float32)
    return crop, capture.cfa.shifted(box.top, box.left)


def write_submission(denoise: Denoise, folder: Path, out: Path, progress: Progress | None = None) -> int:
    """Denoise every box of the data set in `folder`; files `out`/bundled/0001.mat and so on.

    Returns the number of boxes. Values are clipped to [0, 1], where the truth is. progress: called with
    (boxes done, boxes in all). Raises InputError for a data set that cannot be used, ConfigError where
    the files cannot be written.
    """
    todo = captures(folder)
    total = sum(len(capture.boxes) for capture in todo)
    done = 0
    for capture in todo:
        inoisy = read_v73(capture.path, "Inoisy")
        if not isinstance(inoisy, np.ndarray) or inoisy.ndim != 2:
            raise InputError(f"{capture.path}: Inoisy is not a picture", expected="one mosaic [height, width]")
        cell = np.empty(len(capture.boxes), object)
        for index, box in enumerate(capture.boxes):
            crop, cfa = noisy_box(inoisy, capture, box)
            cell[index] = np.clip(denoise(crop, cfa, capture.shot, capture.read), 0, 1).astype(np.float32)
            done += 1
            if progress is not None:
                progress(done, total)
        bundle = {"Idenoised": cell, "israw": True, "eval_version": EVALUATION_VERSION}
        write_v5(out / "bundled" / capture.path.name, bundle)
    return done


def _capture(path: Path, camera: Mapping[str, Any], noise: Mapping[str, Any], boxes: np.ndarray) -> Capture:
    shot, read = float(np.squeeze(noise["a"])), float(np.squeeze(noise["b"]))
    if not (np.isfinite([shot, read]).all() and min(shot, read) >= 0):
        raise ValueError(f"noise a = {shot:g}, b = {read:g} of {path.name}")
    found = tuple(
        Box(int(top) - 1, int(left) - 1, int(bottom), int(right))
        for top, left, bottom, right in np.asarray(boxes).tolist()
    )
    for box in found:
        if (box.bottom - box.top) % 2 or (box.right - box.left) % 2 or box.bottom <= box.top or box.right <= box.left:
            raise ValueError(f"{box} of {path.name} has not two even sizes")
    return Capture(path, Cfa(str(camera["bayertype"]).upper()), shot, read, found)
