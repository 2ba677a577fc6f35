"""Making golden tiles; `targets.golden` says what they are, and reads them.

Their content is made of formulas and a simulated sensor, the same on every machine. The reference is the network in
float64 on the tile alone, with zeros beyond its border, as a bundle's `fan_run` computes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compile.golden_scenes import SCENES, Scene
from isp.atomic import replacing
from isp.cfa import Cfa
from targets.golden import INDEX, PARTS, GoldenSet, GoldenTile, Triple, part_path

if TYPE_CHECKING:
    from denoiser.network import FeatureAlignNetwork


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


def _made(network: FeatureAlignNetwork, scene: Scene, shot_range: tuple[float, float]) -> GoldenTile:
    shot, read_noise = scene.noise(shot_range)
    clean, noisy = scene.capture(shot, read_noise)
    return GoldenTile(scene.name, shot, read_noise, noisy, clean, reference(network, noisy, shot, read_noise))


def _write_tile(folder: Path, tile: GoldenTile) -> dict[str, object]:
    hashes = {}
    for part in PARTS:
        content = np.ascontiguousarray(getattr(tile, part), "<f4").tobytes()
        hashes[part] = hashlib.sha256(content).hexdigest()
        with replacing(part_path(folder, tile.name, part)) as temporary:
            temporary.write_bytes(content)
    return {
        "name": tile.name,
        "height": tile.height,
        "width": tile.width,
        "shot": tile.shot,
        "read": tile.read,
        "sha256": hashes,
    }
