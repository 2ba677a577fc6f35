"""`python -m denoiser train`: from a folder of photographs to weights."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from denoiser.cli_arguments import add_photographs
from isp.errors import ConfigError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "train",
        help="train a network on a folder of photographs; resumes where it was stopped",
        description="Trains a Feature-Align Network on photographs unprocessed to linear RAW on the fly. The run's "
        "folder holds its state: the same command resumes it after a kill at any moment.",
    )
    parser.add_argument("recipe", nargs="?", default="universal", help="a shipped model's name (default: universal)")
    add_photographs(parser)
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder of the run (default: .training/RECIPE)")
    parser.add_argument("--start-from", type=Path, metavar="FILE", help="weights to start a new run from")
    parser.add_argument("--stop-after", type=float, default=math.inf, metavar="MINUTES", help="pause the run then")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, help="CPU threads")
    changes = parser.add_argument_group("changes to the recipe")
    changes.add_argument("--steps", type=int, help="length of the run")
    changes.add_argument("--batch", type=int, help="crops in a step")
    changes.add_argument("--patch", dest="patch_px", type=int, metavar="PX", help="side of a crop in mosaic pixels")
    changes.add_argument("--learning-rate", type=float, help="peak of the schedule for AdamW")
    changes.add_argument("--matrix-learning-rate", type=float, help="peak of the schedule for Muon")
    changes.add_argument("--full-precision-share", type=float, metavar="0..1", help="last part of the run in float32")
    changes.add_argument("--seed", type=int)
    guidance = parser.add_argument_group("guidance by a teacher")
    guidance.add_argument("--teacher", type=Path, metavar="FILE", help="trained weights of the teacher")
    guidance.add_argument("--output-weight", type=float, help="of the distance to the teacher's output")
    guidance.add_argument("--feature-weight", type=float, help="of the Feature Matching Loss")
    guidance.add_argument("--feature-depths", type=int, nargs="+", metavar="SCALE", help="0 is the finest")
    guidance.add_argument("--feature-target", choices=("clean", "teacher"), help="whose features are to be matched")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    import cv2
    import torch

    from denoiser.training.recipe import RECIPES, Recipe
    from denoiser.training.trainer import WEIGHTS_NAME, train

    recipe: Recipe | None = RECIPES.get(arguments.recipe)
    if recipe is None:
        raise ConfigError(f"recipe {arguments.recipe!r}", expected=f"one of {', '.join(RECIPES)}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
        cv2.setNumThreads(arguments.threads)
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    guidance: dict[str, Any] = {name: given[name] for name in vars(recipe.guidance) if name in given}
    if "feature_depths" in guidance:
        guidance["feature_depths"] = tuple(guidance["feature_depths"])
    changes: dict[str, Any] = {name: given[name] for name in vars(recipe) if name in given}
    recipe = replace(recipe, **changes, guidance=replace(recipe.guidance, **guidance))
    if arguments.teacher is None and (recipe.guidance.output_weight or recipe.guidance.feature_weight):
        raise ConfigError("guidance without a teacher", remedy="name the teacher's weights with --teacher")
    run_folder = arguments.run or Path(".training") / arguments.recipe
    start_from = arguments.start_from
    if start_from is None and recipe.parent is not None:
        start_from = run_folder.parent / recipe.parent / WEIGHTS_NAME
        if not start_from.is_file():
            raise ConfigError(
                f"{start_from}: no such file; {arguments.recipe} starts from the weights of {recipe.parent}",
                remedy=f"train {recipe.parent} first, or name its weights with --start-from",
            )
    choice = arguments.device
    if choice == "auto":
        choice = "cuda" if torch.cuda.is_available() else "cpu"
    outcome = train(
        recipe,
        arguments.photographs,
        run_folder,
        torch.device(choice),
        name=arguments.recipe,
        start_from=start_from,
        teacher=arguments.teacher,
        stop_after_s=arguments.stop_after * 60,
    )
    state = "finished" if outcome.finished else "paused; the same command goes on"
    sys.stdout.write(f"{state} at step {outcome.step} of {recipe.steps}: {outcome.weights}\n")
    return 0
