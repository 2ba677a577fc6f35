"""What each part of the system gives: variants of one recipe, trained alike for an equal number of steps.

    python -m benchmarks.training_ablation feature-align --photographs DIR --steps 1500 --seeds 1 2 3
    python -m benchmarks.training_ablation placement --photographs DIR --steps 5000
    python -m benchmarks.training_ablation guidance --photographs DIR --teacher FILE --steps 1500

Every variant sees the same crops and noise for the same seed. The score is the raw PSNR on the held-out
photographs, mean of the five noise levels. Runs are kept in `--runs` and resumed; the table is made of
those that are finished.
"""

from __future__ import annotations

import argparse
import logging
import math
import statistics
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks import command
from denoiser.cli_arguments import add_photographs
from denoiser.network import Architecture, FeatureAlignNetwork, complexity
from denoiser.training import checkpoint
from denoiser.training.guidance import Guidance
from denoiser.training.recipe import RECIPES, Recipe
from denoiser.training.trainer import train

BASE = RECIPES["universal"]
PLAIN = BASE.architecture

OUTPUT_WEIGHT, FEATURE_WEIGHT = 2.0, 3.0
"""With these, each term's gradient is about a third of the loss's own."""

FEATURE_ALIGN: Mapping[str, Recipe] = {
    "Feature-Align, gamma in 0..2": BASE,
    "Feature-Align, gamma free": replace(BASE, architecture=replace(PLAIN, gamma_range=(-math.inf, math.inf))),
    "no Feature-Align, one block more": replace(
        BASE,
        architecture=replace(
            PLAIN, align_width=0, decoder_blocks=(PLAIN.decoder_blocks[0] + 1, *PLAIN.decoder_blocks[1:])
        ),
    ),
}
NOWHERE = len(PLAIN.widths)
PLACEMENT: Mapping[str, Recipe] = {
    "everywhere": BASE,
    **{
        label: replace(BASE, architecture=replace(PLAIN, align_from=finest, align_width=16))
        for label, finest in {
            "in the encoder": (0, NOWHERE),
            "in the decoder": (NOWHERE, 0),
            "below the finest scale": (1, 1),
        }.items()
    },
}
"""Where fewer layers are, each is twice as wide, so that all cost about the same."""
GUIDANCE: Mapping[str, Recipe] = {
    "no teacher": BASE,
    **{
        label: replace(BASE, guidance=guidance)
        for label, guidance in {
            "output distillation": Guidance(output_weight=OUTPUT_WEIGHT),
            "features of the clean image": Guidance(feature_weight=FEATURE_WEIGHT),
            "features of the teacher's output": Guidance(feature_weight=FEATURE_WEIGHT, feature_target="teacher"),
            "features of the clean image, depth 0": Guidance(feature_weight=FEATURE_WEIGHT, feature_depths=(0,)),
            "features of the clean image, depth 1": Guidance(feature_weight=FEATURE_WEIGHT, feature_depths=(1,)),
            "features of the clean image, depth 2": Guidance(feature_weight=FEATURE_WEIGHT, feature_depths=(2,)),
        }.items()
    },
}
STUDIES: Mapping[str, Mapping[str, Recipe]] = {
    "feature-align": FEATURE_ALIGN,
    "placement": PLACEMENT,
    "guidance": GUIDANCE,
}


def final_scores(run: Path, recipe: Recipe) -> tuple[tuple[float, ...], float] | None:
    """(PSNR in dB at each level, seconds spent) at the end of a finished run."""
    saved = checkpoint.load(run, recipe.as_dict())
    if saved is None or saved.step < recipe.steps:
        return None
    return saved.history[-1].psnr_db, saved.elapsed_s


def row(label: str, architecture: Architecture, scores: list[tuple[tuple[float, ...], float]]) -> str:
    means = [statistics.fmean(levels) for levels, _ in scores]
    levels = " | ".join(
        f"{statistics.fmean(column):.2f}" for column in zip(*(scored for scored, _ in scores), strict=True)
    )
    spread = f" ± {statistics.stdev(means):.3f}" if len(means) > 1 else ""
    minutes = statistics.fmean(elapsed_s for _, elapsed_s in scores) / 60
    cost = complexity(FeatureAlignNetwork(architecture)).mac_per_raw_pixel / 1e3
    return f"| {label} | {cost:.2f} | {levels} | {statistics.fmean(means):.3f}{spread} | {minutes:.0f} |"


def run(arguments: argparse.Namespace) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(arguments.threads)
    chosen = {
        label: recipe
        for label, recipe in STUDIES[arguments.study].items()
        if not arguments.variants or any(word in label for word in arguments.variants)
    }
    finished: dict[str, list[tuple[tuple[float, ...], float]]] = {label: [] for label in chosen}
    for seed in arguments.seeds:
        for label, variant in chosen.items():
            recipe = replace(
                variant,
                steps=arguments.steps,
                batch=arguments.batch,
                seed=seed,
                learning_rate=variant.learning_rate * arguments.rate,
                matrix_learning_rate=variant.matrix_learning_rate * arguments.rate,
            )
            run = arguments.runs / f"{arguments.study}-{label.replace(' ', '-').replace(',', '')}-{seed}"
            guided = recipe.guidance != Guidance()
            train(
                recipe,
                arguments.photographs,
                run,
                torch.device("cuda" if torch.cuda.is_available() else "cpu"),
                name=label,
                start_from=arguments.start_from,
                teacher=arguments.teacher if guided else None,
            )
            scores = final_scores(run, recipe)
            if scores is None:
                return  # stopped by the user
            finished[label].append(scores)
    print("| variant | kMAC/px | 1e-4 | 4e-4 | 1.3e-3 | 4e-3 | 1.2e-2 | mean of levels | minutes |")
    print("|---|---|---|---|---|---|---|---|---|")
    for label, rows in finished.items():
        print(row(label, chosen[label].architecture, rows))


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("study", choices=STUDIES)
    add_photographs(parser)
    parser.add_argument("--teacher", type=Path, help="weights of the teacher, for the study of guidance")
    parser.add_argument("--start-from", type=Path, help="weights that every variant starts from")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=BASE.batch)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--rate", type=float, default=1.0, help="factor on both peak learning rates")
    parser.add_argument("--variants", nargs="+", help="only those whose label contains one of these words")
    parser.add_argument("--runs", type=Path, default=Path(".training/ablation"))
    parser.add_argument("--threads", type=int, default=1)
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
