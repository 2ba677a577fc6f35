"""The bundle of an NPU, as far as boards need to know it: its networks, the driver's payloads, golden integers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError, InputError
from isp.registry import nearest
from targets import bundle
from targets.bundle import BUNDLE_ID_BYTES, MANIFEST, REMEDY, Bundle, Specialist
from targets.descriptions import Npu

ALIGNMENT: Final = 64
"""Of the agent's input, output and arena."""

_CHECKED = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Positive = Annotated[int, Field(gt=0)]
_Natural = Annotated[int, Field(ge=0)]


@checked_dataclass(frozen=True, config=_CHECKED)
class File:
    """A file of the bundle and what must be in it."""

    path: Annotated[str, Field(pattern=r"^(include|src|networks|golden/[0-9]+)/[a-z0-9_.-]+$")]
    sha256: _Sha256


@checked_dataclass(frozen=True, config=_CHECKED)
class Tensor:
    """What the network takes or gives: integers, one of which stands for `step`."""

    shape: tuple[Literal[1], _Positive, _Positive, _Positive]
    type: Literal["int8", "int16"]
    step: Annotated[float, Field(gt=0)]


@checked_dataclass(frozen=True, config=_CHECKED)
class GoldenFiles:
    """The integers of one tile. input: what the NPU is given. output: what it must answer, every bit."""

    input: File
    output: File


@checked_dataclass(frozen=True, config=_CHECKED)
class Memory:
    """Bytes beside the weights that a run takes: of tensors, and of memory beside the NPU."""

    scratch_bytes: _Positive
    fast_bytes: _Natural


@checked_dataclass(frozen=True, config=_CHECKED)
class NpuSpecialist:
    """A network of the bundle; see `targets.bundle.Specialist`. tile_px: side of the only tile that it computes."""

    name: Annotated[str, Field(min_length=1)]
    sha256: _Sha256
    chosen_from: Annotated[float, Field(ge=0)]
    tile_px: _Positive
    halo_px: _Natural
    layout: Literal["nhwc", "nchw"]
    input: Tensor
    output: Tensor
    memory: Memory
    files: dict[str, File]
    golden: dict[str, GoldenFiles]

    def __post_init__(self) -> None:
        if not {"payload", "weights"} <= self.files.keys():
            raise ValueError("files: expected payload and weights among them")

    def arena_bytes(self, _width_px: int) -> int:
        """Memory of a run, whose tile has but one width."""
        return sum(-(-size // ALIGNMENT) * ALIGNMENT for size in (self.memory.scratch_bytes, self.memory.fast_bytes))

    def memory_bytes(self, width_px: int, height_px: int) -> int:
        """What a board needs for a tile: its input, its output and the arena."""
        return 2 * 4 * width_px * height_px + self.arena_bytes(width_px)


@checked_dataclass(frozen=True, config=_CHECKED)
class NpuManifest:
    """What `manifest.json` says of the bundle.

    abi: version of the interface in fan_npu.h. sources: what is compiled with the firmware, the networks' tables too.
    """

    schema: Literal[1]
    target: str
    precision: Literal["a16w8", "a8w8"]
    abi: _Positive
    family: str
    npu: Npu
    sources: Annotated[tuple[File, ...], Field(min_length=1)]
    specialists: Annotated[tuple[NpuSpecialist, ...], Field(min_length=1)]

    def __post_init__(self) -> None:
        begins = [one.chosen_from for one in self.specialists]
        if begins[0] != 0 or not all(a < b for a, b in pairwise(begins)):
            raise ValueError(f"specialists chosen from {begins}: expected 0 first, then ascending")


@dataclass(frozen=True)
class NpuBundle:
    """A bundle whose networks are those that its manifest lists."""

    folder: Path
    manifest: NpuManifest

    @property
    def bundle_id(self) -> bytes:
        """What tells bundles apart on the link: 16 bytes that change whenever payload or weights do."""
        listed = "".join(one.files[part].sha256 for one in self.manifest.specialists for part in ("payload", "weights"))
        return hashlib.sha256(listed.encode("ascii")).digest()[:BUNDLE_ID_BYTES]

    def number(self, name: str) -> int:
        """The number of a specialist. Raises ConfigError if there is none of that name."""
        names = [one.name for one in self.manifest.specialists]
        if name not in names:
            raise ConfigError(f"{self.folder}: no specialist {name!r}", remedy=nearest(name, names))
        return names.index(name)

    def integers(self, number: int, tile: str, part: Literal["input", "output"]) -> np.ndarray:
        """What the NPU is given for a golden tile, or must answer, in the shape of its tensor.

        Raises InputError for a tile without them, and for a file that is not the one that the manifest lists.
        """
        specialist = self.manifest.specialists[number]
        if tile not in specialist.golden:
            raise InputError(f"{self.folder / MANIFEST}: no integers of the tile {tile}", remedy=REMEDY)
        tensor, file = getattr(specialist, part), getattr(specialist.golden[tile], part)
        content = _read(self.folder, file)
        dtype = np.dtype(tensor.type).newbyteorder("<")
        if len(content) != dtype.itemsize * np.prod(tensor.shape):
            raise InputError(f"{self.folder / file.path}: {len(content)} bytes", remedy=REMEDY)
        return np.frombuffer(content, dtype).reshape(tensor.shape)


AnyBundle = Bundle | NpuBundle
AnySpecialist = Specialist | NpuSpecialist


def read_any(folder: Path) -> AnyBundle:
    """The bundle in a folder, of a core or of an NPU. Raises what `targets.bundle.read` and `read` raise."""
    return read(folder) if _is_npu_bundle(folder) else bundle.read(folder)


def _is_npu_bundle(folder: Path) -> bool:
    """Whether a folder's manifest is that of an NPU's bundle; what else may be wrong with it is not looked at."""
    try:
        content = TypeAdapter(dict[str, object]).validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return False
    return "npu" in content


def read(folder: Path) -> NpuBundle:
    """The bundle in a folder.

    Raises InputError for a manifest that is not usable and for files that are missing or not those listed.
    """
    path = folder / MANIFEST
    try:
        manifest = TypeAdapter(NpuManifest).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the manifest of a bundle", remedy=REMEDY) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {fault['msg']}", expected="the manifest of an NPU's bundle, schema 1", remedy=REMEDY
        ) from error
    payloads = [one.files[part] for one in manifest.specialists for part in ("payload", "weights")]
    for file in (*manifest.sources, *payloads):
        _read(folder, file)
    return NpuBundle(folder, manifest)


def _read(folder: Path, file: File) -> bytes:
    path = folder / file.path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="a file of the bundle", remedy=REMEDY) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise InputError(f"{path}: its content is not what the manifest lists", remedy=REMEDY)
    return content
