"""The list of models beside the weights, `manifest.json`: read, made from the weights, written.

All of it but the scores follows from the weights files: their hashes, what their headers say, what the
networks cost, and the borders between a family's members. So it is never edited but made anew, and it
cannot grow stale unnoticed: weights whose hash is not the listed one are refused, and scores belong to
a hash, so that those of a file that has changed are gone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import count, islice, pairwise, takewhile
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from denoiser.models import STRICT, SUFFIX, Catalogue, Family, LevelScore, Model
from denoiser.weights_file import WEIGHTS_FOLDER
from isp.atomic import replacing
from isp.errors import InputError
from isp.report.sidecar import sha256

MANIFEST = "manifest.json"
NAMES = {
    Family.UNIVERSAL: "universal",
    Family.SPECIALISTS: "specialist-{}",
    Family.SMALL: "small-{}",
    Family.TEACHER: "teacher",
}
"""What the models of a family are called, with a number that counts from 1, the cleanest."""


@dataclass(frozen=True)
class Measurement:
    """Scores of one network, or of a family that chose among several. networks: hashes of their weights."""

    networks: frozenset[str]
    levels: tuple[LevelScore, ...]


@checked_dataclass(frozen=True, config=STRICT)
class _Content:
    """Content of `manifest.json`."""

    schema_version: Literal[1]
    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"models {', '.join(names)}: expected each once")
        for family in Family:
            ranges = [model.chosen_range for model in self.models if model.family is family]
            starts, ends = [low for low, _ in ranges], [high for _, high in ranges]
            if ranges and (starts != sorted(set(starts)) or [0, *ends] != [*starts, None]):
                raise ValueError(
                    f"family {family}: chosen_range {', '.join(str(list(each)) for each in ranges)}: expected the "
                    "first to begin at 0, each other where the one before ends, and the last to have no end"
                )


@cache
def shipped() -> Catalogue:
    """The models that come with the program."""
    return read(WEIGHTS_FOLDER)


def read(folder: Path) -> Catalogue:
    """The models that a folder's manifest lists. Raises InputError for a manifest that is not usable."""
    path = folder / MANIFEST
    try:
        return Catalogue(folder, TypeAdapter(_Content).validate_json(path.read_bytes()).models)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}",
            expected="the list of the models in that folder",
            remedy="make it with `python -m denoiser models --rebuild`",
        ) from error
    except ValidationError as error:
        # A mistyped key also makes the right one missing: name the mistyped one.
        fault = min(error.errors(), key=lambda e: e["type"] != "unexpected_keyword_argument")
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {fault['msg']}",
            expected="a manifest as this program writes it",
            remedy="remove it and run `python -m denoiser models --rebuild`",
        ) from error


