"""Real noise: bursts of a static scene against the mean of their other frames, and one exposure against a longer one.

    python benchmarks/real_noise.py --imx296 FOLDER --mt9m001 FOLDER [--pictures OUT]

`--imx296`: bursts as .npz with `median` [H, W] and `delta` [N, H, W], BGGR, 10 bits, black 60.
`--mt9m001`: three exposures of a static scene, uint8 1280x1024 RGGB: *0x2fff.raw (3/8 s, the truth where it
is below 140 DN), *0x0fff.raw (1/8 s). Prints a table of PSNR in dB, before and after.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from denoiser import Denoiser
from denoiser.calibration.captures import Layout
from denoiser.evaluation import bursts
from isp.cfa import Cfa
from isp.noise.estimate import estimate_noise
from isp.noise.model import NoiseModel, NoiseOrigin

IMX296_NOISE = NoiseModel.uniform(9.4e-5, 2.7e-7, NoiseOrigin.CALIBRATION)
IMX296_LAYOUT = Layout(Cfa.BGGR, black_dn=60.0, white_dn=1023.0)
MT9M001_SHAPE, MT9M001_VALID_DN = (1024, 1280), 140
DRIFT_SIGMA_PX = 24.0


@dataclass(frozen=True)
class Score:
    """PSNR in dB against the truth, peak 1."""

    name: str
    noise: NoiseModel
    before_db: float
    after_db: float


def imx296(folder: Path, denoiser: Denoiser, frames: int) -> list[Score]:
    found = bursts.evaluate(denoiser.denoise, folder, frames, layout=IMX296_LAYOUT, noise=IMX296_NOISE)
    return [Score(f"IMX296 {burst.name}", burst.noise, burst.before_db, burst.after_db) for burst in found]


def psnr(error: np.ndarray) -> float:
    return float(-10 * np.log10(np.square(error, dtype=np.float64).mean()))


def brightness_matched(truth: np.ndarray, noisy: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The truth at the noisy frame's exposure, per Bayer position: the light changed slowly between the
    frames, so that their ratio is taken over areas far larger than any grain."""
    matched = np.empty_like(truth)
    for position in range(4):
        at = np.s_[position // 2 :: 2, position % 2 :: 2]
        valid = mask[at].astype(np.float32)
        light = [cv2.GaussianBlur(frame[at] * valid, (0, 0), DRIFT_SIGMA_PX) for frame in (noisy, truth)]
        matched[at] = truth[at] * light[0] / np.maximum(light[1], 1e-6)
    return matched


def mt9m001(folder: Path, denoiser: Denoiser, pictures: Path | None) -> list[Score]:
    """The 1/8 s frame against a third of the 3/8 s one, where that is not near full."""
    (long_path,), (short_path,) = folder.glob("*0x2fff.raw"), folder.glob("*0x0fff.raw")
    long, short = (np.fromfile(p, np.uint8).reshape(MT9M001_SHAPE).astype(np.float32) for p in (long_path, short_path))
    mask = cv2.dilate((long >= MT9M001_VALID_DN).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    noisy = short / 255
    model = estimate_noise(noisy)
    clean = denoiser.denoise(noisy, Cfa.RGGB, model.shot, model.read)
    target = brightness_matched(long / 255, noisy, mask)
    scores = [Score("MT9M001 1/8 s", model, psnr((noisy - target)[mask]), psnr((clean - target)[mask]))]
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for name, mosaic in (("noisy", noisy), ("denoised", clean), ("truth", target)):
            rgb = cv2.cvtColor((np.clip(mosaic * 2, 0, 1) * 65535).astype(np.uint16), cv2.COLOR_BayerRGGB2BGR)
            cv2.imwrite(str(pictures / f"mt9m001_{name}.png"), ((rgb / 65535) ** (1 / 2.2) * 255).astype(np.uint8))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imx296", type=Path)
    parser.add_argument("--mt9m001", type=Path)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--frames", type=int, default=3, help="frames scored of each burst")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    denoiser = Denoiser(arguments.model)
    scores: list[Score] = []
    if arguments.imx296:
        scores += imx296(arguments.imx296, denoiser, arguments.frames)
    if arguments.mt9m001:
        scores += mt9m001(arguments.mt9m001, denoiser, arguments.pictures)
    print("| capture | noise model (green shot, read) | noisy dB | denoised dB | gain dB |\n|---|---|---|---|---|")
    for s in scores:
        gain = s.after_db - s.before_db
        print(
            f"| {s.name} | {s.noise.shot[1]:.2e}, {s.noise.read[1]:.2e} "
            f"| {s.before_db:.2f} | {s.after_db:.2f} | {gain:+.2f} |"
        )


if __name__ == "__main__":
    main()
