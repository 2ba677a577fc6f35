"""How the denoiser bears what real files do to it, on photographs by the evaluation protocol.

    python -m benchmarks.robustness --photographs DIR [--model NAME]

Prints, for each level of shot noise: what a noise profile told wrong costs; what is left of row noise, fixed pattern
and hot pixels; what clipping at black and 8 bits cost; and, at read noise alone, PSNR before and after. Row noise and
fixed pattern are as measured on a Raspberry Pi Global Shutter camera (IMX296), in standard deviations of its read
noise. Hot pixels of any strength go through the stage that replaces defective pixels first, as in the pipeline.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks import command
from denoiser.cli_arguments import add_photographs
from denoiser.evaluation.scenes import Scene, photographs, scenes_of
from denoiser.evaluation.scores import DARK_LEVEL, Denoise
from isp.cfa import Cfa
from isp.defects.detection import find_defects
from isp.defects.replacement import replace_defects
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.psnr import psnr_db
from isp.stages.defective_pixels import DefectivePixels

ROW_NOISE_SIGMAS = 0.1
FIXED_PATTERN_SIGMAS = 0.4
"""Standard deviations, in those of the read noise: 0.05 DN and at most 0.20 DN where that is 0.5 DN."""
HOT_PIXEL_SHARE = 6e-4
"""As measured on the dark frame of a 12-bit sensor that does not correct its own."""
HOT_PIXEL_SIGMAS = (4.0, 400.0)
"""Their excess over the read noise, log-uniform."""
EIGHT_BIT_BLACK_DN, EIGHT_BIT_WHITE_DN = 16, 255
READ_ALONE = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)
SEED = 11


def row_noise(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """One offset a row, float32 [H, W] in the domain of the scene."""
    rows = rng.normal(0, ROW_NOISE_SIGMAS * scene.read**0.5, (scene.noisy.shape[0], 1))
    return np.broadcast_to(rows, scene.noisy.shape).astype(np.float32)


def fixed_pattern(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """One offset a pixel, likewise."""
    return rng.normal(0, FIXED_PATTERN_SIGMAS * scene.read**0.5, scene.noisy.shape).astype(np.float32)


def hot_pixels(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """An excess at a few pixels, 0 elsewhere."""
    low, high = np.log(HOT_PIXEL_SIGMAS)
    excess = scene.read**0.5 * np.exp(rng.uniform(low, high, scene.noisy.shape))
    return np.where(rng.random(scene.noisy.shape) < HOT_PIXEL_SHARE, excess, 0).astype(np.float32)


PATTERNS: Mapping[str, Callable[[Scene, np.random.Generator], np.ndarray]] = {
    "row noise": row_noise,
    "fixed pattern": fixed_pattern,
    "hot pixels": hot_pixels,
}


def after_defect_correction(denoise: Denoise) -> Denoise:
    """The denoiser behind the stage that replaces defective pixels, at the stage's defaults."""
    threshold_sigma = DefectivePixels.Parameters.model_validate({}).threshold_sigma

    def both(mosaic: np.ndarray, cfa: Cfa, shot: float, read: float) -> np.ndarray:
        corrected = mosaic.copy()
        noise = NoiseModel.uniform(shot, read, NoiseOrigin.USER)
        replace_defects(corrected, cfa, find_defects(corrected, cfa, noise, threshold_sigma))
        return denoise(corrected, cfa, shot, read)

    return both


@dataclass(frozen=True)
class Residue:
    """RMS of a pattern where there is any, before and after denoising, in standard deviations of the pixel's noise.

    After: the difference that the pattern makes to the denoised mosaic.
    """

    before: float
    after: float


def residue(denoise: Denoise, scene: Scene, pattern: np.ndarray) -> Residue:
    sigma = np.sqrt(scene.shot * scene.clean + scene.read)
    left = _denoised(denoise, replace(scene, noisy=scene.noisy + pattern)) - _denoised(denoise, scene)
    at = pattern != 0
    before, after = (float(np.sqrt(np.square(image / sigma)[at].mean())) for image in (pattern, left))
    return Residue(before, after)


def psnr_when_told(denoise: Denoise, scene: Scene, factor: float) -> float:
    """Raw PSNR in dB when the denoiser is told of `factor` times the noise that there is."""
    told = replace(scene, shot=scene.shot * factor, read=scene.read * factor)
    return psnr_db(_denoised(denoise, told), scene.clean)


