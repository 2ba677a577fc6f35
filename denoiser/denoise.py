"""Denoising whole mosaics with the Feature-Align Network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from denoiser import weights_file
from denoiser.network import receptive_field
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from denoiser.tiling import Tile, tiles
from isp.cfa import Cfa
from isp.errors import ConfigError

log = logging.getLogger(__name__)

PLANE_COLOURS = (0, 1, 1, 2)
"""Index into (R, G, B) of the packed planes: both greens share one noise model."""

DEFAULT_TILE_PX = 1024
MAX_STRENGTH: Final = 1.5

Noise = float | Sequence[float]
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


class Denoiser:
    """A loaded model that denoises mosaics; safe to call from several threads at once.

    model: "auto" or a shipped model's name, or the path of a weights file. backend: "torch". tile_px:
    side of the tiles, which changes memory and time but not the result.
    """

    def __init__(self, model: str = "auto", backend: str = "torch", *, tile_px: int = DEFAULT_TILE_PX) -> None:
        if backend != "torch":
            raise ConfigError(f"denoiser backend {backend!r}", expected="torch")
        self.network, self.header = weights_file.load(weights_file.find("universal" if model == "auto" else model))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        architecture = self.network.architecture
        self.multiple_px = 2 * architecture.stride
        self.halo_px = 2 * receptive_field(architecture)
        if tile_px < 1:
            raise ConfigError(f"tile size {tile_px}", expected="a positive number of pixels")
        self.tile_px = -(-tile_px // self.multiple_px) * self.multiple_px

    def denoise(
        self,
        mosaic: np.ndarray,
        cfa: str | Cfa,
        shot: Noise,
        read: Noise,
        *,
        strength: float = 1.0,
        progress: Progress | None = None,
    ) -> np.ndarray:
        """The mosaic with its noise removed, as a new array.

        mosaic: CFA mosaic float32 [H, W], black 0, white 1, before white balance, H and W even; values
        below 0 are kept. shot, read: variance of the noise = shot * x + read, one number or one per
        colour (R, G, B). strength: 0 leaves the mosaic as it is, 1 removes the noise that the model
        states, up to 1.5 treats it as stronger than stated.
        """
        mosaic, phase = _checked(mosaic, cfa)
        shot_planes, read_planes = _per_plane(shot, "shot"), _per_plane(read, "read")
        if not 0 <= strength <= MAX_STRENGTH:
            raise ConfigError(f"denoising strength {strength}", expected=f"0 to {MAX_STRENGTH}")
        if strength == 0 or not (shot_planes.any() or read_planes.any()):
            return mosaic.copy()
        # Below 1 the residual is scaled; above, the network is told of more noise than there is.
        told, blend = max(strength, 1.0) ** 2, min(strength, 1.0)
        shot_planes, read_planes = shot_planes * told, read_planes * told
        height, width = mosaic.shape
        todo = list(tiles(height, width, self.tile_px, self.halo_px, self.multiple_px))
        output = np.empty_like(mosaic)
        for done, tile in enumerate(todo, 1):
            output[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] = self._tile(
                mosaic, phase, tile, shot_planes, read_planes, blend
            )
            if progress is not None:
                progress(done, len(todo))
        return output

    def _tile(self, mosaic: np.ndarray, cfa: Cfa, tile: Tile, shot: Tensor, read: Tensor, blend: float) -> np.ndarray:
        source = mosaic[np.ix_(tile.source_rows, tile.source_columns)]
        planes = pack(source, cfa)
        with torch.inference_mode():
            image = network_input(planes, shot, read).contiguous(memory_format=torch.channels_last)
            clean = apply_residual(planes, blend * self.network(image), shot, read)
        halo = self.halo_px
        return unpack(clean, cfa)[halo : halo + tile.height, halo : halo + tile.width]


def denoise_mosaic(
    mosaic: np.ndarray, cfa: str | Cfa, shot: Noise, read: Noise, *, model: str = "auto", strength: float = 1.0
) -> np.ndarray:
    """`Denoiser.denoise` with a model that is loaded once and kept."""
    return loaded(model).denoise(mosaic, cfa, shot, read, strength=strength)


@lru_cache(maxsize=4)
def loaded(model: str, tile_px: int = DEFAULT_TILE_PX) -> Denoiser:
    """A denoiser of the process, loaded at its first use."""
    return Denoiser(model, tile_px=tile_px)


def _checked(mosaic: np.ndarray, cfa: str | Cfa) -> tuple[np.ndarray, Cfa]:
    try:
        phase = Cfa(cfa)
    except ValueError as error:
        raise ConfigError(f"colour filter array {cfa!r}", expected=", ".join(Cfa)) from error
    if mosaic.ndim != 2 or mosaic.shape[0] % 2 or mosaic.shape[1] % 2 or 0 in mosaic.shape:
        raise ConfigError(
            f"mosaic of shape {mosaic.shape}", expected="two even sizes", remedy="crop an odd row or column"
        )
    mosaic = np.ascontiguousarray(mosaic, np.float32)
    if not np.isfinite(mosaic).all():
        raise ConfigError("mosaic with values that are not finite", expected="black 0, white 1")
    return mosaic, phase


def _per_plane(noise: Noise, what: str) -> Tensor:
    values = np.atleast_1d(np.asarray(noise, np.float32))
    if values.shape not in {(1,), (3,)} or not np.isfinite(values).all() or (values < 0).any():
        raise ConfigError(f"{what} noise {noise!r}", expected="one number or three (R, G, B), none negative")
    per_colour = np.broadcast_to(values, (3,)) if values.size == 1 else values
    return torch.from_numpy(per_colour[list(PLANE_COLOURS)].copy())[None, :, None, None]
