"""What Vela makes of one network: command stream, constants, and where its tensors lie.

Read from Vela's raw output (`--output-format raw`, a .npz). The command stream there is wrapped in the driver's
payload: the letters COP1, then actions of whole 32-bit words, of which one tells the accelerator and one carries
the commands.

References
----------
Arm Ethos-U core driver, `ethosu_driver.c` (driver actions); Vela, "External API" and `driver_actions.py`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from isp.errors import InputError

PAYLOAD_LETTERS = b"COP1"
ACTION_CONFIGURATION, ACTION_COMMANDS, ACTION_NOTHING = 0x01, 0x02, 0x05
COMMAND_STREAM_VERSION = 0
PRODUCTS = {0: "ethos-u55", 1: "ethos-u65"}
"""Products of the configuration word whose command streams are of this kind; Ethos-U85 has another."""
DTYPES = {1: "int8", 2: "int16", 4: "int32"}
REMEDY = "compile the network again"
UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and zipfile raise at files that are missing, damaged or something else."""


@dataclass(frozen=True)
class TensorBinding:
    """Where an input or output lies: `offset` bytes into `region`, NHWC without gaps."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    """int8, int16 or int32. Vela's output does not tell signed from unsigned."""
    region: int
    offset: int

    @property
    def size_bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class CompiledNetwork:
    """One network for one accelerator, as the driver is given it."""

    accelerator: str
    """Product and multiply-accumulates per cycle: ethos-u55-256, ethos-u65-512."""
    command_stream: bytes
    """Little-endian 32-bit words, without the driver's payload around them."""
    weights: bytes
    """The constants: compressed weights, and biases with their scales."""
    weights_region: int
    scratch_bytes: int
    scratch_region: int
    fast_scratch_bytes: int
    """0 where the accelerator has no memory of its own."""
    fast_scratch_region: int
    inputs: tuple[TensorBinding, ...]
    outputs: tuple[TensorBinding, ...]


def read_npz(path: Path) -> CompiledNetwork:
    """Vela's raw output. Inputs and outputs, which have no names there, become input-0, …, output-0, ….

    Raises InputError for a file that is missing, damaged, or for an accelerator other than Ethos-U55 and U65.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return _network(path, archive)
    except UNREADABLE as error:
        raise InputError(f"{path}: {error}", expected="the .npz that vela writes", remedy=REMEDY) from error


def _network(path: Path, archive: Mapping[str, NDArray[np.generic]]) -> CompiledNetwork:
    accelerator, command_stream = unwrapped(path, archive["cmd_data"].tobytes())
    return CompiledNetwork(
        accelerator=accelerator,
        command_stream=command_stream,
        weights=archive["weight_data"].tobytes(),
        weights_region=_number(archive["weight_region"]),
        scratch_bytes=_number(archive["scratch_size"]),
        scratch_region=_number(archive["scratch_region"]),
        fast_scratch_bytes=_number(archive["scratch_fast_size"]),
        fast_scratch_region=_number(archive["scratch_fast_region"]),
        inputs=_bindings(archive, "input"),
        outputs=_bindings(archive, "output"),
    )


def _number(value: NDArray[np.generic]) -> int:
    return int(value.astype(np.int64))


def _bindings(archive: Mapping[str, NDArray[np.generic]], kind: str) -> tuple[TensorBinding, ...]:
    columns = [archive[f"{kind}_{column}"].astype(np.int64) for column in ("shape", "elem_size", "region", "offset")]
    return tuple(
        TensorBinding(f"{kind}-{number}", _trimmed(shape), DTYPES[int(element)], int(region), int(offset))
        for number, (shape, element, region, offset) in enumerate(zip(*columns, strict=True))
    )


def _trimmed(shape: NDArray[np.int64]) -> tuple[int, ...]:
    """Without the ones that Vela puts before shapes of fewer than six axes, down to NHWC."""
    axes = [int(length) for length in shape]
    while len(axes) > 4 and axes[0] == 1:
        axes.pop(0)
    return tuple(axes)


def unwrapped(path: Path, payload: bytes) -> tuple[str, bytes]:
    """(accelerator, command stream) out of the driver's payload.

    path: where it is from, for messages. Raises InputError for what is none, or for another accelerator's.
    """
    if payload[:4] != PAYLOAD_LETTERS or len(payload) % 4:
        raise InputError(f"{path}: no driver payload", expected="COP1 and whole words", remedy=REMEDY)
    words = [int(word) for word in np.frombuffer(payload, "<u4")]
    accelerator = ""
    at = 1
    while at < len(words):
        action, length = words[at] & 0xFF, (words[at] >> 8 & 0xFF) << 16 | words[at] >> 16
        at += 1
        if action == ACTION_CONFIGURATION:
            if at == len(words):
                break
            accelerator = _accelerator(path, words[at])
            at += 2  # the other word is the version of the architecture
        elif action == ACTION_COMMANDS:
            if at + length != len(words) or not accelerator:
                raise InputError(
                    f"{path}: {length} words of commands announced, {len(words) - at} found", remedy=REMEDY
                )
            return accelerator, payload[4 * at :]
        elif action != ACTION_NOTHING:
            raise InputError(f"{path}: driver action {action:#x}", expected="configuration, commands", remedy=REMEDY)
    raise InputError(f"{path}: no commands in the driver payload", remedy=REMEDY)


def _accelerator(path: Path, configuration: int) -> str:
    product, version = configuration >> 28, configuration >> 4 & 0xF
    if product not in PRODUCTS or version != COMMAND_STREAM_VERSION:
        raise InputError(f"{path}: compiled for Ethos-U product {product}", expected="Ethos-U55 or Ethos-U65")
    return f"{PRODUCTS[product]}-{1 << (configuration & 0xF)}"
