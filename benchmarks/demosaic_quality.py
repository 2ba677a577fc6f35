"""Quality of the demosaic methods beside LibRaw's and colour-demosaicing's, on photographs.

    python benchmarks/demosaic_quality.py FOLDER [--light linear] [--json RESULT.json]

Each photograph is laid out as a Bayer mosaic (the four phases in turn), demosaiced, and compared with
itself: CPSNR is 10 log10 of 1 over the mean squared error of all three colours, 8 pixels from the
border left out, averaged over the photographs. With `--light encoded`, the custom of the literature,
the mosaic is of sRGB values; with `--light linear`, as in a camera, it is of linear light and the result
is encoded before it is compared. LibRaw gets the mosaic as an uncompressed 16-bit DNG without white
balance or colour matrix. Times are processor time on one thread per megapixel; LibRaw's contain its
scaling and 16-bit output.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
import rawpy
import tifffile

from isp.cfa import Cfa
from isp.demosaicing.bilinear import bilinear
from isp.demosaicing.malvar2004 import malvar2004
from isp.demosaicing.menon2007 import menon2007
from isp.sample.sensor import mosaic_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import colour_demosaicing

BORDER_PX = 8
LIBRAW = ("LINEAR", "VNG", "PPG", "AHD", "DHT", "AAHD")
Interpolation = Callable[[np.ndarray, Cfa], np.ndarray]
Method = Callable[[np.ndarray, Cfa], tuple[np.ndarray, float]]
"""From a mosaic in [0, 1] and its phase to camera RGB and the seconds it took."""


@dataclass(frozen=True)
class Score:
    """One method's result over all photographs."""

    method: str
    cpsnr_db: float
    worst_db: float
    ms_per_megapixel: float


def methods(folder: Path) -> dict[str, Method]:
    """Every method by name; `folder` takes the files that LibRaw reads."""
    ours: dict[str, Interpolation] = {"bilinear": bilinear, "malvar": malvar2004, "menon": menon2007}
    found = {name: _timed(interpolation) for name, interpolation in ours.items()}
    for name in LIBRAW:
        found[f"LibRaw {name}"] = _libraw(getattr(rawpy.DemosaicAlgorithm, name), folder / "mosaic.dng")
    for name in ("bilinear", "Malvar2004", "Menon2007"):
        found[f"colour {name}"] = _timed(getattr(colour_demosaicing, f"demosaicing_CFA_Bayer_{name}"))
    return found


def _timed(interpolation: Interpolation) -> Method:
    def run(mosaic: np.ndarray, cfa: Cfa) -> tuple[np.ndarray, float]:
        start = time.process_time()
        rgb = interpolation(mosaic, cfa)
        return rgb, time.process_time() - start

    return run


def _libraw(algorithm: rawpy.DemosaicAlgorithm, path: Path) -> Method:
    def run(mosaic: np.ndarray, cfa: Cfa) -> tuple[np.ndarray, float]:
        write_dng(path, mosaic, cfa)
        with rawpy.imread(str(path)) as raw:
            raw.raw_image  # noqa: B018  decodes, so that the time below is without it
            start = time.process_time()
            rgb = raw.postprocess(
                demosaic_algorithm=algorithm,
                user_wb=[1, 1, 1, 1],
                output_color=rawpy.ColorSpace.raw,
                gamma=(1, 1),
                no_auto_bright=True,
                adjust_maximum_thr=0,
                output_bps=16,
                user_flip=0,
            )
            elapsed = time.process_time() - start
        return rgb.astype(np.float32) / 65535, elapsed

    return run


def write_dng(path: Path, mosaic: np.ndarray, cfa: Cfa) -> None:
    """The smallest DNG that LibRaw takes, black 0 and white 65535, of a mosaic in [0, 1]."""
    xyz_to_camera = [n for value in np.eye(3).ravel() for n in (int(value), 1)]
    extratags = [
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, bytes(cfa.channels), True),  # CFAPattern
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50708, "s", 0, "benchmark", True),  # UniqueCameraModel
        (50717, "H", 1, 65535, True),  # WhiteLevel
        (50721, "2i", 9, xyz_to_camera, True),  # ColorMatrix1
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
        (50728, "2I", 3, [1, 1, 1, 1, 1, 1], True),  # AsShotNeutral
    ]
    dn = np.rint(np.clip(mosaic, 0, 1) * 65535).astype(np.uint16)
    tifffile.imwrite(path, dn, photometric="CFA", extratags=extratags, metadata=None)


def encode(linear: np.ndarray) -> np.ndarray:
    """The sRGB transfer curve."""
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def decode(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def photographs(folder: Path) -> Iterator[np.ndarray]:
    """sRGB float32 [H, W, 3] in [0, 1] of every picture, in the order of their names."""
    for path in sorted(folder.iterdir()):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if bgr is not None:
            yield bgr[..., ::-1].astype(np.float32) / 255


def evaluate(name: str, method: Method, pictures: list[np.ndarray], light: str) -> Score:
    psnr, seconds, pixels = [], 0.0, 0
    for number, picture in enumerate(pictures):
        cfa = list(Cfa)[number % 4]
        mosaic = mosaic_of(decode(picture) if light == "linear" else picture, cfa)
        rgb, elapsed = method(mosaic, cfa)
        seconds += elapsed
        pixels += mosaic.size
        result = encode(rgb) if light == "linear" else np.clip(rgb, 0, 1)
        inside = slice(BORDER_PX, -BORDER_PX)
        psnr.append(-10 * np.log10(np.mean((result - picture)[inside, inside].astype(np.float64) ** 2)))
    return Score(name, round(float(np.mean(psnr)), 2), round(float(min(psnr)), 2), round(seconds / pixels * 1e9, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description="CPSNR of demosaic methods on photographs")
    parser.add_argument("folder", type=Path, help="folder of photographs (PNG, TIFF or JPEG)")
    parser.add_argument("--light", choices=("encoded", "linear"), default="encoded", help="what the mosaic holds")
    parser.add_argument("--json", type=Path, help="write the scores to this file as well")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    pictures = list(photographs(arguments.folder))
    if not pictures:
        parser.error(f"{arguments.folder} holds no pictures")
    with tempfile.TemporaryDirectory() as folder:
        scores = [evaluate(name, method, pictures, arguments.light) for name, method in methods(Path(folder)).items()]
    print(f"{len(pictures)} photographs, {arguments.light} light\n")
    print("| method | CPSNR dB | worst dB | ms/MP |\n|---|---|---|---|")
    for score in scores:
        print(f"| {score.method} | {score.cpsnr_db:.2f} | {score.worst_db:.2f} | {score.ms_per_megapixel:.1f} |")
    if arguments.json:
        report = {
            "protocol": " ".join((__doc__ or "").split()),
            "light": arguments.light,
            "photographs": len(pictures),
            "machine": platform.machine(),
            "versions": {name: version(name) for name in ("numpy", "opencv-python", "rawpy", "colour-demosaicing")},
            "scores": [asdict(score) for score in scores],
        }
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
