"""What the bundle of an NPU says of itself: the content of manifest.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from compile.ethos_u import vela, verification
from compile.ethos_u.photographs import chosen
from compile.ethos_u.tile import FRAME_PX, HALO_PX
from compile.ethos_u.verification import NpuTileResult
from denoiser.network import complexity
from isp.report.sidecar import sha256
from targets.golden import FOLDER as GOLDEN_FOLDER

if TYPE_CHECKING:
    from compile.ethos_u.network_bundle import Built, Request

SCHEMA = 1
ABI = 1
NETWORKS = "networks"
FILES = ("payload", "weights", "tosa", "npz")
"""Of each network."""
HOOKS = (
    *("include/fan.h", "include/fan_npu.h"),
    *("src/fan_npu.c", "src/fan_npu_model.h", "src/fan_normalisation.h"),
)
"""Taken over from firmware_hooks."""
MODEL = "src/fan_npu_model.c"


def content(
    request: Request, built: Sequence[Built], results: Sequence[NpuTileResult] | None, folder: Path
) -> dict[str, object]:
    """For JSON. results: None if the bundle was not verified. folder: holds its files."""
    return {
        "schema": SCHEMA,
        "target": request.target.name,
        "precision": str(request.precision),
        "abi": ABI,
        "family": request.family.name,
        "npu": asdict(request.npu),
        "calibration": _calibration(request),
        "sources": [_listed(folder, name) for name in (*HOOKS, MODEL)],
        "specialists": [_described(number, one, request, folder) for number, one in enumerate(built)],
        "toolchain": request.toolchain,
        "verification": None if results is None else summary(results),
    }


def summary(results: Sequence[NpuTileResult]) -> dict[str, object]:
    """How the golden tiles of all networks fared."""
    worst = verification.worst(results)
    compared = [one for one in results if one.differing is not None]
    return {
        "passes": not any(one.failure for one in results),
        "tiles": len(results),
        "greatest_loss_db": worst.loss_db,
        "greatest_dark_loss_db": worst.dark_loss_db,
        "simulated_tiles": len(compared),
        "simulated_values": sum(one.values for one in compared),
        "simulated_values_that_differ": sum(one.differing or 0 for one in compared),
    }


def _calibration(request: Request) -> dict[str, object]:
    """What the integers' ranges and roundings were fitted to."""
    if request.photographs is None:
        return {"images": "drawn scenes"}
    return {"images": "photographs", "sha256": [sha256(one.path) for one in chosen(request.photographs)]}


def network_path(number: int, part: str) -> str:
    """Where a bundle has a network. part: one of FILES."""
    return f"{NETWORKS}/{number}.{part}"


def integers_path(number: int, tile: str, part: str) -> str:
    """Where a bundle has the integers of a network's golden tile. part: input or output."""
    return f"{GOLDEN_FOLDER}/{number}/{tile}.{part}.bin"


def _listed(folder: Path, name: str) -> dict[str, str]:
    """A file of the bundle for the manifest."""
    return {"path": name, "sha256": sha256(folder / name)}


def _described(number: int, one: Built, request: Request, folder: Path) -> dict[str, object]:
    member, compiled = one.source.member, one.tile.compiled
    estimates, cost = compiled.estimates, complexity(one.source.network)
    tiles = [made.tile.name for made in one.golden]
    integers = one.network.precision.activation.name
    return {
        "name": member.name,
        "sha256": member.sha256,
        "shot_range": list(one.source.header.shot_range),
        "chosen_from": member.chosen_from,
        "parameters": cost.parameters,
        "mac_per_raw_pixel": cost.mac_per_raw_pixel,
        "tile_px": one.tile.side_px,
        "halo_px": HALO_PX,
        "files": {part: _listed(folder, network_path(number, part)) for part in FILES},
        "golden": {
            name: {part: _listed(folder, integers_path(number, name, part)) for part in ("input", "output")}
            for name in tiles
        },
        "input": {**asdict(compiled.input), "type": integers, "step": one.network.image.step},
        "output": {**asdict(compiled.output), "type": integers, "step": one.network.output.step},
        "layout": str(request.layout),
        "memory": {
            "weights_bytes": len(compiled.weights),
            "weights_region": compiled.weights_region,
            "scratch_bytes": compiled.scratch_bytes,
            "scratch_region": compiled.scratch_region,
            "fast_bytes": compiled.fast_bytes,
            "fast_region": compiled.fast_region,
        },
        "operators": {"all": estimates.operators, "on_npu": estimates.npu_operators},
        "estimates": {
            "by": f"Vela {vela.installed()}, {request.npu.system_configuration}; not measured",
            "clock_hz": estimates.clock_hz,
            "cycles_per_tile": estimates.cycles,
            "cycles_per_megapixel": one.tile.cycles_per_megapixel,
            "frame_px": list(FRAME_PX),
            "tiles_per_frame": one.tile.per_frame,
            "frame_s": round(one.tile.frame_s, 4),
            "sram_bytes": estimates.sram_bytes,
            "dram_bytes": estimates.dram_bytes,
            "flash_bytes": estimates.flash_bytes,
        },
    }