def dark_bias_sigmas(mosaic: np.ndarray, scene: Scene) -> float:
    """Mean error where the truth is dark, unclipped, in standard deviations of the noise at black."""
    dark = scene.clean < DARK_LEVEL
    return float((mosaic - scene.clean)[dark].mean() / scene.read**0.5) if dark.any() else 0.0


def clipped_at_black(scene: Scene) -> Scene:
    """The scene as a file holds it that cuts what lies below black."""
    return replace(scene, noisy=np.maximum(scene.noisy, 0))


def in_8_bits(scene: Scene) -> Scene:
    """The scene as an 8-bit source gives it; rounding is part of its noise."""
    span = EIGHT_BIT_WHITE_DN - EIGHT_BIT_BLACK_DN
    digits = np.clip(np.rint(scene.noisy * span + EIGHT_BIT_BLACK_DN), 0, EIGHT_BIT_WHITE_DN)
    noisy = ((digits - EIGHT_BIT_BLACK_DN) / span).astype(np.float32)
    return replace(scene, noisy=noisy, read=scene.read + 1 / (12 * span**2))


def with_read_noise_alone(scene: Scene, read: float, rng: np.random.Generator) -> Scene:
    noisy = (scene.clean + rng.normal(0, read**0.5, scene.clean.shape)).astype(np.float32)
    return replace(scene, noisy=noisy, shot=0.0, read=read)


def _denoised(denoise: Denoise, scene: Scene) -> np.ndarray:
    return denoise(scene.noisy.copy(), scene.cfa, scene.shot, scene.read)


def measured(denoise: Denoise, scene: Scene) -> dict[str, float]:
    """One scene's figures, by the heading of their column."""
    rng = np.random.default_rng(SEED)
    output = _denoised(denoise, scene)
    right = psnr_db(output, scene.clean)
    clipped, coarse = clipped_at_black(scene), in_8_bits(scene)
    row = {"noisy dB": psnr_db(scene.noisy, scene.clean), "denoised dB": right}
    row |= {f"told {f:g}x, dB": psnr_when_told(denoise, scene, f) - right for f in (0.5, 2.0)}
    for name, draw in PATTERNS.items():
        pipeline = after_defect_correction(denoise) if draw is hot_pixels else denoise
        found = residue(pipeline, scene, draw(scene, rng))
        row[f"{name}, sigmas"], row[f"{name} left, sigmas"] = found.before, found.after
    from_clipped = _denoised(denoise, clipped)
    row["clipped at black, dB"] = psnr_db(from_clipped, scene.clean) - right
    row["dark bias, sigmas"] = dark_bias_sigmas(output, scene)
    row["dark bias in the clipped file"], row["left of it"] = (
        dark_bias_sigmas(m, scene) for m in (clipped.noisy, from_clipped)
    )
    row["8 bits, noisy dB"] = psnr_db(coarse.noisy, scene.clean)
    row["8 bits, denoised dB"] = psnr_db(_denoised(denoise, coarse), scene.clean)
    return row


def read_alone(denoise: Denoise, scene: Scene, read: float) -> dict[str, float]:
    noisy = with_read_noise_alone(scene, read, np.random.default_rng(SEED))
    return {
        "noisy dB": psnr_db(noisy.noisy, scene.clean),
        "denoised dB": psnr_db(_denoised(denoise, noisy), scene.clean),
    }


def _mean(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    kept = list(rows)
    return {name: float(np.mean([row[name] for row in kept])) for name in kept[0]}


def _table(label: str, rows: Mapping[float, Mapping[str, float]]) -> str:
    names = list(next(iter(rows.values())))
    lines = ["| " + " | ".join([label, *names]) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {level:.1e} | " + " | ".join(f"{row[name]:.2f}" for name in names) + " |" for level, row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def run(arguments: argparse.Namespace) -> None:
    from denoiser import Denoiser

    denoise = Denoiser(arguments.model).denoise
    levels: dict[float, list[dict[str, float]]] = {}
    reads: dict[float, list[dict[str, float]]] = {}
    for photograph in photographs(arguments.photographs):
        for scene in scenes_of(photograph):
            levels.setdefault(scene.shot, []).append(measured(denoise, scene))
        for read in READ_ALONE:
            reads.setdefault(read, []).append(read_alone(denoise, scene, read))
        print(photograph.path.name, file=sys.stderr, flush=True)
    print(_table("shot noise", {level: _mean(rows) for level, rows in levels.items()}))
    print(_table("read noise alone", {level: _mean(rows) for level, rows in reads.items()}), end="")


def main() -> int:
    parser = command.parser(__doc__)
    add_photographs(parser)
    parser.add_argument("--model", default="auto", help="a family, a model or a .safetensors file")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
