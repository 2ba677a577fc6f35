"""Scores of several denoisers on captures: static bursts, SIDD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from denoiser.evaluation.candidates import Candidate

if TYPE_CHECKING:
    from denoiser.evaluation.bursts import BurstScore
    from denoiser.evaluation.sidd import SiddScore

ABBREVIATIONS = {"db": "dB", "psnr": "PSNR", "ssim": "SSIM"}

CaptureScore: TypeAlias = "BurstScore | SiddScore"


@dataclass(frozen=True)
class DataSetScores:
    """rows: for each candidate, its scores."""

    kind: str
    title: str
    folder: Path
    candidates: tuple[Candidate, ...]
    rows: tuple[tuple[CaptureScore, ...], ...]


def as_values(row: CaptureScore) -> dict[str, object]:
    """A score for JSON, by the names of its fields."""
    return {field.name: _plain(getattr(row, field.name)) for field in fields(row)}


def as_cells(row: CaptureScore) -> dict[str, str]:
    """The fields of a score that fit in a table, as text."""
    return {_heading(name): _text(value) for name, value in as_values(row).items() if _fits(value)}


def _heading(name: str) -> str:
    return " ".join(ABBREVIATIONS.get(word, word) for word in name.split("_"))


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    match value:
        case Enum():
            return value.name.lower()
        case np.ndarray() | np.generic():
            return value.tolist()
        case Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _fits(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if 0.1 <= abs(value) < 1e4 else f"{value:.3g}"
    return "" if value is None else str(value)
