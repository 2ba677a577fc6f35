"""The denoiser's backend `board`: a frame denoised tile by tile by a board's library.

It stands in the entry-point group `denoiser.backends` and follows `denoiser.denoise.Backend` without importing it.
Tiles overlap by the networks' halo and go on beyond the frame as every backend's do, so that the result is the host's
to rounding.
"""

from __future__ import annotations

import logging
import time
import weakref
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn, Protocol

import numpy as np

from isp.cfa import Cfa
from isp.errors import ConfigError, UserError
from isp.registry import nearest
from isp.tiling import MARGIN_PX, Tile, tiles
from targets.board_checks import check_board
from targets.bundle import AUTO, Bundle, Specialist, read
from targets.errors import BoardMemoryError

log = logging.getLogger(__name__)

MULTIPLE_PX: Final = 16
"""What the sides of a tile must be a multiple of."""
LONGEST_TILE_S: Final = 60.0
"""A tile should not take longer, lest nobody knows how long the frame will."""
BETWEEN_LINES_S: Final = 2.0
"""Of progress."""
PROBE_PX: Final = 64
"""Side of the tile that tells how fast the board and its link are."""
LAYOUT_BYTES: Final = 256
"""Of the board's memory, lost at most to the alignment of input, output and arena."""

Progress = Callable[[int, int], None]
"""Called with (tiles done, tiles in all)."""


class Noise(Protocol):
    """Variance of the noise = shot * x + read, each for R, G, B; black 0, white 1."""

    @property
    def shot(self) -> tuple[float, float, float]: ...

    @property
    def read(self) -> tuple[float, float, float]: ...


@dataclass(frozen=True)
class Member:
    """A network that can be chosen: see `denoiser.models.Member`. path: the bundle's library."""

    name: str
    path: Path
    sha256: str
    chosen_from: float


@dataclass(frozen=True)
class Choice:
    """The networks that a model's name stands for, from clean to noisy."""

    name: str
    members: tuple[Member, ...]

    def member_for(self, shot: float) -> Member:
        """The network for a level of shot noise; beyond the family's range, that of the nearer end."""
        return self.members[bisect_right(self.members, max(shot, 0.0), key=lambda member: member.chosen_from) - 1]


class BoardBackend:
    """Denoises on a board, whose link stays open as long as the backend lives.

    Safe to call from several threads at once, which take turns.
    """

    def __init__(self, model: str, address: str) -> None:
        """address: BUNDLE@URL, or BUNDLE for the only board that is attached.

        Raises ConfigError for a model that the bundle does not hold, InputError for a bundle that cannot be used,
        NoBoardError, LinkError or BoardError where there is no board that runs it.
        """
        from targets.link.client import Board
        from targets.transports.discovery import only_board

        folder, _, url = address.partition("@")
        self._bundle = read(Path(folder))
        self.choice = resolve(self._bundle, model)
        self._board = Board.open(url or only_board(), bundle=self._bundle.folder)
        self._close = weakref.finalize(self, self._board.close)
        try:
            check_board(self._board, self._bundle)
            baud = self._board.negotiate_baud()
        except UserError:
            self._close()
            raise
        if baud is not None:
            log.info("board: the link runs at %d baud", baud)
        self._turn = Lock()
        self._px_per_s: float | None = None

    @property
    def description(self) -> str:
        manifest, board = self._bundle.manifest, self._board.hello
        library = f"library SHA-256 {manifest.library.sha256[manifest.library.static]}"
        return f"{manifest.target} {manifest.precision} on {board.board} ({board.core}), {library}"

    def loaded(self, member: Member) -> NoReturn:
        """Raises ConfigError: a library has no layers to look at."""
        raise ConfigError(f"{member.name} is compiled", expected="a network in PyTorch", remedy="use the backend torch")

    def denoise_once(
        self, mosaic: np.ndarray, cfa: Cfa, member: Member, noise: Noise, progress: Progress
    ) -> np.ndarray:
        """One pass over a mosaic, as `denoiser.denoise.Backend` says."""
        number = self._bundle.number(member.name)
        specialist = self._bundle.manifest.specialists[number]
        halo_px = rounded_up(specialist.halo_px)
        height, width = mosaic.shape
        output = np.empty_like(mosaic)
        with self._turn:
            tile_px = self._tile_px(number, mosaic.shape, noise)
            todo = list(tiles(height, width, tile_px, halo_px, MULTIPLE_PX))
            log.info("board: %d tiles of at most %d px", len(todo), tile_px)
            began = told = time.monotonic()
            for done, tile in enumerate(todo, 1):
                source = cut_out(mosaic, cfa, tile)
                clean = in_phase(self._board.run(number, noise.shot, noise.read, source).output, cfa)
                top, left = tile.rows.before, tile.columns.before
                at = np.s_[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width]
                output[at] = clean[top : top + tile.height, left : left + tile.width]
                now = time.monotonic()
                if done == len(todo) or now - told > BETWEEN_LINES_S:
                    left_s = (now - began) / done * (len(todo) - done)
                    log.info("board: %d of %d tiles, %s left", done, len(todo), duration(left_s))
                    told = now
                progress(done, len(todo))
        return output

    def _tile_px(self, number: int, frame: tuple[int, ...], noise: Noise) -> int:
        """Side of the tiles for a frame: see `tile_side`."""
        specialist, hello = self._bundle.manifest.specialists[number], self._board.hello
        side_px = tile_side(specialist, hello.memory_bytes, float("inf"), frame)
        if side_px <= 2 * specialist.halo_px:  # no speed would make it smaller
            return side_px
        if self._px_per_s is None:
            began = time.monotonic()
            self._board.run(number, noise.shot, noise.read, np.zeros((PROBE_PX, PROBE_PX), np.float32))
            self._px_per_s = PROBE_PX**2 / (time.monotonic() - began)
        return tile_side(specialist, hello.memory_bytes, self._px_per_s, frame)


