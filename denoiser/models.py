"""The models there are, and which network of a family serves a noise level.

A network that knows one part of the noise range removes more noise per multiply-accumulate than one
that knows all of it. A family is a set of networks that share the range between them, from clean to
noisy, each trained a little beyond the borders between which it is chosen:

    universal     one network for all noise
    specialists   `specialist-1` to `specialist-N`, each at the full budget
    small         `small-1` to `small-N`, each at about half of it
    teacher       one large network that the others learn from: the best picture, for those who can wait

`denoiser.manifest` reads and writes the list of them.

References
----------
"Feature-Align Network with Knowledge Distillation for Efficient Denoising", arXiv 2103.01524: models
specialised on noise subranges trade memory for compute.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError, InputError
from isp.registry import nearest
from isp.report.sidecar import sha256

AUTO = "auto"
SUFFIX = ".safetensors"
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Positive = Annotated[float, Field(gt=0)]


class Family(StrEnum):
    """Networks that share the noise range between them."""

    UNIVERSAL = "universal"
    SPECIALISTS = "specialists"
    SMALL = "small"
    TEACHER = "teacher"


@checked_dataclass(frozen=True, config=STRICT)
class LevelScore:
    """Scores at one level of shot noise, by the protocol of `denoiser.evaluation.scenes`.

    dark_bias: mean error where the truth is below 0.02, in units of 1e-4 of full scale.
    """

    shot: Positive
    raw_psnr_db: float
    rendered_psnr_db: float
    dark_bias: float


@checked_dataclass(frozen=True, config=STRICT)
class Model:
    """One network as the manifest lists it.

    shot_range: shot noise (S of the DNG NoiseProfile) that it was trained for. chosen_range: shot noise
    for which its family chooses it, from the first value on and below the second; a family's first
    member begins at 0 and its last one has no end, None. scores: at the levels within `shot_range` at
    which these weights were measured.
    """

    name: str
    family: Family
    file: Annotated[str, Field(pattern=r"^[^/\\]+\.safetensors$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    shot_range: tuple[Positive, Positive]
    chosen_range: tuple[Annotated[float, Field(ge=0)], Positive | None]
    parameters: Annotated[int, Field(gt=0)]
    mac_per_raw_pixel: Positive
    scores: tuple[LevelScore, ...]


@dataclass(frozen=True)
class Member:
    """A network that can be chosen: its file, that file's hash, and the least shot noise it is chosen for."""

    name: str
    path: Path
    sha256: str
    chosen_from: float

    def check(self) -> None:
        """Raises InputError if the file is not the one whose hash is known."""
        try:
            found = sha256(self.path)
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}", expected=f"the weights of {self.name}") from error
        if found != self.sha256:
            raise InputError(
                f"{self.path}: these weights (SHA-256 {found[:12]}) are not those listed for {self.name}",
                expected=f"SHA-256 {self.sha256[:12]}",
                remedy="restore the file, or run `python -m denoiser models --rebuild` if it was meant to change",
            )


@dataclass(frozen=True)
class Choice:
    """What a model's name stands for: one network, or a family's, from clean to noisy."""

    name: str
    members: tuple[Member, ...]

    def member_for(self, shot: float) -> Member:
        """The network for a level of shot noise; beyond the family's range, that of the nearer end."""
        return self.members[bisect_right(self.members, max(shot, 0.0), key=lambda member: member.chosen_from) - 1]


@dataclass(frozen=True)
class Catalogue:
    """The models of one folder of weights, each family's from clean to noisy."""

    folder: Path
    models: tuple[Model, ...]

    def family(self, family: str) -> tuple[Model, ...]:
        """A family's members from clean to noisy; none if the folder has no such family."""
        return tuple(model for model in self.models if model.family == family)

    def resolve(self, model: str) -> Choice:
        """What `model` names: "auto" (the specialists if there are any, else the universal network), a
        family, one model for any noise, or the path of a weights file, likewise.

        Raises ConfigError if there is no such thing, InputError for a file that is no weights.
        """
        if model == AUTO:
            model = Family.SPECIALISTS if self.family(Family.SPECIALISTS) else Family.UNIVERSAL
        if members := self.family(model):
            return Choice(str(model), tuple(self._member(one, one.chosen_range[0]) for one in members))
        if named := [one for one in self.models if one.name == model]:
            return Choice(model, (self._member(named[0], 0.0),))
        path = Path(model)
        if path.suffix == SUFFIX and path.is_file():
            from denoiser import weights_file

            name = weights_file.read_header(path).name
            return Choice(name, (Member(name, path, sha256(path), 0.0),))
        raise ConfigError(
            f"family {model!r} has no models" if model in list(Family) else f"no model is named {model!r}",
            expected=f"{AUTO}, a family, a model, or the path of a {SUFFIX} file",
            remedy=nearest(model, {AUTO, *(name for one in self.models for name in (one.family.value, one.name))}),
        )

    def check_files(self) -> None:
        """Raises InputError unless the folder holds exactly the weights that are listed."""
        files = {path.name for path in self.folder.glob(f"*{SUFFIX}")}
        if unlisted := files - {model.file for model in self.models}:
            raise InputError(
                f"{self.folder}: {', '.join(sorted(unlisted))} not listed in its manifest",
                expected="every weights file listed",
                remedy="run `python -m denoiser models --rebuild`",
            )
        for model in self.models:
            self._member(model, 0.0).check()

    def _member(self, model: Model, chosen_from: float) -> Member:
        return Member(model.name, self.folder / model.file, model.sha256, chosen_from)
