"""Denoising whole mosaics with the Feature-Align Network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from threading import Lock
from typing import Final

import numpy as np
import torch
from torch import Tensor

from denoiser import manifest, weights_file
from denoiser.models import Catalogue, Member
from denoiser.network import FeatureAlignNetwork, receptive_field
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from denoiser.tiling import Tile, tiles
from denoiser.weights_file import WeightsHeader
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


@dataclass(frozen=True)
class LoadedNetwork:
    """A network in memory. halo_px, multiple_px: what tiles must overlap by, and be a multiple of, in
    pixels of the mosaic."""

    network: FeatureAlignNetwork
    header: WeightsHeader
    halo_px: int
    multiple_px: int


class Denoiser:
    """A model that denoises mosaics; safe to call from several threads at once.

    model: "auto" (the specialists if they are shipped, else the universal network), a family
    ("universal", "specialists", "small"), one model's name, or the path of a weights file. Of a family,
    the member for the noise at hand is taken, and loaded when it is first needed; a single model serves
    any noise. backend: "torch". tile_px: side of the tiles, which changes memory and time but not the
    result. catalogue: the models to choose from, those that are shipped by default.

    name: the family, or the model as its weights call it. members: the networks to choose from.
    """

    def __init__(
        self,
        model: str = "auto",
        backend: str = "torch",
        *,
        tile_px: int = DEFAULT_TILE_PX,
        catalogue: Catalogue | None = None,
    ) -> None:
        if backend != "torch":
            raise ConfigError(f"denoiser backend {backend!r}", expected="torch")
        if tile_px < 1:
            raise ConfigError(f"tile size {tile_px}", expected="a positive number of pixels")
        self._choice = (catalogue or manifest.shipped()).resolve(model)
        self._tile_px = tile_px
        self._loaded: dict[Member, LoadedNetwork] = {}
        self._loading = Lock()

    @property
    def name(self) -> str:
        return self._choice.name

    @property
    def members(self) -> tuple[Member, ...]:
        return self._choice.members

    def member_for(self, shot: Noise) -> Member:
        """The network that serves a level of shot noise, one number or one per colour (R, G, B).

        As in the network's noise-level plane, it is the mean over the Bayer pattern, green twice.
        """
        return self._choice.member_for(float(_per_plane(shot, "shot").mean()))

    def loaded(self, member: Member) -> LoadedNetwork:
        """A member's network, loaded at its first use. Raises InputError for a file that is not usable."""
        with self._loading:
            if member not in self._loaded:
                self._loaded[member] = _load(member)
            return self._loaded[member]

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
        states; above, the result is denoised again, which costs as much once more, and up to half of what
        that changes is taken over.
        """
        mosaic, phase = _checked(mosaic, cfa)
        shots, reads = _per_plane(shot, "shot"), _per_plane(read, "read")
        if not 0 <= strength <= MAX_STRENGTH:
            raise ConfigError(f"denoising strength {strength}", expected=f"0 to {MAX_STRENGTH}")
        if strength == 0 or not (shots.any() or reads.any()):
            return mosaic.copy()
        passes = 2 if strength > 1 else 1
        network = self.loaded(self.member_for(shot))

        def report(done: int, tile_count: int, finished_passes: int) -> None:
            if progress is not None:
                progress(finished_passes * tile_count + done, passes * tile_count)

        once = _whole(network, mosaic, phase, shots, reads, self._tile_px, partial(report, finished_passes=0))
        if strength <= 1:
            return once if strength == 1 else mosaic + np.float32(strength) * (once - mosaic)
        # Telling the network of more noise would not do: it sees for itself how much there is.
        twice = _whole(network, once, phase, shots, reads, self._tile_px, partial(report, finished_passes=1))
        return once + np.float32(strength - 1) * (twice - once)


def denoise_mosaic(
    mosaic: np.ndarray, cfa: str | Cfa, shot: Noise, read: Noise, *, model: str = "auto", strength: float = 1.0
) -> np.ndarray:
    """`Denoiser.denoise` with a model that is loaded once and kept."""
    return loaded(model).denoise(mosaic, cfa, shot, read, strength=strength)


@lru_cache(maxsize=4)
def loaded(model: str, tile_px: int = DEFAULT_TILE_PX) -> Denoiser:
    """A denoiser of the process, loaded at its first use."""
    return Denoiser(model, tile_px=tile_px)


def _load(member: Member) -> LoadedNetwork:
    member.check()
    network, header = weights_file.load(member.path)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    log.debug("loaded the network %s from %s", member.name, member.path)
    return LoadedNetwork(network, header, 2 * receptive_field(header.architecture), 2 * header.architecture.stride)


def _whole(
    loaded_network: LoadedNetwork,
    mosaic: np.ndarray,
    cfa: Cfa,
    shots: np.ndarray,
    reads: np.ndarray,
    tile_px: int,
    progress: Progress,
) -> np.ndarray:
    """One pass over a mosaic, tile by tile."""
    height, width = mosaic.shape
    multiple_px = loaded_network.multiple_px
    tile_px = -(-tile_px // multiple_px) * multiple_px
    shot, read = _broadcastable(shots), _broadcastable(reads)
    todo = list(tiles(height, width, tile_px, loaded_network.halo_px, multiple_px))
    output = np.empty_like(mosaic)
    for done, tile in enumerate(todo, 1):
        at = np.s_[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
        output[at] = _tile(loaded_network, mosaic, cfa, tile, shot, read)
        progress(done, len(todo))
    return output


def _tile(
    loaded_network: LoadedNetwork, mosaic: np.ndarray, cfa: Cfa, tile: Tile, shot: Tensor, read: Tensor
) -> np.ndarray:
    source = mosaic[np.ix_(tile.source_rows, tile.source_columns)]
    planes = pack(source, cfa)
    with torch.inference_mode():
        image = network_input(planes, shot, read).contiguous(memory_format=torch.channels_last)
        clean = apply_residual(planes, loaded_network.network(image), shot, read)
    halo = loaded_network.halo_px
    return unpack(clean, cfa)[halo : halo + tile.height, halo : halo + tile.width]


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


def _per_plane(noise: Noise, what: str) -> np.ndarray:
    """Noise of the packed planes R, Gr, Gb, B, float64 [4]."""
    values = np.atleast_1d(np.asarray(noise, np.float64))
    if values.shape not in {(1,), (3,)} or not ((values >= 0) & (values <= np.finfo(np.float32).max)).all():
        raise ConfigError(f"{what} noise {noise!r}", expected="one number or three (R, G, B), none negative")
    return np.broadcast_to(values, (3,))[list(PLANE_COLOURS)]


def _broadcastable(per_plane: np.ndarray) -> Tensor:
    return torch.from_numpy(per_plane.astype(np.float32))[None, :, None, None]
