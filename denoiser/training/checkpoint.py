"""State of a run on disk, replaced whole, so that a kill at any moment leaves a usable file."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from isp.atomic import replacing
from isp.errors import ConfigError, InputError

FILE_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class HistoryPoint:
    """Training loss (moving average) and validation PSNR in dB per level after `step` steps."""

    step: int
    loss: float
    psnr_db: tuple[float, ...]


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run needs to go on as if it had not been stopped."""

    recipe: dict[str, object]
    step: int
    elapsed_s: float
    network: dict[str, Any]
    average: dict[str, Any]
    optimisers: tuple[dict[str, Any], ...]
    loss: float
    history: tuple[HistoryPoint, ...]


def save(folder: Path, checkpoint: Checkpoint) -> None:
    path = folder / FILE_NAME
    values = {**vars(checkpoint), "history": [vars(point) for point in checkpoint.history]}
    with replacing(path) as temporary, temporary.open("wb") as file:
        torch.save(values, file)
        file.flush()
        os.fsync(file.fileno())


def load(folder: Path, recipe: dict[str, object]) -> Checkpoint | None:
    """The run in `folder`, None where there is none; a run with another recipe is refused."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        history = tuple(HistoryPoint(p["step"], p["loss"], tuple(p["psnr_db"])) for p in values.pop("history"))
        checkpoint = Checkpoint(**values, history=history)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a checkpoint of a training run", remedy="remove it to start anew") from error
    different = [key for key in recipe if checkpoint.recipe.get(key) != recipe[key]]
    if different:
        raise ConfigError(
            f"{path} is a run with another {', '.join(different)}",
            remedy="resume with the values it was started with, or name another --run folder",
        )
    return checkpoint
