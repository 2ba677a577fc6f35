"""Error of the blind noise estimate, on simulated noise and on real captures.

    python -m benchmarks.noise_estimate [--photographs DIR] [--imx296 DIR] [--emva1288 DIR] [--mt9m001 DIR] [--each]

Photographs are given noise by the evaluation protocol, at 12 bits and rounded to 8. The captures are
bursts (`*.npz`), the EMVA 1288 example set (`*.png`) and one scene at three exposures (`*.raw`). Errors
are (estimate / truth - 1): median, 10th and 90th percentile for shot; for the noise's standard
deviation at the 5th, 50th and 95th percentile of the intensities present, its median, and the worst of
the three in each mosaic.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from denoiser.calibration.captures import Layout, load_stack
from denoiser.calibration.static_burst import fit_static_burst
from denoiser.evaluation.scenes import PEDESTAL_DN, WHITE_DN, scenes
from isp.cfa import Cfa
from isp.noise.estimate import estimate_noise


@dataclass(frozen=True)
class Row:
    """One mosaic: error of shot, errors of sigma at three intensities, seconds per megapixel."""

    name: str
    shot: float
    sigma: tuple[float, float, float]
    s_per_mp: float


def judge(name: str, mosaic: np.ndarray, shot: float, read: float, clean: np.ndarray) -> Row:
    start = time.process_time()
    found = estimate_noise(mosaic)
    seconds = time.process_time() - start
    x = np.clip(np.percentile(clean, [5, 50, 95]), 0, None)
    error = np.sqrt((found.shot[1] * x + found.read[1]) / (shot * x + read)) - 1
    a, b, c = (float(v) for v in error)
    return Row(name, found.shot[1] / shot - 1, (a, b, c), seconds / mosaic.size * 1e6)


def show(title: str, rows: list[Row], each: bool) -> None:
    if each:
        for row in rows:
            print(f"    {row.name:44s} shot {row.shot:+6.0%}  sigma " + "  ".join(f"{e:+6.0%}" for e in row.sigma))
    shot = np.array([row.shot for row in rows])
    sigma = np.array([row.sigma for row in rows])
    worst = np.abs(sigma).max(1)
    medians = "  ".join(f"{e:+6.1%}" for e in np.median(sigma, 0))
    speed = 1000 * float(np.median([row.s_per_mp for row in rows]))
    print(
        f"{title:24s} n {len(rows):3d}  shot {np.median(shot):+6.1%} [{np.percentile(shot, 10):+5.0%} "
        f"{np.percentile(shot, 90):+5.0%}]  sigma {medians}  worst sigma {np.median(worst):5.1%} "
        f"(90 %: {np.percentile(worst, 90):5.1%})  within 30 %: {np.mean(worst <= 0.3):4.0%}  {speed:4.0f} ms/MP"
    )


def photograph_rows(folder: Path, each: bool) -> None:
    levels: dict[tuple[int, float], list[Row]] = {}
    grain: dict[str, float] = {}
    fine, coarse = 1 / (WHITE_DN - PEDESTAL_DN), 16 / (WHITE_DN - PEDESTAL_DN)
    for scene in scenes(folder):
        for bits, step in ((12, fine), (8, coarse)):
            mosaic = (np.rint(scene.noisy / step) * step).astype(np.float32)
            row = judge(scene.name, mosaic, scene.shot, scene.read + step**2 / 12, scene.clean)
            levels.setdefault((bits, scene.shot), []).append(row)
        if scene.name not in grain:
            grain[scene.name] = estimate_noise(scene.clean).shot[1]
    for (bits, shot), rows in sorted(levels.items(), key=lambda item: -item[0][0]):
        show(f"photographs {shot:.1e} {bits} bits", rows, each)
    low, middle, high = np.percentile(list(grain.values()), [10, 50, 90])
    print(f"photographs, no noise added: shot {middle:.1e} [{low:.1e} {high:.1e}], their own grain")


def imx296_rows(folder: Path, each: bool) -> None:
    for path in sorted(folder.glob("*.npz")):
        burst = load_stack([path], Layout(Cfa.BGGR, 60, 1023))
        clean = burst.frames.mean(0)
        planes = [plane for colour in burst.planes().values() for plane in colour]
        truth = fit_static_burst(planes, burst.floor, 1 / burst.span_dn)
        rows = [
            judge(f"{path.stem[:6]} frame {i}", frame, truth.shot, truth.read, clean)
            for i, frame in enumerate(burst.frames)
        ]
        show(f"IMX296 {path.stem[:6]}", rows, each)


def emva_rows(folder: Path, each: bool) -> None:
    black, white, gain_dn, dark_variance = 14.7, 4095, 0.277, 9.45
    span = white - black
    for kind, title in (("b", "EMVA flats"), ("d", "EMVA darks")):
        rows = []
        for path in sorted(folder.glob(f"{kind}_0*.png")):
            frame = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(np.float32) - black) / span
            if frame.mean() < 0.98:
                rows.append(judge(path.stem, frame, gain_dn / span, dark_variance / span**2, frame))
        show(title, rows, each)


def exposure_difference(short: np.ndarray, long: np.ndarray, valid: np.ndarray) -> tuple[float, float]:
    """(shot, read) of two exposures of one static scene, one colour plane each, float32 [h, w], white 1.

    Of the difference between `short` and `long` scaled to its brightness, free of scene and fixed pattern, the
    variance is read in small blocks about their mean, for light changes slowly; in each bin of brightness from the
    flattest fifth, without the twentieth of them that differs most, where something had moved. Scaled by g, the
    long exposure of a signal x adds shot * g * x + read * g^2.
    """
    blur = [cv2.GaussianBlur(frame * valid, (0, 0), 24) for frame in (short, long)]
    gain = blur[0] / np.maximum(blur[1], 1e-6)
    blocks = [sliding_window_view(a, (6, 6))[::3, ::3].reshape(-1, 36) for a in (short - gain * long, gain * long)]
    variance, signal, texture = blocks[0].var(1, ddof=1), blocks[1].mean(1), blocks[1].var(1)
    usable = np.flatnonzero(sliding_window_view(valid, (6, 6))[::3, ::3].reshape(-1, 36).min(1) > 0)
    rows, variances = [], []
    for members in np.array_split(usable[np.argsort(signal[usable])], 20):
        flat = members[texture[members] <= np.quantile(texture[members], 0.2)]
        still = flat[variance[flat] <= np.quantile(variance[flat], 0.95)]
        g = float(gain[valid > 0].mean())
        rows.append((float(signal[still].mean()) * (1 + g), 1 + g * g))
        variances.append(float(variance[still].mean()))
    weight = 1 / np.array(variances)
    shot, read = np.linalg.lstsq(np.array(rows) * weight[:, None], variances * weight, rcond=None)[0]
    return float(shot), float(read)


def mt9m001_rows(folder: Path, each: bool) -> None:
    frames = {
        name: np.fromfile(next(folder.glob(f"*{name}.raw")), np.uint8).reshape(1024, 1280).astype(np.float32) / 255
        for name in ("0x0fff", "0x1fff", "0x2fff")
    }
    short, long = frames["0x0fff"], frames["0x1fff"]
    valid = cv2.erode((long < 140 / 255).astype(np.float32), np.ones((5, 5)))
    planes = [np.s_[p // 2 :: 2, p % 2 :: 2] for p in range(4)]
    lines = [exposure_difference(short[at], long[at], valid[at]) for at in planes]
    shot, read = np.median(lines, 0)
    print(f"MT9M001, 1/8 s against 1/4 s: shot {shot:.1e} read {read:.1e}")
    show("MT9M001", [judge(name, frame, shot, read, frame) for name, frame in frames.items()], each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sources = {
        "photographs": photograph_rows,
        "imx296": imx296_rows,
        "emva1288": emva_rows,
        "mt9m001": mt9m001_rows,
    }
    for name in sources:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR")
    parser.add_argument("--each", action="store_true", help="a line for every mosaic")
    arguments = vars(parser.parse_args())
    for name, rows in sources.items():
        if arguments[name]:
            rows(arguments[name], arguments["each"])


if __name__ == "__main__":
    main()
