"""The parts of an evaluation's photographs that tell most, as every denoiser leaves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from denoiser.evaluation.scenes import Photograph, Scene, scenes_of
from denoiser.evaluation.scores import render
from isp.raw_frame import Rect
from isp.report.crops import choose_crops

SHOTS_SHOWN = (1.3e-3, 4.0e-3, 1.2e-2)
LARGEST_PX = 160
"""Side of a crop: at 200 % as wide as a phone."""
SHOWN_WHITE = 0.5
"""Brightness to which a dark crop's lightest parts are raised, linear."""
MOST_STOPS = 5


@dataclass(frozen=True)
class Spot:
    """A square of a photograph and why it was chosen. stops: how much brighter it is shown."""

    photograph: Photograph
    title: str
    why: str
    square: Rect
    stops: int


@dataclass(frozen=True)
class CropRow:
    """A spot at one noise level. pictures: (label, uint8 [h, w, 3] sRGB): the noisy input, each
    denoiser, the truth."""

    spot: Spot
    shot: float
    pictures: tuple[tuple[str, np.ndarray], ...]


def choose_spots(photographs: Iterable[Photograph]) -> tuple[Spot, ...]:
    """The finest detail, the darkest structure and the strongest colour of all photographs.

    Chosen from the photographs alone, so that no denoiser has a say.
    """
    best: dict[str, tuple[float, Spot]] = {}
    for photograph in photographs:
        (scene,) = scenes_of(photograph, SHOTS_SHOWN[-1:])
        noisy, clean = _picture(scene.noisy, scene), _picture(scene.clean, scene)
        for crop in choose_crops(noisy, clean):
            kind = _KINDS.get(crop.title)
            if kind is None:
                continue
            square = _middle(crop.square)
            shown = clean[square.slices]
            worth = kind.worth(shown.astype(np.float32) / 255)
            if crop.title not in best or worth > best[crop.title][0]:
                best[crop.title] = (worth, Spot(photograph, crop.title, kind.why, square, _stops(shown)))
    return tuple(best[title][1] for title in _KINDS if title in best)


def crop_row(spot: Spot, scene: Scene, outputs: Mapping[str, np.ndarray]) -> CropRow:
    """A spot of a scene. outputs: denoised mosaics by label, float32 [H, W] in the scene's domain."""
    mosaics = (("noisy", scene.noisy), *outputs.items(), ("clean", scene.clean))
    gain = np.float32(2**spot.stops)
    pictures = tuple(
        (label, np.ascontiguousarray(_picture(mosaic * gain, scene)[spot.square.slices])) for label, mosaic in mosaics
    )
    return CropRow(spot, scene.shot, pictures)


def _detail(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture.mean(axis=2), axis=1)).mean())


def _darkness(picture: np.ndarray) -> float:
    return -float(picture.mean())


def _colour(picture: np.ndarray) -> float:
    return float((picture.max(axis=2) - picture.min(axis=2)).mean())


@dataclass(frozen=True)
class _Kind:
    """worth: what ranks the crops of different photographs, float32 [h, w, 3] in [0, 1]."""

    why: str
    worth: Callable[[np.ndarray], float]


_KINDS: Mapping[str, _Kind] = {
    "Finest detail": _Kind("the strongest fine structure of all photographs", _detail),
    "Dark area": _Kind("the deepest shadow with structure in it", _darkness),
    "Strong colour": _Kind("the most saturated part: colour noise and colour bleeding show here", _colour),
}
"""By the title that `choose_crops` gives a crop."""


def _picture(mosaic: np.ndarray, scene: Scene) -> np.ndarray:
    return np.asarray(np.rint(render(mosaic, scene) * 255), np.uint8)


def _middle(square: Rect) -> Rect:
    side = min(square.width, square.height, LARGEST_PX)
    top, left = square.top + (square.height - side) // 2, square.left + (square.width - side) // 2
    return Rect(top, left, top + side, left + side)


def _stops(clean: np.ndarray) -> int:
    """Whole stops by which a crop may be brightened before its lightest parts pass `SHOWN_WHITE`."""
    lightest = float(np.quantile(clean.max(axis=2), 0.99) / 255) ** 2.2
    return int(np.clip(np.log2(SHOWN_WHITE / max(lightest, 1e-4)), 0, MOST_STOPS))
