"""How many crops a second a recipe trains on, by the number of crops in a step.

    python -m benchmarks.training_speed --photographs DIR [--recipe universal] [--batch 16 64 256] [--device cuda]

Drawing is the making of noisy crops, training all that a step does with them; they share the device. Look here before a
long run on a machine that is new: what its steps cost besides their crops tells how many crops a step should have.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks import command
from denoiser.cli_arguments import add_photographs
from denoiser.training import photographs
from denoiser.training.photographs import Photographs
from denoiser.training.recipe import RECIPES, Recipe
from denoiser.training.trainer import Trainer, draw_batch
from denoiser.training.validation import CROP_PX
from isp.errors import ConfigError

WARM_UP = 3


@dataclass(frozen=True)
class Speed:
    """Medians, in seconds a step."""

    draw_s: float
    train_s: float


def medians_s(work: Callable[[int], object], steps: int, device: torch.device) -> float:
    """Median time of `work(step)`, the device's share included, after some that warm up."""
    times = []
    for step in range(WARM_UP + steps):
        began = time.perf_counter()
        work(step)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[WARM_UP:])


def speed(recipe: Recipe, source: Photographs, device: torch.device, steps: int) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, Path(folder), device, None, None)
    batch = draw_batch(source, recipe, 0)
    return Speed(
        medians_s(lambda step: draw_batch(source, recipe, step), steps, device),
        medians_s(lambda _step: trainer.train_step(batch), steps, device),
    )


def run(arguments: argparse.Namespace) -> None:
    if min(arguments.steps, arguments.threads, *arguments.batch) < 1:
        raise ConfigError("--steps, --threads or --batch below 1", expected="1 or more")
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda", expected="a CUDA device, and PyTorch made for it")
    torch.set_num_threads(arguments.threads)
    recipe, device = RECIPES[arguments.recipe], torch.device(arguments.device)
    source, _ = photographs.load(arguments.photographs, max(recipe.patch_px, CROP_PX))
    source = source.to(device)
    print(f"{arguments.recipe} on {device}, {arguments.threads} thread(s), medians of {arguments.steps} steps\n")
    print("| crops in a step | drawing, crops/s | training, crops/s | both |\n|---|---|---|---|")
    for count in arguments.batch:
        found = speed(replace(recipe, batch=count), source, device, arguments.steps)
        both = count / (found.draw_s + found.train_s)
        print(f"| {count} | {count / found.draw_s:,.0f} | {count / found.train_s:,.0f} | {both:,.0f} |", flush=True)


def main() -> int:
    parser = command.parser(__doc__)
    add_photographs(parser)
    parser.add_argument("--recipe", choices=RECIPES, default="universal")
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
