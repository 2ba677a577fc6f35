"""Weights on disk: safetensors, with the network's shape and name in the header."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from denoiser.network import Architecture, FeatureAlignNetwork
from isp.atomic import replacing
from isp.errors import InputError

WEIGHTS_FOLDER = Path(__file__).parent / "weights"
"""The weights that come with the program."""
LARGE_PARAMETERS = 1_000_000
"""More than this are kept in float16, whose rounding such networks don't show, at half the size."""
FORMAT_VERSION = "1"


@dataclass(frozen=True)
class WeightsHeader:
    """What a weights file says of itself. shot_range: noise levels that it was trained for."""

    name: str
    architecture: Architecture
    shot_range: tuple[float, float]


def save(path: Path, network: FeatureAlignNetwork, name: str, shot_range: tuple[float, float]) -> None:
    """Writes the weights, those of large networks in float16; the file appears whole or not at all."""
    metadata = {
        "format_version": FORMAT_VERSION,
        "name": name,
        "architecture": json.dumps(network.architecture.as_dict()),
        "shot_range": json.dumps(list(shot_range)),
    }
    large = sum(p.numel() for p in network.parameters()) > LARGE_PARAMETERS
    precision = torch.float16 if large else torch.float32
    tensors = {k: v.detach().to("cpu", precision, copy=True).contiguous() for k, v in network.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def read_header(path: Path) -> WeightsHeader:
    """What a weights file says of itself. Raises InputError for a file that is not usable as weights."""
    with _readable(path) as file:
        return _header(path, file.metadata() or {})


def load(path: Path) -> tuple[FeatureAlignNetwork, WeightsHeader]:
    """The network, in evaluation mode on the CPU, and its header. Raises InputError as `read_header`."""
    with _readable(path) as file:
        header = _header(path, file.metadata() or {})
        network = FeatureAlignNetwork(header.architecture)
        network.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (not a mapping)
    return network.eval().requires_grad_(False), header


@contextmanager
def _readable(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError, OSError) as error:
        raise InputError(
            f"{path}: not usable as weights ({str(error).splitlines()[0]})",
            expected="a safetensors file written by `python -m denoiser train`",
        ) from error


def _header(path: Path, metadata: Mapping[str, str]) -> WeightsHeader:
    if metadata["format_version"] != FORMAT_VERSION:
        raise InputError(
            f"{path}: weights of format {metadata['format_version']}",
            expected=f"format {FORMAT_VERSION}",
            remedy="use the release of this program that wrote them",
        )
    low, high = json.loads(metadata["shot_range"])
    return WeightsHeader(metadata["name"], Architecture.from_dict(json.loads(metadata["architecture"])), (low, high))
