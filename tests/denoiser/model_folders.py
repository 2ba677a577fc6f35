"""Folders of weights made for tests from the shipped universal network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from denoiser import manifest, weights_file
from denoiser.models import Catalogue
from denoiser.network import FeatureAlignNetwork
from denoiser.weights_file import WEIGHTS_FOLDER

UNIVERSAL = WEIGHTS_FOLDER / "universal.safetensors"
TWO = {"specialist-1": (5e-5, 1.5e-3), "specialist-2": (7e-4, 2e-2)}
"""Two specialists whose border is at about 1e-3."""

Change = Callable[[FeatureAlignNetwork], object]


def unchanged(_network: FeatureAlignNetwork) -> None:
    """The universal network as it is."""


def put(folder: Path, name: str, shot_range: tuple[float, float], change: Change = unchanged) -> Path:
    """Weights of the universal network, changed, under another name."""
    network, _ = weights_file.load(UNIVERSAL)
    change(network)
    path = folder / f"{name}.safetensors"
    weights_file.save(path, network, name, shot_range)
    return path


def folder_of(
    folder: Path, ranges: Mapping[str, tuple[float, float]], changes: Mapping[str, Change] | None = None
) -> Catalogue:
    """A folder with such models and its manifest."""
    for name, shot_range in ranges.items():
        put(folder, name, shot_range, (changes or {}).get(name, unchanged))
    manifest.write(manifest.build(folder))
    return manifest.read(folder)
