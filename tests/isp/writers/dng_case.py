"""Captures to write and the means to look at what was written, for the tests of the CFA DNG writer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.dng.tags import Tag
from isp.dng.tiff import Entry, TiffFile
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import RawFrame
from isp.readers import read
from isp.sample.colour_chart import colour_chart
from isp.sample.maker import COLOUR_MATRIX
from isp.sample.sensor import camera_rgb, digitise, mosaic_of, neutral_of
from tests.isp.dng_maker import make_dng

LEFT_OVER = NoiseModel((1e-5, 2e-5, 3e-5), (1e-7, 2e-7, 3e-7), NoiseOrigin.USER)
PREVIEW = np.full((20, 30, 3), (200, 120, 40), np.uint8)
BLACK_DN, WHITE_DN = 64, 4095


def chart_dng(path: Path, cfa: Cfa) -> np.ndarray:
    """A noise-free capture of the colour chart, 240 x 320; returns the scene, linear sRGB float32."""
    scene = colour_chart(240, 320)
    stored = digitise(mosaic_of(camera_rgb(scene, COLOUR_MATRIX), cfa), black_dn=BLACK_DN, white_dn=WHITE_DN)
    make_dng(
        path,
        stored,
        cfa=cfa.value,
        black=BLACK_DN,
        white=WHITE_DN,
        colour_matrix1=COLOUR_MATRIX,
        as_shot_neutral=neutral_of(COLOUR_MATRIX),
    )
    return scene


def frame_of(path: Path) -> RawFrame:
    return read(path)


def linear_of(frame: RawFrame) -> np.ndarray:
    """The frame's mosaic, black 0, white 1; for black levels that are whole 2x2 patterns."""
    black = np.tile(frame.black.pattern, (frame.height // 2 + 1, frame.width // 2 + 1))[: frame.height, : frame.width]
    return ((frame.mosaic - black) / (frame.white - black)).astype(np.float32)


@dataclass(frozen=True)
class Stored:
    """Entries of a written file's directories."""

    main: dict[int, Entry]
    raw: dict[int, Entry]
    exif: dict[int, Entry]
    gps: dict[int, Entry]

    def reals(self, tag: Tag) -> list[float]:
        """Values of a tag of the mosaic's directory, or of the main one."""
        return [float(value) for value in (self.raw.get(tag) or self.main[tag]).reals()]


def stored_in(path: Path) -> Stored:
    """All entries of a written file; its values are read while the file is there."""
    tiff = TiffFile(path, path.open("rb"))
    main = tiff.first_directory()

    def only(tag: Tag) -> dict[int, Entry]:
        children = main.children(tag)
        assert len(children) <= 1
        return dict(children[0].entries) if children else {}

    return Stored(dict(main.entries), only(Tag.SubIFDs), only(Tag.ExifIFD), only(Tag.GPSIFD))
