"""Photographs held in memory, cut into random square crops."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from isp.errors import InputError

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
SCALES = (1.0, 0.7, 0.5)
"""Each photograph also serves reduced: new textures at no cost, and the reduction averages away
what its own camera, demosaicing and compression left."""
DECIMATIONS = (2, 3)
"""And every second or third pixel of it: the aliased texture that a mosaic's planes have of sharp scenes, which
pictures that were made small with care are free of."""
HELD_OUT_IN = 16


@dataclass(frozen=True)
class Photographs:
    """sRGB uint8 [H, W, 3] tensors in R, G, B order, and the odds of drawing from each."""

    images: tuple[Tensor, ...]
    weights: Tensor

    def crops(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """Random crops, flipped and transposed at random: uint8 [count, size, size, 3]."""
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        turns = torch.randint(8, (count,), generator=generator).tolist()
        places = torch.rand(count, 2, generator=generator)
        out = torch.empty(count, size, size, 3, dtype=torch.uint8)
        for i, (index, turn) in enumerate(zip(chosen.tolist(), turns, strict=True)):
            image = self.images[index]
            y = int(places[i, 0] * (image.shape[0] - size + 1))
            x = int(places[i, 1] * (image.shape[1] - size + 1))
            crop = image[y : y + size, x : x + size]
            axes = [axis for axis in (0, 1) if turn >> axis & 1]
            crop = crop.flip(axes) if axes else crop
            out[i] = crop.transpose(0, 1) if turn & 4 else crop
        return out


def _is_held_out(path: Path) -> bool:
    return hashlib.sha256(path.name.encode()).digest()[0] % HELD_OUT_IN == 0


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path}: not a readable photograph", expected="an 8-bit sRGB picture", remedy="remove it")
    return np.ascontiguousarray(image[..., ::-1])


def load(folder: Path, least_size: int) -> tuple[Photographs, Photographs]:
    """Every photograph under `folder`, as (for training, held out for validation).

    The split depends on file names only, so that a resumed run keeps it. Pictures smaller than
    `least_size` pixels on a side are left out.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    training: list[np.ndarray] = []
    held_out: list[np.ndarray] = []
    for path in paths:
        image = _read(path)
        if _is_held_out(path):
            held_out.append(image)
            continue
        training += [np.ascontiguousarray(image[::step, ::step]) for step in DECIMATIONS]
        for scale in SCALES:
            training.append(
                image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            )
    training = [image for image in training if min(image.shape[:2]) >= least_size]
    held_out = [image for image in held_out if min(image.shape[:2]) >= least_size]
    if not training:
        raise InputError(
            f"{folder}: {len(paths)} photographs found, none at least {least_size} pixels on a side",
            expected="a folder of sRGB photographs",
            remedy="name another folder with --photographs",
        )
    if not held_out:
        log.warning("%s: too few photographs to hold any out; progress is judged on one of those trained on", folder)
        held_out = training[:1]
    return _pack(training), _pack(held_out)


def _pack(images: list[np.ndarray]) -> Photographs:
    # The square root lies between one vote a picture and one vote a pixel.
    weights = torch.tensor([float(image.shape[0] * image.shape[1]) ** 0.5 for image in images])
    return Photographs(tuple(torch.from_numpy(image) for image in images), weights)
