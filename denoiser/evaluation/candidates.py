"""What is evaluated: a denoiser by name, and the facts of the networks inside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from denoiser.denoise import Denoiser
from denoiser.evaluation.scores import Denoise
from denoiser.models import Member
from denoiser.network import complexity


@dataclass(frozen=True)
class NetworkFacts:
    """sha256: of the weights file. kmac_per_px: thousands of multiply-accumulates per pixel of the
    mosaic. shot_range: noise levels that it was trained for. chosen_from: the least for which it is chosen."""

    name: str
    sha256: str
    parameters: int
    kmac_per_px: float
    shot_range: tuple[float, float]
    chosen_from: float


@dataclass(frozen=True)
class Candidate:
    """label: what the user asked for, unlike every other candidate's."""

    label: str
    denoise: Denoise
    networks: tuple[NetworkFacts, ...]


def candidates(models: Sequence[str]) -> tuple[Candidate, ...]:
    """Loads models: names, or paths of weights files, each once.

    Raises ConfigError for a name that isn't known, InputError for a file that isn't weights.
    """
    wanted = list(dict.fromkeys(models))
    short = [Path(model).stem if model.endswith(".safetensors") else model for model in wanted]
    labels = [name if short.count(name) == 1 else model for name, model in zip(short, wanted, strict=True)]
    return tuple(_candidate(model, label) for model, label in zip(wanted, labels, strict=True))


def _candidate(model: str, label: str) -> Candidate:
    denoiser = Denoiser(model)
    return Candidate(label, denoiser.denoise, tuple(_facts(denoiser, member) for member in denoiser.members))


def _facts(denoiser: Denoiser, member: Member) -> NetworkFacts:
    loaded = denoiser.loaded(member)
    cost = complexity(loaded.network)
    return NetworkFacts(
        member.name,
        member.sha256,
        cost.parameters,
        cost.mac_per_raw_pixel / 1e3,
        loaded.header.shot_range,
        member.chosen_from,
    )
