"""What golden tiles show: small scenes before a simulated sensor, and values that no sensor should give.

Panels of the sample capture (`isp.sample.panels`) bring edges at every angle, print, cloth, grass, stone, gradients,
shadows below 0.02 and lights beyond white. The noise follows the captures of the Darmstadt Noise Dataset, as in
training; tiles beyond that range exercise the normalisation's limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from isp.cfa import Cfa
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample import panels
from isp.sample.colour_chart import colour_chart
from isp.sample.maker import COLOUR_MATRIX
from isp.sample.sensor import camera_rgb, expose, mosaic_of

SAMPLES = 4
"""Samples per pixel, along each side, that are averaged."""
SEED = 4

DEPTHS_SIGMAS = (0.5, 2.0, 6.0, 7.5, 9.0, 20.0, 40.0, 100.0)
"""Below black, in standard deviations of the noise there; well away from 8, where the normalisation has a step."""
LIGHTS = (1.0, 1.01, 1.5, 2.0, 4.0, 8.0, 12.0, 16.0)

Triple = tuple[float, float, float]
Panel = Callable[[int, int], np.ndarray]
Levels = Callable[[tuple[float, float]], tuple[Triple, Triple]]
"""(shot, read) for R, G, B of a specialist that serves a range of shot noise."""
Overlay = Callable[[np.ndarray, Triple, Triple], None]
"""Puts values into a noisy mosaic, in place, given its shot and read noise."""


@dataclass(frozen=True)
class Scene:
    """panels: what stands beside and below one another, at equal sizes. height, width: pixels of the mosaic."""

    name: str
    height: int
    width: int
    panels: tuple[tuple[Panel, ...], ...]
    levels: Levels
    overlay: Overlay | None = None

    def noise(self, shot_range: tuple[float, float]) -> tuple[Triple, Triple]:
        """(shot, read) for R, G, B, all of them float32 values, so that every program sees the same."""
        shot, read = self.levels(shot_range)
        return _float32(shot), _float32(read)

    def capture(self, shot: Triple, read: Triple) -> tuple[np.ndarray, np.ndarray]:
        """(clean, noisy): RGGB mosaics float32 [height, width], black 0; those of a sensor that is full at 1."""
        clean = self._clean.copy()
        noisy = np.minimum(expose(clean, Cfa.RGGB, NoiseModel(shot, read, NoiseOrigin.USER), seed=SEED), 1)
        if self.overlay is not None:
            self.overlay(noisy, shot, read)
        return clean, noisy

    @cached_property
    def _clean(self) -> np.ndarray:
        rows = [np.concatenate([self._rendered(panel) for panel in row], axis=1) for row in self.panels]
        return np.minimum(mosaic_of(camera_rgb(np.concatenate(rows), COLOUR_MATRIX), Cfa.RGGB), 1)

    def _rendered(self, panel: Panel) -> np.ndarray:
        height, width = self.height // len(self.panels), self.width // len(self.panels[0])
        samples = panel(height * SAMPLES, width * SAMPLES)
        pixels: np.ndarray = samples.reshape(height, SAMPLES, width, SAMPLES, 3).mean(axis=(1, 3), dtype=np.float32)
        return pixels


def within(shot_range: tuple[float, float], share: float, colours: Triple = (1, 1, 1)) -> tuple[Triple, Triple]:
    """Noise at a share of the range, by ratio: 0 its cleanest, 1 its noisiest end; times a factor per colour."""
    low, high = np.log10(shot_range)
    log_shot = low + share * (high - low)
    # The fit to the Darmstadt captures, as in training.
    shot, read = 10**log_shot, 10 ** (2.25 * log_shot + 1.38)
    red, green, blue = colours
    return (shot * red, shot * green, shot * blue), (read * red, read * green, read * blue)


def cleaner_than_told(_shot_range: tuple[float, float]) -> tuple[Triple, Triple]:
    """Less noise than any network is told of; red has none."""
    return (0.0, 4e-6, 1e-5), (0.0, 1e-8, 2e-7)


def extremes(noisy: np.ndarray, shot: Triple, read: Triple) -> None:
    """Bands of zeros, of values below black and of lights far above white, and single pixels of each kind."""
    height, width = noisy.shape
    band, step = height // 8, width // len(LIGHTS)
    colours = np.array(Cfa.RGGB.channels).reshape(2, 2)
    black_sigma = np.sqrt(0.375 * np.square(shot) + np.asarray(read))[colours]
    noisy[:band] = 0
    for index, (depth_sigmas, light) in enumerate(zip(DEPTHS_SIGMAS, LIGHTS, strict=True)):
        columns = np.s_[index * step : (index + 1) * step]
        noisy[band : 2 * band, columns] = np.tile(-depth_sigmas * black_sigma, (band // 2, step // 2))
        noisy[2 * band : 3 * band, columns] = light
        # Single pixels of every colour among zeros, in the middle and at the tile's very border.
        noisy[band // 2 + index % 2, index * step + step // 2 + index // 2 % 2] = light
        noisy[index % 2, index * step + index // 2 % 2] = -light
    noisy[-1, :] = LIGHTS[-1]


def _float32(values: Triple) -> Triple:
    red, green, blue = (float(np.float32(value)) for value in values)
    return red, green, blue


STAR = partial(panels.siemens_star, spokes=24)
CLOTH = partial(panels.woven_cloth, threads=16)
GRASS = partial(panels.grass, blades=300)

SCENES: tuple[Scene, ...] = (
    Scene("low", 128, 128, ((STAR, colour_chart), (panels.printed_page, panels.stone)), partial(within, share=0.0)),
    Scene("middle", 128, 128, ((GRASS, panels.dark_corner), (CLOTH, STAR)), partial(within, share=0.5)),
    Scene("high", 128, 128, ((panels.still_life, panels.dark_corner), (STAR, CLOTH)), partial(within, share=1.0)),
    Scene("per-colour", 96, 160, ((panels.still_life, STAR), (panels.ramps, GRASS)),
          partial(within, share=0.5, colours=(1.5, 1.0, 0.6))),
    Scene("cleanest", 112, 80, ((STAR,), (panels.dark_corner,)), cleaner_than_told),
    Scene("extremes", 128, 128, ((STAR, panels.still_life), (panels.dark_corner, CLOTH)), partial(within, share=0.5),
          extremes),
    Scene("smallest", 16, 16, ((STAR,),), partial(within, share=0.5)),
    Scene("short", 16, 64, ((colour_chart,),), partial(within, share=0.5)),
    Scene("narrow", 64, 16, ((colour_chart,),), partial(within, share=0.5)),
)  # fmt: skip
"""Sizes are multiples of 16 and mostly not square; the smallest are a single pixel of the coarsest scale wide."""
