"""The tile that an NPU computes at once: as large as its memory allows, for every tile is computed with a halo.

Tiles overlap by a halo that is thrown away. It is smaller than all that may influence a pixel: beyond it the influence
is too small to be seen (docs/npu.md has the measurements), while all of it would be half of every tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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


def largest(networks: Mapping[str, CompileSide], npu: Npu) -> tuple[Tile, ...]:
    """The largest tile for which every network fits the memory of an NPU, in their order.

    networks: by name; each compiles itself for a side. Raises ConfigError where even the smallest tile does not fit.
    """
    probed = max(_share(compile_side(PROBE_PX), npu) for compile_side in networks.values())
    hopeful = [side_px for side_px in SIDES_PX if probed * (side_px / PROBE_PX) ** 2 <= _HOPE]
    for side_px in hopeful or SIDES_PX[-1:]:
        tiles = []
        for name, compile_side in networks.items():
            tiles.append(Tile(side_px, compile_side(side_px)))
            if _share(tiles[-1].compiled, npu) > 1:
                hungry = name
                break
        else:
            return tuple(tiles)
    raise ConfigError(
        f"{hungry}: a tile of {SIDES_PX[-1]} px takes {_memory(tiles[-1])}",
        expected=_expected(npu),
        remedy="a smaller model, or a description of the target with more memory",
    )


def of_side(networks: Mapping[str, CompileSide], npu: Npu, side_px: int) -> tuple[Tile, ...]:
    """Tiles of a given side, for memory that is shared, or a board that is emulated.

    Raises ConfigError for a side that `check_side` refuses, and for one that does not fit.
    """
    check_side(side_px)
    tiles = []
    for name, compile_side in networks.items():
        tiles.append(Tile(side_px, compile_side(side_px)))
        if _share(tiles[-1].compiled, npu) > 1:
            raise ConfigError(
                f"{name}: a tile of {side_px} px does not fit the memory of {npu.accelerator}, it takes "
                f"{_memory(tiles[-1])}",
                expected=_expected(npu),
                remedy="ask for a smaller one, or for none: then it is the largest that fits",
            )
    return tuple(tiles)


def check_side(side_px: int) -> None:
    """Raises ConfigError for a side that leaves nothing within the halo or is no multiple of MULTIPLE_PX."""
    if side_px % MULTIPLE_PX or side_px <= 2 * HALO_PX:
        raise ConfigError(
            f"a tile of {side_px} px",
            expected=f"a multiple of {MULTIPLE_PX} above {2 * HALO_PX}, of which {HALO_PX} px on each side are halo",
        )


def _memory(tile: Tile) -> str:
    estimates = tile.compiled.estimates
    return f"{estimates.sram_bytes >> 10} KiB of SRAM and {estimates.dram_bytes >> 10} KiB of DRAM"


def _expected(npu: Npu) -> str:
    return f"at most {npu.sram_bytes >> 10} and {npu.dram_bytes >> 10} KiB, as {npu.accelerator} is described"


_HOPE = 1.3
"""Vela saves memory where it must: a tile that would take this much more than there is may still fit."""


def _share(compiled: Compiled, npu: Npu) -> float:
    """How much of the memory that the arena lies in is used; constants in DRAM count."""
    estimates = compiled.estimates
    if npu.dram_bytes:
        # The SRAM is a cache then, which Vela fills as far as it is told to.
        return estimates.dram_bytes / npu.dram_bytes
    return estimates.sram_bytes / npu.sram_bytes
