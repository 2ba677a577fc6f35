"""The network run by PyTorch, from the weights files."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from denoiser import manifest, weights_file
from denoiser.denoise import PLANE_COLOURS, NoisePerColour, Progress
from denoiser.models import Catalogue, Choice, Member
from denoiser.network import FeatureAlignNetwork, receptive_field
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from denoiser.weights_file import WeightsHeader
from isp.cfa import Cfa
from isp.tiling import Tile, tiles

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in memory. halo_px, multiple_px: what tiles must overlap by, and be a multiple of, in
    pixels of the mosaic."""

    network: FeatureAlignNetwork
    header: WeightsHeader
    halo_px: int
    multiple_px: int


class TorchBackend:
    """Denoises tile by tile; PyTorch's own threads share each tile. Weights are loaded when first needed."""

    def __init__(self, model: str, tile_px: int, catalogue: Catalogue | None) -> None:
        """catalogue: the models to choose from, None for the shipped ones.

        Raises ConfigError for a model that it doesn't hold, InputError for a file that is no weights.
        """
        self.choice: Choice = (catalogue or manifest.shipped()).resolve(model)
        self._tile_px = tile_px
        self._loaded: dict[Member, LoadedNetwork] = {}
        self._loading = Lock()

    @property
    def description(self) -> str:
        return "torch"

    def loaded(self, member: Member) -> LoadedNetwork:
        """A member's network, loaded at its first use. Raises InputError for a file that is not usable."""
        with self._loading:
            if member not in self._loaded:
                self._loaded[member] = _load(member)
            return self._loaded[member]

    def denoise_once(
        self, mosaic: np.ndarray, cfa: Cfa, member: Member, noise: NoisePerColour, progress: Progress
    ) -> np.ndarray:
        """One pass over a mosaic, as `denoiser.denoise.Backend` says."""
        loaded = self.loaded(member)
        height, width = mosaic.shape
        tile_px = -(-self._tile_px // loaded.multiple_px) * loaded.multiple_px
        shot, read = _per_plane(noise.shot), _per_plane(noise.read)
        todo = list(tiles(height, width, tile_px, loaded.halo_px, loaded.multiple_px))
        output = np.empty_like(mosaic)
        for done, tile in enumerate(todo, 1):
            at = np.s_[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
            output[at] = _tile(loaded, mosaic, cfa, tile, shot, read)
            progress(done, len(todo))
        return output


def _load(member: Member) -> LoadedNetwork:
    member.check()
    network, header = weights_file.load(member.path)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    log.debug("loaded the network %s from %s", member.name, member.path)
    return LoadedNetwork(network, header, 2 * receptive_field(header.architecture), 2 * header.architecture.stride)


def _tile(loaded: LoadedNetwork, mosaic: np.ndarray, cfa: Cfa, tile: Tile, shot: Tensor, read: Tensor) -> np.ndarray:
    planes = pack(mosaic[np.ix_(tile.rows.indices, tile.columns.indices)], cfa)
    with torch.inference_mode():
        image = network_input(planes, shot, read).contiguous(memory_format=torch.channels_last)
        clean = apply_residual(planes, loaded.network(image), shot, read)
    top, left = tile.rows.before, tile.columns.before
    return unpack(clean, cfa)[top : top + tile.height, left : left + tile.width]


def _per_plane(per_colour: tuple[float, float, float]) -> Tensor:
    """Noise of the packed planes R, Gr, Gb, B, float32 [1, 4, 1, 1]."""
    return torch.tensor([per_colour[colour] for colour in PLANE_COLOURS], dtype=torch.float32)[None, :, None, None]
