"""Golden tiles: inputs that exercise a network, and what the float model makes of each.

Their content is made of formulas and a simulated sensor, the same on every machine. The reference is the network in
float64 on the tile alone, with zeros beyond its border, as a bundle's `fan_run` computes it. A folder of golden tiles:

    index.json                  what there is: specialists in the order of their numbers, tiles, hashes
    <number>/<tile>.<part>.f32  parts `noisy`, `clean`, `reference`: rows of little-endian float32
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from compile.golden_scenes import SCENES, Scene
from isp.atomic import replacing
from isp.cfa import Cfa
from isp.errors import InputError

if TYPE_CHECKING:
    from denoiser.network import FeatureAlignNetwork

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


def make(network: FeatureAlignNetwork, shot_range: tuple[float, float]) -> tuple[GoldenTile, ...]:
    """The golden tiles of a network that serves the levels `shot_range` of shot noise; it is left as it is."""
    return tuple(_made(network, scene, shot_range) for scene in SCENES)


def reference(network: FeatureAlignNetwork, noisy: np.ndarray, shot: Triple, read_noise: Triple) -> np.ndarray:
    """What the network makes of one tile, computed in float64, zeros beyond its border: float32 [H, W].

    noisy: RGGB mosaic float32 [H, W]. shot, read_noise: as `GoldenTile.shot` and `GoldenTile.read`.
    """
    from copy import deepcopy

    import torch

    from denoiser.denoise import PLANE_COLOURS
    from denoiser.normalisation import apply_residual, network_input
    from denoiser.packing import pack, unpack

    shots, reads = (
        torch.tensor([values[colour] for colour in PLANE_COLOURS], dtype=torch.float64)[None, :, None, None]
        for values in (shot, read_noise)
    )
    exact = deepcopy(network).to("cpu", torch.float64).eval()
    planes = pack(noisy, Cfa.RGGB).to(torch.float64)
    with torch.inference_mode():
        clean = apply_residual(planes, exact(network_input(planes, shots, reads)), shots, reads)
    return unpack(clean, Cfa.RGGB).astype(np.float32)


def write(folder: Path, sets: Sequence[GoldenSet]) -> None:
    """Writes golden tiles into a folder, which is made if there is none. The index comes last: where it is, all is.

    sets: the specialists in the order of their numbers in the bundle.
    """
    index = folder / INDEX
    index.unlink(missing_ok=True)
    specialists = []
    for number, golden in enumerate(sets):
        (folder / str(number)).mkdir(parents=True, exist_ok=True)
        tiles = [_write_tile(folder / str(number), tile) for tile in golden.tiles]
        specialists.append({"name": golden.specialist, "tiles": tiles})
    with replacing(index) as temporary:
        temporary.write_text(json.dumps({"schema": 1, "specialists": specialists}, indent=2) + "\n", encoding="utf-8")


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


def _made(network: FeatureAlignNetwork, scene: Scene, shot_range: tuple[float, float]) -> GoldenTile:
    shot, read_noise = scene.noise(shot_range)
    clean, noisy = scene.capture(shot, read_noise)
    return GoldenTile(scene.name, shot, read_noise, noisy, clean, reference(network, noisy, shot, read_noise))


def _write_tile(folder: Path, tile: GoldenTile) -> dict[str, object]:
    hashes = {}
    for part in PARTS:
        content = np.ascontiguousarray(getattr(tile, part), "<f4").tobytes()
        hashes[part] = hashlib.sha256(content).hexdigest()
        with replacing(_path(folder, tile.name, part)) as temporary:
            temporary.write_bytes(content)
    return {
        "name": tile.name,
        "height": tile.height,
        "width": tile.width,
        "shot": tile.shot,
        "read": tile.read,
        "sha256": hashes,
    }


def _read_tile(folder: Path, entry: _TileEntry) -> GoldenTile:
    noisy, clean, wanted = (_read_part(folder, entry, part) for part in PARTS)
    return GoldenTile(entry.name, entry.shot, entry.read, noisy, clean, wanted)


def _read_part(folder: Path, entry: _TileEntry, part: str) -> np.ndarray:
    path = _path(folder, entry.name, part)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected=f"the file that {INDEX} names") from error
    if hashlib.sha256(content).hexdigest() != getattr(entry.sha256, part):
        raise InputError(f"{path}: its content is not what {INDEX} states", remedy="compile the bundle again")
    if len(content) != 4 * entry.height * entry.width:
        raise InputError(f"{path}: {len(content)} bytes", expected=f"{entry.width} x {entry.height} float32 values")
    return np.frombuffer(content, "<f4").astype(np.float32).reshape(entry.height, entry.width)


def _path(folder: Path, tile: str, part: str) -> Path:
    return folder / f"{tile}.{part}.f32"
