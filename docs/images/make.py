"""Makes `sample.jpg` beside this file: the embedded sample without and with denoising, side by side.

python docs/images/make.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from isp.develop import Settings, develop
from isp.pipeline import Pipeline
from isp.pipeline_file import load_pipeline_file
from isp.registry import Registry
from isp.sample import SAMPLE

SHOWN = (slice(10, 680), slice(500, 1190))
"""Rows and columns of the sample that are shown: star, ball, textures and dark areas."""


def main() -> None:
    registry = Registry.installed()
    file = load_pipeline_file("default")
    sides = []
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen in (("noisy", file.without("denoise")), ("denoised", file)):
            target = Path(folder) / f"{name}.png"
            develop(SAMPLE, target, Settings(pipeline=Pipeline.from_file(chosen, registry)))
            sides.append(cv2.imread(str(target))[SHOWN])
    gap = np.full((sides[0].shape[0], 12, 3), 255, np.uint8)
    target = Path(__file__).with_name("sample.jpg")
    cv2.imwrite(str(target), np.hstack([sides[0], gap, sides[1]]), [cv2.IMWRITE_JPEG_QUALITY, 92])


if __name__ == "__main__":
    main()
