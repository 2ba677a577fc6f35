"""The evaluation protocol: photographs as noisy mosaics, the same for every denoiser.

Photographs are unprocessed to linear camera RGB, laid out on a colour-filter array (the four Bayer
phases in turn) and given signal-dependent noise at five levels that follow the captures of the
Darmstadt Noise Dataset, then quantised to 12 bits above a pedestal of 256 DN. Each scene and level has
its own random stream, so that scores of different denoisers and of different days compare.

References
----------
T. Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019.
T. Plötz, S. Roth, "Benchmarking Denoising Algorithms with Real Photographs", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from denoiser.cameras import XYZ_TO_CAMERA
from isp.cfa import Cfa
from isp.errors import InputError
from isp.sample.sensor import SRGB_TO_XYZ, mosaic_of

SHOTS = (1.0e-4, 4.0e-4, 1.3e-3, 4.0e-3, 1.2e-2)
PEDESTAL_DN, WHITE_DN = 256, 4095
SEED = 20261122
_PHASES = (Cfa.RGGB, Cfa.BGGR, Cfa.GRBG, Cfa.GBRG)


@dataclass(frozen=True)
class Camera:
    """What renders a scene: white-balance gains (R, G, B) and camera RGB to linear sRGB, float64 [3, 3]."""

    gains: np.ndarray
    to_srgb: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A mosaic without and with noise, float32 [H, W], black 0, white 1; noisy values may be negative."""

    name: str
    cfa: Cfa
    shot: float
    read: float
    clean: np.ndarray
    noisy: np.ndarray
    camera: Camera


def read_variance(shot: float) -> float:
    """Read noise that goes with a shot noise: the fit to the Darmstadt captures."""
    return float(10 ** (2.25 * np.log10(shot) + 1.38))


def unprocess(photograph: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, Camera]:
    """sRGB uint8 [H, W, 3] to linear camera RGB float32 [H, W, 3] in [0, 1], and what renders it."""
    values = np.arange(256) / 255
    tone = 0.5 - np.sin(np.arcsin(1 - 2 * values) / 3)
    linear = (np.maximum(tone, 1e-8) ** 2.2)[photograph]
    weights = rng.uniform(1e-8, 1e8, len(XYZ_TO_CAMERA))
    to_camera = np.tensordot(weights / weights.sum(), XYZ_TO_CAMERA, 1) @ SRGB_TO_XYZ
    to_camera /= to_camera.sum(1, keepdims=True)
    linear = linear @ to_camera.T
    gains = np.array([rng.uniform(1.9, 2.4), 1.0, rng.uniform(1.5, 1.9)])
    exposure = np.array([1 / gains[0], 1.0, 1 / gains[2]]) * np.clip(rng.normal(0.8, 0.1), 0.5, 1.1)
    blown = (np.maximum(linear.mean(-1, keepdims=True) - 0.9, 0) / 0.1) ** 2
    linear *= np.maximum(blown + (1 - blown) * exposure, exposure)
    return np.clip(linear, 0, 1).astype(np.float32), Camera(gains, np.linalg.inv(to_camera))


def add_noise(clean: np.ndarray, shot: float, read: float, rng: np.random.Generator) -> np.ndarray:
    """A 12-bit exposure of a clean mosaic, same domain."""
    noisy = rng.poisson(clean / shot) * shot + rng.normal(0, np.sqrt(read), clean.shape)
    span = WHITE_DN - PEDESTAL_DN
    digits = np.clip(np.rint(noisy * span + PEDESTAL_DN), 0, WHITE_DN)
    return ((digits - PEDESTAL_DN) / span).astype(np.float32)


@dataclass(frozen=True)
class Photograph:
    """A picture of the folder; its place in the folder seeds its random streams."""

    path: Path
    index: int


def photographs(folder: Path) -> tuple[Photograph, ...]:
    """The pictures in a folder, in order; other files are passed over.

    Raises InputError where there is none.
    """
    entries = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
    found = tuple(Photograph(path, i) for i, path in enumerate(entries) if cv2.haveImageReader(str(path)))
    if not found:
        raise InputError(f"{folder}: no photograph in it", expected="a folder of sRGB pictures (PNG, JPEG, TIFF)")
    return found


def scenes_of(photograph: Photograph, shots: Sequence[float] = SHOTS) -> Iterator[Scene]:
    """One photograph at every noise level, its size cut to multiples of four.

    Raises InputError where it can't be read.
    """
    bgr = cv2.imread(str(photograph.path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise InputError(f"{photograph.path}: not a readable photograph", expected="a whole file", remedy="remove it")
    height, width = (size // 4 * 4 for size in bgr.shape[:2])
    index = photograph.index
    rgb, camera = unprocess(bgr[:height, :width, ::-1], np.random.default_rng([SEED, 0, index]))
    cfa = _PHASES[index % len(_PHASES)]
    clean = mosaic_of(rgb, cfa)
    for shot in shots:
        read = read_variance(shot)
        rng = np.random.default_rng([SEED, 0, index, SHOTS.index(shot)])
        yield Scene(photograph.path.stem, cfa, shot, read, clean, add_noise(clean, shot, read, rng), camera)


def scenes(folder: Path, shots: Sequence[float] = SHOTS) -> Iterator[Scene]:
    """Every photograph in a folder at every noise level."""
    for photograph in photographs(folder):
        yield from scenes_of(photograph, shots)
