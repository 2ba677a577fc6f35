"""`python -m denoiser train`: from a folder of photographs to weights."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

from denoiser.cli_arguments import add_photographs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train the network on a folder of photographs; resumes where it was stopped",
        description="Trains the Feature-Align Network on photographs unprocessed to linear RAW on the fly. The run's "
        "folder holds its state: the same command resumes it after a kill at any moment.",
    )
    add_photographs(parser)
    parser.add_argument(
        "--run", type=Path, default=Path(".training/universal"), metavar="DIR", help="folder of the run"
    )
    parser.add_argument("--name", default="universal", help="the model's name, kept in its weights")
    parser.add_argument("--steps", type=int, help="length of the run (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="crops in a step")
    parser.add_argument("--patch", type=int, metavar="PX", help="side of a crop in pixels of the mosaic")
    parser.add_argument("--learning-rate", type=float, help="peak of the schedule")
    parser.add_argument("--full-precision-share", type=float, metavar="0..1", help="last part of the run in float32")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--start-from", type=Path, metavar="FILE", help="weights to start a new run from")
    parser.add_argument("--stop-after", type=float, default=math.inf, metavar="MINUTES", help="pause the run then")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    import cv2
    import torch

    from denoiser.training.recipe import Recipe
    from denoiser.training.trainer import train

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
    choice = arguments.device
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    given = {
        "steps": arguments.steps,
        "batch": arguments.batch,
        "patch_px": arguments.patch,
        "learning_rate": arguments.learning_rate,
        "full_precision_share": arguments.full_precision_share,
        "seed": arguments.seed,
    }
    recipe = replace(Recipe(), **{key: value for key, value in given.items() if value is not None})
    outcome = train(
        recipe,
        arguments.photographs,
        arguments.run,
        torch.device(choice),
        name=arguments.name,
        start_from=arguments.start_from,
        stop_after_s=arguments.stop_after * 60,
    )
    state = "finished" if outcome.finished else "paused; the same command goes on"
    sys.stdout.write(f"{state} at step {outcome.step} of {recipe.steps}: {outcome.weights}\n")
    return 0