def resolve(bundle: Bundle, model: str) -> Choice:
    """What `model` names: "auto" or the bundle's family, all of it; a network's name, that one for any noise.

    Raises ConfigError for what the bundle does not hold.
    """
    specialists, family = bundle.manifest.specialists, bundle.manifest.family
    path = bundle.folder / bundle.manifest.library.static
    if model in {AUTO, family}:
        return Choice(family, tuple(Member(one.name, path, one.sha256, one.chosen_from) for one in specialists))
    if named := [one for one in specialists if one.name == model]:
        return Choice(model, (Member(named[0].name, path, named[0].sha256, 0.0),))
    names = [one.name for one in specialists]
    raise ConfigError(
        f"the bundle {bundle.folder} holds no model {model!r}",
        expected=", ".join(dict.fromkeys((AUTO, family, *names))),
        remedy=nearest(model, {AUTO, family, *names}),
    )


def tile_side(specialist: Specialist, memory_bytes: int, px_per_s: float, frame: tuple[int, ...]) -> int:
    """Side in pixels, a multiple of MULTIPLE_PX, of the largest square that a board can give at a time.

    With its halo it must fit the memory, and be done within LONGEST_TILE_S unless more than three quarters of it
    were halo. frame: (height, width) in pixels; no side is larger than it takes. Raises BoardMemoryError where not
    even the smallest fits.
    """
    halo_px = rounded_up(specialist.halo_px)
    extent_px = tuple(rounded_up(side) + 2 * min(halo_px, rounded_up(MARGIN_PX)) for side in frame)
    side_px = rounded_up(max(frame))

    def source(side_px: int) -> tuple[int, int]:
        height, width = (min(side_px + 2 * halo_px, extent) for extent in extent_px)
        return height, width

    def needed_bytes(side_px: int) -> int:
        height, width = source(side_px)
        return specialist.memory_bytes(width, height) + LAYOUT_BYTES

    while side_px > MULTIPLE_PX and needed_bytes(side_px) > memory_bytes:
        side_px -= MULTIPLE_PX
    if needed_bytes(side_px) > memory_bytes:
        raise BoardMemoryError(
            f"{memory_bytes:,} bytes for input, output and arena",
            expected=f"at least {needed_bytes(side_px):,} bytes for tiles of {specialist.name} with their halo",
            remedy="give the agent more memory, or compile a smaller network",
        )
    while side_px > 2 * halo_px and np.prod(source(side_px)) > px_per_s * LONGEST_TILE_S:
        side_px -= MULTIPLE_PX
    return side_px


def cut_out(mosaic: np.ndarray, cfa: Cfa, tile: Tile) -> np.ndarray:
    """A tile with its halo, as a contiguous RGGB mosaic float32."""
    return np.ascontiguousarray(in_phase(mosaic[np.ix_(tile.rows.indices, tile.columns.indices)], cfa), np.float32)


def in_phase(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """A view of a mosaic of even size, RGGB if it was `cfa` and the other way round: flipped, never rolled."""
    return np.flip(mosaic, tuple(axis for axis, odd in enumerate(cfa.position("R")) if odd))


def rounded_up(px: int) -> int:
    return -(-px // MULTIPLE_PX) * MULTIPLE_PX


def duration(time_s: float) -> str:
    """How long something takes, for people: 40 s, 12 min, 3.5 h."""
    if time_s < 100:
        return f"{time_s:.0f} s"
    return f"{time_s / 60:.0f} min" if time_s < 6000 else f"{time_s / 3600:.1f} h"