def write(catalogue: Catalogue) -> None:
    """Writes the manifest into the catalogue's folder, whole or not at all."""
    content = asdict(_Content(1, catalogue.models))
    with replacing(catalogue.folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def build(folder: Path, measured: Sequence[Measurement] = ()) -> Catalogue:
    """The catalogue of all weights files in a folder, with those scores that were measured with them.

    measured: where two hold for one model and level, the later one counts. Raises InputError for a file
    that is not usable as weights or that no family expects, and for a family that leaves noise out.
    """
    models = tuple(model for family in Family for model in _scored(_family(folder, family), measured))
    if unknown := {path.name for path in folder.glob(f"*{SUFFIX}")} - {model.file for model in models}:
        raise InputError(
            f"{folder}: no family expects {', '.join(sorted(unknown))}",
            expected=f"{', '.join(name.format('N') for name in NAMES.values())}, N counted from 1 without a gap",
            remedy="rename the weights or keep them elsewhere",
        )
    return Catalogue(folder, models)


def measurable(catalogue: Catalogue) -> set[frozenset[str]]:
    """Of what scores can belong to a catalogue: the hashes of each model, and of each whole family."""
    families = {frozenset(model.sha256 for model in catalogue.family(family)) for family in Family}
    return families | {frozenset({model.sha256}) for model in catalogue.models}


def kept(catalogue: Catalogue) -> tuple[Measurement, ...]:
    """The scores that a catalogue lists."""
    return tuple(Measurement(frozenset({model.sha256}), model.scores) for model in catalogue.models)


def read_evaluation(path: Path) -> tuple[Measurement, ...]:
    """The scores in what `python -m denoiser evaluate --json` wrote. Raises InputError for anything else,
    and for photographs other than those on which all models are compared."""
    try:
        document = json.loads(path.read_bytes())
        known = document["source"].get("recognised_as")
        measured = tuple(
            Measurement(
                frozenset(network["sha256"] for network in model["networks"]),
                tuple(
                    LevelScore(
                        shot=level["shot"],
                        raw_psnr_db=level["raw_psnr_db"],
                        rendered_psnr_db=level["rendered_psnr_db"],
                        dark_bias=level["dark_bias"],
                    )
                    for level in model["levels"]
                ),
            )
            for model in document["models"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        what = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {str(error).splitlines()[0]}"
        raise InputError(
            f"{path}: {what}", expected="the output of `python -m denoiser evaluate --photographs DIR --json`"
        ) from error
    if known is None:
        raise InputError(
            f"{path}: scores on photographs of the user's own",
            expected="scores on the set that every model is compared on, Kodak 13 to 24",
        )
    return measured


def _family(folder: Path, family: Family) -> tuple[Model, ...]:
    from denoiser import weights_file
    from denoiser.network import complexity

    files = _files(folder, family)
    loaded = [weights_file.load(path) for path in files]
    ranges = _chosen_ranges(family, [header.shot_range for _, header in loaded])
    models = []
    for path, (network, header), chosen_range in zip(files, loaded, ranges, strict=True):
        if header.name != path.stem:
            raise InputError(f"{path}: the weights call themselves {header.name!r}", expected=repr(path.stem))
        cost = complexity(network)
        models.append(
            Model(
                name=header.name,
                family=family,
                file=path.name,
                sha256=sha256(path),
                shot_range=header.shot_range,
                chosen_range=chosen_range,
                parameters=cost.parameters,
                mac_per_raw_pixel=cost.mac_per_raw_pixel,
                scores=(),
            )
        )
    return tuple(models)


def _files(folder: Path, family: Family) -> list[Path]:
    paths = (folder / f"{NAMES[family].format(number)}{SUFFIX}" for number in count(1))
    return list(takewhile(Path.is_file, paths if "{}" in NAMES[family] else islice(paths, 1)))


def _chosen_ranges(family: Family, trained: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float | None]]:
    """What each member is chosen for: borders lie in the middle, by ratio, of what both neighbours know."""
    from denoiser.training.noise_synthesis import SHOT_RANGE

    if not trained:
        return ()
    gapless = all(a[0] < b[0] <= a[1] < b[1] for a, b in pairwise(trained))
    if not gapless or trained[0][0] > SHOT_RANGE[0] or trained[-1][1] < SHOT_RANGE[1]:
        raise InputError(
            f"family {family}: trained for shot noise {', '.join(f'{low:g} to {high:g}' for low, high in trained)}",
            expected=f"{SHOT_RANGE[0]:g} to {SHOT_RANGE[1]:g} without a gap, from clean to noisy",
            remedy="add the weights that are missing, or keep the family elsewhere until it is whole",
        )
    # Rounded to six digits, so that a border reads as the round number it was meant to be.
    borders = [float(f"{math.sqrt(a[1] * b[0]):.6g}") for a, b in pairwise(trained)]
    return list(zip([0.0, *borders], [*borders, None], strict=True))


def _scored(models: tuple[Model, ...], measured: Sequence[Measurement]) -> tuple[Model, ...]:
    whole = frozenset(model.sha256 for model in models)
    return tuple(replace(model, scores=_scores_of(model, whole, measured)) for model in models)


def _scores_of(model: Model, family: frozenset[str], measured: Sequence[Measurement]) -> tuple[LevelScore, ...]:
    by_shot: dict[float, LevelScore] = {}
    for measurement in measured:
        if measurement.networks == {model.sha256}:
            low, high = model.shot_range
            own = [level for level in measurement.levels if low <= level.shot <= high]
        elif measurement.networks == family:
            low, end = model.chosen_range
            own = [level for level in measurement.levels if low <= level.shot < (end or math.inf)]
        else:
            continue
        by_shot.update({level.shot: level for level in own})
    return tuple(by_shot[shot] for shot in sorted(by_shot))
