"""Denoising whole mosaics with the Feature-Align Network, whatever computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from denoiser.models import AUTO, Catalogue, Choice, Member
from isp.cfa import Cfa
from isp.errors import ConfigError

if TYPE_CHECKING:
    from denoiser.torch_backend import LoadedNetwork

TORCH: Final = "torch"
BACKENDS: Final = "denoiser.backends"
"""Group of entry points for backends of other packages. NAME:ADDRESS asks for the one named NAME, which is called
with the model's name and ADDRESS, and gives a `Backend`."""
DEFAULT_TILE_PX = 1024
MAX_STRENGTH: Final = 1.5

PLANE_COLOURS = (0, 1, 1, 2)
"""Index into (R, G, B) of the packed planes R, Gr, Gb, B: both greens share one noise model."""

Noise = float | Sequence[float]
Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


@dataclass(frozen=True)
class NoisePerColour:
    """Variance of the noise = shot * x + read, each for R, G, B; black 0, white 1."""

    shot: tuple[float, float, float]
    read: tuple[float, float, float]

    @property
    def is_none(self) -> bool:
        return not any((*self.shot, *self.read))


class Backend(Protocol):
    """What computes the network; safe to call from several threads at once.

    choice: the networks that it has been asked for. description: what it is, for the record.
    """

    choice: Choice

    @property
    def description(self) -> str: ...

    def denoise_once(
        self, mosaic: np.ndarray, cfa: Cfa, member: Member, noise: NoisePerColour, progress: Progress
    ) -> np.ndarray:
        """One pass over a mosaic, as a new array.

        mosaic: CFA mosaic float32 [H, W], contiguous, black 0, white 1, H and W even, every value finite.
        member: one of `choice`. progress: called in the caller's thread after each tile.
        """

    def loaded(self, member: Member) -> LoadedNetwork:
        """A member's network in PyTorch. Raises ConfigError where there is none."""


class Denoiser:
    """A model that denoises mosaics; safe to call from several threads at once.

    model: "auto" (the specialists if they are shipped, else the universal network), a family
    ("universal", "specialists", "small"), one model's name, or the path of a weights file. Of a family,
    the member for the noise at hand is taken, and loaded when it is first needed; a single model serves
    any noise. backend: "torch"; the folder of a bundle made by `python -m compile --target host`, which
    holds what it was compiled from: "auto" is then all of it, and models are named, not paths; or
    "board:BUNDLE@URL", a bundle on a board (see `BACKENDS` for more of the kind).
    tile_px: side of PyTorch's tiles, which changes memory and time but not the result; a bundle is run in
    strips of its own. catalogue: the models that PyTorch chooses from, those that are shipped by default.

    name: the family, or the model as its weights call it. members: the networks to choose from.
    backend: what computes them, for the record.
    """

    def __init__(
        self,
        model: str = AUTO,
        backend: str = TORCH,
        *,
        tile_px: int = DEFAULT_TILE_PX,
        catalogue: Catalogue | None = None,
    ) -> None:
        if tile_px < 1:
            raise ConfigError(f"tile size {tile_px}", expected="a positive number of pixels")
        self._backend = _opened(model, backend, tile_px, catalogue)

    @property
    def name(self) -> str:
        return self._backend.choice.name

    @property
    def members(self) -> tuple[Member, ...]:
        return self._backend.choice.members

    @property
    def backend(self) -> str:
        return self._backend.description

    def member_for(self, shot: Noise) -> Member:
        """The network that serves a level of shot noise, one number or one per colour (R, G, B).

        As in the network's noise-level plane, it is the mean over the Bayer pattern, green twice.
        """
        red, green, blue = _per_colour(shot, "shot")
        return self._backend.choice.member_for((red + 2 * green + blue) / 4)

    def loaded(self, member: Member) -> LoadedNetwork:
        """A member's network in PyTorch, loaded at its first use.

        Raises InputError for a file that is not usable, ConfigError for the networks of a bundle.
        """
        return self._backend.loaded(member)

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
        noise = NoisePerColour(_per_colour(shot, "shot"), _per_colour(read, "read"))
        if not 0 <= strength <= MAX_STRENGTH:
            raise ConfigError(f"denoising strength {strength}", expected=f"0 to {MAX_STRENGTH}")
        if strength == 0 or noise.is_none:
            return mosaic.copy()
        passes = 2 if strength > 1 else 1
        member = self.member_for(shot)

        def report(done: int, tile_count: int, finished_passes: int) -> None:
            if progress is not None:
                progress(finished_passes * tile_count + done, passes * tile_count)

        once = self._backend.denoise_once(mosaic, phase, member, noise, partial(report, finished_passes=0))
        if strength <= 1:
            return once if strength == 1 else _part_of_the_way(mosaic, once, strength)
        # Telling the network of more noise would not do: it sees for itself how much there is.
        twice = self._backend.denoise_once(once, phase, member, noise, partial(report, finished_passes=1))
        return _part_of_the_way(once, twice, strength - 1)


def denoise_mosaic(
    mosaic: np.ndarray, cfa: str | Cfa, shot: Noise, read: Noise, *, model: str = AUTO, strength: float = 1.0
) -> np.ndarray:
    """`Denoiser.denoise` with a model that is loaded once and kept."""
    return loaded(model).denoise(mosaic, cfa, shot, read, strength=strength)


@lru_cache(maxsize=4)
def loaded(model: str, backend: str = TORCH, tile_px: int = DEFAULT_TILE_PX) -> Denoiser:
    """A denoiser of the process, loaded at its first use."""
    return Denoiser(model, backend, tile_px=tile_px)


def _opened(model: str, backend: str, tile_px: int, catalogue: Catalogue | None) -> Backend:
    """The backend that is asked for; PyTorch is imported only for its own."""
    if backend == TORCH:
        from denoiser.torch_backend import TorchBackend

        return TorchBackend(model, tile_px, catalogue)
    if catalogue is not None:
        raise ConfigError(f"models to choose from with the bundle {backend}", expected="those it was compiled from")
    name, separator, address = backend.partition(":")
    if separator and (make := _plug_in(name)) is not None:
        return make(model, address)
    from denoiser.compiled import CompiledBackend

    return CompiledBackend(Path(backend), model)


def _plug_in(name: str) -> Callable[[str, str], Backend] | None:
    """What makes the backend that a package declares under that name, None if none does."""
    from importlib.metadata import entry_points

    for source in entry_points(group=BACKENDS, name=name):
        try:
            make: Callable[[str, str], Backend] = source.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"denoiser backend {name!r} ({source.value}) is broken: {error}") from error
        return make
    return None


def _part_of_the_way(start: np.ndarray, end: np.ndarray, share: float) -> np.ndarray:
    """start + share * (end - start), in the memory of `end`."""
    end -= start
    end *= np.float32(share)
    end += start
    return end


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


def _per_colour(noise: Noise, what: str) -> tuple[float, float, float]:
    """Noise of R, G, B."""
    values = np.atleast_1d(np.asarray(noise, np.float64))
    if values.shape not in {(1,), (3,)} or not ((values >= 0) & (values <= np.finfo(np.float32).max)).all():
        raise ConfigError(f"{what} noise {noise!r}", expected="one number or three (R, G, B), none negative")
    red, green, blue = np.broadcast_to(values, (3,)).tolist()
    return red, green, blue
