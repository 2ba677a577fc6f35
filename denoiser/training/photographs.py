"""Photographs held in memory, cut into random square crops."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
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
FLAT_SHARE = 0.1
"""Share of the crops that are flat. Photographs hold so little of skies and walls without grain that a network makes
a difference between the two greens there, by chance, and nothing tells it not to."""
HELD_OUT_IN = 16


@dataclass(frozen=True)
class Photographs:
    """Pictures one after the other in memory, and the odds of drawing from each.

    pixels: int32 [P], the bytes R, G, B of each sRGB pixel and one unused, for words are gathered faster than bytes;
    on the device that crops are wanted on. first, heights, widths: int64 [N] on the CPU, where each picture's pixels
    begin, and its size. weights: float32 [N].
    """

    pixels: Tensor
    first: Tensor
    heights: Tensor
    widths: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> Photographs:
        return replace(self, pixels=self.pixels.to(device))

    def crops(self, count: int, size: int, generator: torch.Generator) -> Tensor:
        """Random crops, flipped and transposed at random: uint8 [count, size, size, 3], on the pixels' device.

        The generator is the CPU's, so that every device sees the same crops.
        """
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        turns = torch.randint(8, (count,), generator=generator)
        places = torch.rand(count, 2, generator=generator)
        flip_rows, flip_columns, transpose = ((turns & bit).bool() for bit in (1, 2, 4))
        width, last = self.widths[chosen], size - 1
        y = (places[:, 0] * (self.heights[chosen] - last)).long() + flip_rows * last
        x = (places[:, 1] * (width - last)).long() + flip_columns * last
        corner = self.first[chosen] + y * width + x
        down, right = torch.where(flip_rows, -width, width), 1 - 2 * flip_columns.long()
        down, right = torch.where(transpose, right, down), torch.where(transpose, down, right)
        corner, down, right = (v[:, None, None].to(self.pixels.device) for v in (corner, down, right))
        along = torch.arange(size, device=self.pixels.device)
        words = self.pixels[corner + along[:, None] * down + along * right]
        return words.view(torch.uint8).view(count, size, size, 4)[..., :3]


def flattened(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Crops uint8 [N, H, W, 3], a share of them replaced by their mean colour."""
    flat = (torch.rand(len(crops), generator=generator) < FLAT_SHARE).nonzero()[:, 0].to(crops.device)
    mean = crops[flat].float().mean((1, 2), keepdim=True).round().to(torch.uint8)
    return crops.index_copy(0, flat, mean.expand(-1, *crops.shape[1:]))


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
    heights, widths = torch.tensor([image.shape[:2] for image in images]).T
    sizes = heights * widths
    first = sizes.cumsum(0) - sizes
    pixels = np.empty((int(sizes.sum()), 4), np.uint8)
    for image, begin, size in zip(images, first.tolist(), sizes.tolist(), strict=True):
        cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, pixels[begin : begin + size].reshape(*image.shape[:2], 4))
    # The square root lies between one vote a picture and one vote a pixel.
    return Photographs(torch.from_numpy(pixels.view(np.int32)[:, 0]), first, heights, widths, sizes.float().sqrt())
