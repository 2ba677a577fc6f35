"""The tile that an NPU computes at once: as large as its memory allows, for every tile is computed with a halo.

Tiles overlap by a halo that is thrown away. It is smaller than all that may influence a pixel: beyond it the influence
is too small to be seen (docs/npu.md has the measurements), while all of it would be half of every tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from compile.ethos_u.vela import Compiled
from isp.errors import ConfigError
from targets.descriptions import Npu

HALO_PX = 32
"""Mosaic pixels on each side of a tile that are thrown away, a multiple of every network's stride."""
SIDES_PX = (1024, 768, 640, 512, 448, 384, 352, 320, 288, 256, 224, 192, 160, 128)
"""Sides of tiles, in pixels of the mosaic, halo included."""
PROBE_PX = 160
"""Of the tile that is compiled to learn how much memory a pixel takes."""
FRAME_PX = (3000, 4000)
"""Height and width of the frame whose time is estimated."""


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
    def frame_s(self) -> float:
        """What a frame takes by Vela's estimate."""
        return self.per_frame * self.compiled.estimates.cycles / self.compiled.estimates.clock_hz


def largest(compile_side: Callable[[int], Compiled], npu: Npu) -> Tile:
    """The largest tile that fits the memory of an NPU.

    compile_side: compiles the network for a tile of a side in mosaic pixels. Raises ConfigError where even the
    smallest does not fit.
    """
    probe = compile_side(PROBE_PX)
    share = max(_share(probe, npu))
    for side_px in SIDES_PX:
        if share * (side_px / PROBE_PX) ** 2 > _HOPE:
            continue
        compiled = compile_side(side_px)
        if max(_share(compiled, npu)) <= 1:
            return Tile(side_px, compiled)
    needed = probe if SIDES_PX[-1] == PROBE_PX else compile_side(SIDES_PX[-1])
    raise ConfigError(
        f"{npu.accelerator}: a tile of {SIDES_PX[-1]} px takes {needed.estimates.sram_bytes >> 10} KiB of SRAM and "
        f"{needed.estimates.dram_bytes >> 10} KiB of DRAM",
        expected=f"at most {npu.sram_bytes >> 10} and {npu.dram_bytes >> 10} KiB",
        remedy="a smaller model, or a description of the target with more memory",
    )


_HOPE = 1.3
"""Vela saves memory where it must: a tile that would take this much more than there is may still fit."""


def _share(compiled: Compiled, npu: Npu) -> tuple[float, float]:
    """Shares of the SRAM and of the DRAM that are used; constants in DRAM count."""
    estimates = compiled.estimates
    dram = estimates.dram_bytes / npu.dram_bytes if npu.dram_bytes else 0.0
    # With DRAM the SRAM is a cache, which Vela fills as far as it is told to.
    return (estimates.sram_bytes / npu.sram_bytes if not npu.dram_bytes else 0.0), dram
