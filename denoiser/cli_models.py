"""`python -m denoiser models`: what models there are; makes their list anew when weights have changed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from denoiser.cli_arguments import existing_folder
from isp.cli.table import aligned
from isp.errors import ConfigError, InputError

if TYPE_CHECKING:
    from denoiser.models import Catalogue, Model


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "models",
        help="list the models; check them against their files",
        description="Lists the models that there are: the noise that each is chosen for, its cost, and its raw PSNR in "
        "dB at levels of shot noise within its range. Weights that are not those listed are an error.",
    )
    parser.add_argument("--json", action="store_true", help="everything that is known of them, on stdout")
    parser.add_argument(
        "--rebuild", action="store_true", help="make the list anew from the weights; scores of unchanged weights stay"
    )
    parser.add_argument(
        "--scores",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="with --rebuild: take in what `evaluate --json` wrote; may be given again",
    )
    parser.add_argument("--folder", type=existing_folder, metavar="DIR", help="another folder of weights")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from denoiser import manifest
    from denoiser.weights_file import WEIGHTS_FOLDER

    if arguments.scores and not arguments.rebuild:
        raise ConfigError("--scores without --rebuild", expected="both, for scores are part of the list")
    folder = arguments.folder or WEIGHTS_FOLDER
    catalogue = _rebuilt(folder, arguments.scores) if arguments.rebuild else manifest.read(folder)
    catalogue.check_files()
    if arguments.json:
        models = [{**asdict(model), "bytes": _bytes(catalogue, model)} for model in catalogue.models]
        sys.stdout.write(json.dumps({"folder": str(catalogue.folder), "models": models}, indent=2) + "\n")
    else:
        sys.stdout.write(_text(catalogue) + "\n")
    return 0


def _rebuilt(folder: Path, evaluations: Sequence[Path]) -> Catalogue:
    from denoiser import manifest

    kept = manifest.kept(manifest.read(folder)) if (folder / manifest.MANIFEST).exists() else ()
    measured = {path: manifest.read_evaluation(path) for path in evaluations}
    catalogue = manifest.build(folder, [*kept, *chain.from_iterable(measured.values())])
    for path, measurements in measured.items():
        if not any(one.networks in manifest.measurable(catalogue) for one in measurements):
            raise InputError(
                f"{path}: scores of other weights than those in {folder}",
                expected="an evaluation of a model or a whole family as it is there now",
            )
    manifest.write(catalogue)
    return catalogue


def _text(catalogue: Catalogue) -> str:
    shots = sorted({score.shot for model in catalogue.models for score in model.scores})
    head = ["name", "family", "chosen for shot noise", "parameters", "kMAC/px", *(f"dB {shot:.1e}" for shot in shots)]
    rows = [[*head, "SHA-256", "kB"]]
    for model in catalogue.models:
        raw_psnr_db = {score.shot: f"{score.raw_psnr_db:.2f}" for score in model.scores}
        rows.append(
            [
                model.name,
                model.family.value,
                _range(model.chosen_range),
                f"{model.parameters:,}",
                f"{model.mac_per_raw_pixel / 1e3:.2f}",
                *(raw_psnr_db.get(shot, "-") for shot in shots),
                model.sha256[:12],
                f"{_bytes(catalogue, model) / 1e3:.0f}",
            ]
        )
    return aligned(rows, indent="")


def _range(chosen: tuple[float, float | None]) -> str:
    low, end = chosen
    if end is None:
        return f"from {low:.2e}" if low else "any"
    return f"{low:.2e} to {end:.2e}" if low else f"below {end:.2e}"


def _bytes(catalogue: Catalogue, model: Model) -> int:
    return (catalogue.folder / model.file).stat().st_size
