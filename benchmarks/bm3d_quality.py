"""BM3D between a variance-stabilising transform and its inverse, scored by the evaluation protocol.

    python -m benchmarks.bm3d_quality --photographs DIR [--levels 1e-4 1.3e-3] [--jobs 2]

Each colour plane of the packed mosaic (R, Gr, Gb, B) is denoised by itself, at a noise of standard deviation
1. Prints the table of `python -m denoiser evaluate`. It takes about 50 s of processor time per megapixel.

The package `bm3d` is not part of the project and not free software: its licence allows non-commercial use only.

References
----------
K. Dabov et al., "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering", IEEE
Transactions on Image Processing 16 (8), 2007.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import multiprocessing
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import cv2
import numpy as np
import torch

from benchmarks import command
from benchmarks.anscombe import stabilised, unbiased_inverse
from denoiser.cli_arguments import add_photographs
from denoiser.evaluation.scenes import SHOTS, Photograph, photographs, scenes_of
from denoiser.evaluation.scores import Score, by_level, mean, score
from denoiser.packing import pack, unpack
from isp.cfa import Cfa
from isp.errors import ConfigError

Scored = tuple[float, Score, Score]
"""Shot noise, score of the noisy mosaic, score of the denoised one."""


def denoise(mosaic: np.ndarray, cfa: Cfa, shot: float, read: float) -> np.ndarray:
    """The mosaic without its noise: float32 [H, W], black 0, white 1, as `Denoiser.denoise`; on one thread."""
    bm3d = importlib.import_module("bm3d")  # has no types, and need not be installed
    profile = bm3d.BM3DProfile()
    profile.num_threads = 1
    planes = pack(mosaic, cfa)
    clean = [
        unbiased_inverse(bm3d.bm3d(stabilised(plane, shot, read), 1.0, profile), shot, read)
        for plane in planes[0].numpy()
    ]
    return unpack(torch.from_numpy(np.stack(clean)[None].astype(np.float32)), cfa)


def scores_of(photograph: Photograph, shots: Sequence[float]) -> list[Scored]:
    """Scores of one photograph at each level."""
    return [
        (scene.shot, score(scene.noisy, scene), score(denoise(scene.noisy, scene.cfa, scene.shot, scene.read), scene))
        for scene in scenes_of(photograph, shots)
    ]


def table(scored: Sequence[Scored]) -> str:
    noisy = by_level((shot, before) for shot, before, _ in scored)
    clean = by_level((shot, after) for shot, _, after in scored)
    rows = [(f"{shot:.1e}", noisy[shot], clean[shot]) for shot in clean]
    rows.append(("mean", mean(noisy.values()), mean(clean.values())))
    lines = [
        "| shot noise | noisy raw dB | raw dB | rendered dB | SSIM | dark bias, 1e-4 |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {before.raw_psnr_db:.2f} | {after.raw_psnr_db:.2f} | {after.rendered_psnr_db:.2f} "
        f"| {after.ssim:.4f} | {after.dark_bias:+.2f} |"
        for name, before, after in rows
    ]
    return "\n".join(lines) + "\n"


def _one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def run(arguments: argparse.Namespace) -> None:
    if importlib.util.find_spec("bm3d") is None:
        raise ConfigError(
            "the package bm3d is not installed",
            expected="bm3d from PyPI, whose licence allows non-commercial use only",
            remedy=f"run {sys.executable} -m pip install bm3d",
        )
    if arguments.jobs < 1:
        raise ConfigError(f"--jobs {arguments.jobs}", expected="1 or more")
    shots = sorted(set(arguments.levels))
    found = photographs(arguments.photographs)
    scored: list[Scored] = []
    # Started afresh: a fork of a process with torch's threads may hang.
    with ProcessPoolExecutor(arguments.jobs, multiprocessing.get_context("spawn"), _one_thread) as pool:
        for photograph, rows in zip(found, pool.map(partial(scores_of, shots=shots), found), strict=True):
            scored += rows
            psnr = ", ".join(f"{after.raw_psnr_db:.2f}" for _, _, after in rows)
            print(f"{photograph.path.name}: {psnr} dB", file=sys.stderr, flush=True)
    sys.stdout.write(table(scored))


def main() -> int:
    parser = command.parser(__doc__)
    add_photographs(parser)
    parser.add_argument(
        "--levels", type=float, nargs="+", choices=SHOTS, default=SHOTS, help="levels of shot noise (all)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="photographs denoised at a time (1)")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
