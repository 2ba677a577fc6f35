"""The tile that an NPU computes at once: as large as its memory allows, for every tile is computed with a halo.

Tiles overlap by a halo that is thrown away. It is smaller than all that may influence a pixel: beyond it the influence
is too small to be seen (docs/npu.md has the measurements), while all of it would be half of every tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compile.ethos_u.vela import Compiled
from isp.errors import ConfigError
from targets.descriptions import Npu

HALO_PX = 32
"""Mosaic pixels on each side of a tile that are thrown away, a multiple of every network's stride."""
MULTIPLE_PX = 16
"""Of which a tile's side must be a multiple."""
SIDES_PX = (1024, 768, 640, 512, 448, 384, 352, 320, 288, 256, 224, 192, 160, 128)
"""Sides of tiles, in pixels of the mosaic, halo included."""
PROBE_PX = 160
"""Of the tile that is compiled to learn how much memory a pixel takes."""
FRAME_PX = (3000, 4000)
"""Height and width of the frame whose time is estimated."""

CompileSide = Callable[[int], Compiled]
"""Compiles a network for a square tile of a side in mosaic pixels."""


@dataclass(frozen=True)
class Tile:
    """side_px: of the mosaic, halo included. compiled: the network for it."""

    side_px: int
    compiled: Compiled

    @property
    def per_frame(self) -> int:
        """Tiles that a frame of FRAME_PX takes."""
        given = self.side_px - 2 * HALO_PX
        return math.prod(-(-size // given) for size in FRAME_PX)

    @property
    def cycles_per_megapixel(self) -> int:
        """Of the pixels that are kept, by Vela's estimate."""
        return round(self.compiled.estimates.cycles / ((self.side_px - 2 * HALO_PX) ** 2 / 1e6))

    @property
    def frame_s(self) -> float:
        """What a frame takes by Vela's estimate."""
        return self.per_frame * self.compiled.estimates.cycles / self.compiled.estimates.clock_hz


def largest(networks: Sequence[CompileSide], npu: Npu) -> tuple[Tile, ...]:
    """The largest tile for which every network fits the memory of an NPU.

    networks: each compiles itself for a side. Raises ConfigError where even the smallest tile does not fit.
    """
    probed = max(_share(compile_side(PROBE_PX), npu) for compile_side in networks)
    hopeful = [side_px for side_px in SIDES_PX if probed * (side_px / PROBE_PX) ** 2 <= _HOPE]
    for side_px in hopeful or SIDES_PX[-1:]:
        tiles = []
        for compile_side in networks:
            tiles.append(Tile(side_px, compile_side(side_px)))
            if _share(tiles[-1].compiled, npu) > 1:
                break
        else:
            return tuple(tiles)
    needed = tiles[-1].compiled.estimates
    raise ConfigError(
        f"{npu.accelerator}: a tile of {SIDES_PX[-1]} px takes {needed.sram_bytes >> 10} KiB of SRAM and "
        f"{needed.dram_bytes >> 10} KiB of DRAM",
        expected=f"at most {npu.sram_bytes >> 10} and {npu.dram_bytes >> 10} KiB",
        remedy="a smaller model, or a description of the target with more memory",
    )


def of_side(networks: Sequence[CompileSide], npu: Npu, side_px: int) -> tuple[Tile, ...]:
    """Tiles of a given side, for memory that is shared, or a board that is emulated.

    Raises ConfigError for a side that leaves nothing within the halo, is no multiple of MULTIPLE_PX, or does not fit.
    """
    if side_px % MULTIPLE_PX or side_px <= 2 * HALO_PX:
        raise ConfigError(
            f"a tile of {side_px} px",
            expected=f"a multiple of {MULTIPLE_PX} above {2 * HALO_PX}, of which {HALO_PX} px on each side are halo",
        )
    tiles = tuple(Tile(side_px, compile_side(side_px)) for compile_side in networks)
    if max(_share(one.compiled, npu) for one in tiles) > 1:
        raise ConfigError(
            f"a tile of {side_px} px does not fit the memory of {npu.accelerator}",
            remedy="ask for a smaller one, or for none: then it is the largest that fits",
        )
    return tiles


_HOPE = 1.3
"""Vela saves memory where it must: a tile that would take this much more than there is may still fit."""


def _share(compiled: Compiled, npu: Npu) -> float:
    """How much of the memory that the arena lies in is used; constants in DRAM count."""
    estimates = compiled.estimates
    if npu.dram_bytes:
        # The SRAM is a cache then, which Vela fills as far as it is told to.
        return estimates.dram_bytes / npu.dram_bytes
    return estimates.sram_bytes / npu.sram_bytes
