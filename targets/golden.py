"""Golden tiles: inputs that exercise a network, and what the float model makes of each.

They come with a bundle (`compile.golden` makes them). A folder of golden tiles:

    index.json                  what there is: specialists in the order of their numbers, tiles, hashes
    <number>/<tile>.<part>.f32  parts `noisy`, `clean`, `reference`: rows of little-endian float32
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import InputError

FOLDER = "golden"
"""Where a bundle keeps them."""
INDEX = "index.json"
PARTS = ("noisy", "clean", "reference")
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class GoldenTile:
    """One tile of a specialist, RGGB mosaics float32 [height, width], black 0, white 1, values below 0 kept.

    shot, read: noise that the network is told of, for R, G, B, variance = shot * x + read; all are float32 values.
    noisy: the input. clean: the truth, which quality is measured against. reference: the float model's output.
    """

    name: str
    shot: Triple
    read: Triple
    noisy: np.ndarray
    clean: np.ndarray
    reference: np.ndarray

    @property
    def height(self) -> int:
        return int(self.noisy.shape[0])

    @property
    def width(self) -> int:
        return int(self.noisy.shape[1])


@dataclass(frozen=True)
class GoldenSet:
    """All tiles of one specialist."""

    specialist: str
    tiles: tuple[GoldenTile, ...]


def read(folder: Path) -> tuple[GoldenSet, ...]:
    """The golden tiles of a folder, specialists in the order of their numbers.

    Raises InputError for a folder without them, or with files that are not those that were written.
    """
    path = folder / INDEX
    try:
        index = TypeAdapter(_Index).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = (
            error.strerror if isinstance(error, OSError) else f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
        )
        raise InputError(f"{path}: {what}", expected="golden tiles as `python -m compile` writes them") from error
    return tuple(
        GoldenSet(entry.name, tuple(_read_tile(folder / str(number), tile) for tile in entry.tiles))
        for number, entry in enumerate(index.specialists)
    )


def part_path(folder: Path, tile: str, part: str) -> Path:
    """The file of one part of a tile. folder: the specialist's."""
    return folder / f"{tile}.{part}.f32"


_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_Size = Annotated[int, Field(gt=0, multiple_of=2)]
_Variance = Annotated[float, Field(ge=0)]


@checked_dataclass(frozen=True, config=_STRICT)
class _Hashes:
    noisy: str
    clean: str
    reference: str


@checked_dataclass(frozen=True, config=_STRICT)
class _TileEntry:
    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    height: _Size
    width: _Size
    shot: tuple[_Variance, _Variance, _Variance]
    read: tuple[_Variance, _Variance, _Variance]
    sha256: _Hashes


@checked_dataclass(frozen=True, config=_STRICT)
class _SpecialistEntry:
    name: str
    tiles: tuple[_TileEntry, ...]


@checked_dataclass(frozen=True, config=_STRICT)
class _Index:
    """Content of `index.json`."""

    schema: Literal[1]
    specialists: tuple[_SpecialistEntry, ...]


def _read_tile(folder: Path, entry: _TileEntry) -> GoldenTile:
    noisy, clean, wanted = (_read_part(folder, entry, part) for part in PARTS)
    return GoldenTile(entry.name, entry.shot, entry.read, noisy, clean, wanted)


def _read_part(folder: Path, entry: _TileEntry, part: str) -> np.ndarray:
    path = part_path(folder, entry.name, part)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected=f"the file that {INDEX} names") from error
    if hashlib.sha256(content).hexdigest() != getattr(entry.sha256, part):
        raise InputError(f"{path}: its content is not what {INDEX} states", remedy="compile the bundle again")
    if len(content) != 4 * entry.height * entry.width:
        raise InputError(f"{path}: {len(content)} bytes", expected=f"{entry.width} x {entry.height} float32 values")
    return np.frombuffer(content, "<f4").astype(np.float32).reshape(entry.height, entry.width)
