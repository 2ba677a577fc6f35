"""A finished bundle's command streams, executed by the simulator on the bundle's own tiles.

This is what a board must do, too: the integers of each tile's input in, those of its output out, every bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from compile.ethos_u import simulator
from compile.ethos_u.compiled_network import CompiledNetwork, TensorBinding, read_npz
from compile.ethos_u.network_bundle import MANIFEST
from isp.errors import InputError
from isp.report.sidecar import sha256
from targets.golden import FOLDER as GOLDEN_FOLDER

_REMEDY = "compile the bundle again"


@dataclass(frozen=True)
class Replayed:
    """differing: values other than the bundle states."""

    specialist: str
    tile: str
    differing: int


def replay(folder: Path) -> Iterator[Replayed]:
    """Runs every tile of an NPU's bundle.

    Raises InputError for a folder that is none, for a file that is not the one that its manifest names, and for an
    accelerator without a simulator.
    """
    for number, specialist in enumerate(_manifest(folder).specialists):
        for file in specialist.files.values():
            _check(folder / file.path, file.sha256)
        network = read_npz(folder / specialist.files["npz"].path)
        (given,), (wanted,) = network.inputs, network.outputs
        tiles = sorted((folder / GOLDEN_FOLDER / str(number)).glob("*.input.bin"))
        if not tiles:
            raise InputError(f"{folder}: no tiles for {specialist.name}", remedy=_REMEDY)
        for path in tiles:
            name = path.name.removesuffix(".input.bin")
            expected = _integers(path.with_name(f"{name}.output.bin"), wanted)
            answer = _run(network, given.name, _integers(path, given))[wanted.name]
            yield Replayed(specialist.name, name, int(np.count_nonzero(answer != expected)))


def _run(network: CompiledNetwork, name: str, image: NDArray[np.integer]) -> dict[str, NDArray[np.integer]]:
    return simulator.run(network, {name: image})


@checked_dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class _File:
    path: Annotated[str, Field(pattern=r"^networks/[0-9]+\.[a-z]+$")]
    sha256: str


@checked_dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class _Specialist:
    name: str
    files: dict[str, _File]


@checked_dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class _Manifest:
    specialists: tuple[_Specialist, ...]
    npu: dict[str, object]


def _manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST
    try:
        return TypeAdapter(_Manifest).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the bundle of an NPU") from error
    except ValidationError as error:
        raise InputError(f"{path}: {error.errors()[0]['msg']}", expected="the bundle of an NPU") from error


def _check(path: Path, expected: str) -> None:
    try:
        found = sha256(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", remedy=_REMEDY) from error
    if found != expected:
        raise InputError(f"{path}: its content is not what the manifest states", remedy=_REMEDY)


def _integers(path: Path, binding: TensorBinding) -> NDArray[np.integer]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", remedy=_REMEDY) from error
    if len(content) != binding.size_bytes:
        raise InputError(f"{path}: {len(content)} bytes", expected=str(binding.size_bytes), remedy=_REMEDY)
    return np.frombuffer(content, np.dtype(binding.dtype).newbyteorder("<")).reshape(binding.shape)
