"""Error of the blind noise estimate, on simulated noise and on real captures.

    python benchmarks/noise_estimate.py FOLDER [--each]

FOLDER holds `bench/rawbench.py` with its photographs in `bench/kodak`, and the captures
`data/noise/imx296/*.npz` and `data/noise/emva1288/*.png`. Errors are (estimate / truth - 1): median,
10th and 90th percentile for shot; for the noise's standard deviation at the 5th, 50th and 95th
percentile of the intensities present, its median, and the worst of the three in each mosaic.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from denoiser.calibration.captures import Layout, load_stack
from denoiser.calibration.static_burst import fit_static_burst
from isp.cfa import Cfa
from isp.noise.estimate import estimate_noise


@dataclass(frozen=True)
class Row:
    """One mosaic: error of shot, errors of sigma at three intensities, seconds per megapixel."""

    name: str
    shot: float
    sigma: tuple[float, float, float]
    s_per_mp: float


def judge(name: str, mosaic: np.ndarray, cfa: Cfa, shot: float, read: float, clean: np.ndarray) -> Row:
    start = time.process_time()
    found = estimate_noise(mosaic, cfa)
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


def rawbench_rows(bench: Path, each: bool) -> None:
    sys.path.insert(0, str(bench))
    import rawbench

    levels: dict[str, list[Row]] = {}
    grain: dict[str, float] = {}
    for scene in rawbench.scenes(bench / "kodak"):
        quantisation = 1 / 12 / (rawbench.WHITE - rawbench.PEDESTAL) ** 2
        row = judge(scene.name, scene.noisy, Cfa(scene.cfa), scene.shot, scene.read + quantisation, scene.clean)
        levels.setdefault(scene.level, []).append(row)
        if scene.name not in grain:
            grain[scene.name] = estimate_noise(scene.clean, Cfa(scene.cfa)).shot[1]
    for level, rows in levels.items():
        show(f"rawbench {level}", rows, each)
    low, middle, high = np.percentile(list(grain.values()), [10, 50, 90])
    print(f"rawbench, no noise added: shot {middle:.1e} [{low:.1e} {high:.1e}], the photographs' own grain")


def imx296_rows(folder: Path, each: bool) -> None:
    for path in sorted(folder.glob("*.npz")):
        burst = load_stack([path], Layout(Cfa.BGGR, 60, 1023))
        clean = burst.frames.mean(0)
        planes = [plane for colour in burst.planes().values() for plane in colour]
        truth = fit_static_burst(planes, burst.floor, 1 / burst.span_dn)
        rows = [
            judge(f"{path.stem[:6]} frame {i}", frame, Cfa.BGGR, truth.shot, truth.read, clean)
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
                rows.append(judge(path.stem, frame, Cfa.RGGB, gain_dn / span, dark_variance / span**2, frame))
        show(title, rows, each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", action="store_true", help="a line for every mosaic")
    arguments = parser.parse_args()
    rawbench_rows(arguments.folder / "bench", arguments.each)
    imx296_rows(arguments.folder / "data/noise/imx296", arguments.each)
    emva_rows(arguments.folder / "data/noise/emva1288", arguments.each)


if __name__ == "__main__":
    main()
