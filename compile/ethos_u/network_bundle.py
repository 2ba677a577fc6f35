"""The bundle of an NPU: what an integrator links beside Arm's driver.

manifest.json                         what it is; comes last
include/fan.h, include/fan_npu.h      the interface
src/fan_npu.c                         mosaics to integers and back, the call of the driver
src/fan_npu_model.{h,c}               tables of this bundle's networks
networks/<number>.payload, .weights   what the driver is given: command stream, constants
networks/<number>.tosa, .npz          the graph that Vela compiled, and Vela's own output
golden/                               tiles, and what the float model makes of them
golden/<number>/<tile>.{input,output}.bin   the same as the NPU sees them: its integers, to be met to the bit
verification.json                     how both fare
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from compile import golden
from compile.ethos_u import calibration, codegen, tile, tosa, vela, verification
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.model_source import Entry, write_tables
from compile.ethos_u.partition import partition
from compile.ethos_u.tile import FRAME_PX, HALO_PX, Tile
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.ethos_u.verification import NpuTile, TileResult
from compile.networks import SourceFamily, SourceNetwork
from compile.relax_import import to_relax
from denoiser.network import INPUT_CHANNELS, complexity
from isp.atomic import replacing
from isp.report.sidecar import sha256
from targets.descriptions import Npu, Target
from targets.golden import FOLDER as GOLDEN_FOLDER
from targets.golden import GoldenSet

log = logging.getLogger(__name__)

SCHEMA = 1
ABI = 1
MANIFEST, VERIFICATION = "manifest.json", "verification.json"
HOOKS = ("include/fan.h", "include/fan_npu.h", "src/fan_npu.c", "src/fan_npu_model.h")
"""Taken over from firmware_hooks."""
MODEL = "src/fan_npu_model.c"
NETWORKS = "networks"
FILES = ("payload", "weights", "tosa", "npz")
"""Of each network."""


@dataclass(frozen=True)
class Request:
    """What to compile: a family of networks for a target that has an NPU."""

    target: Target
    npu: Npu
    precision: Precision
    family: SourceFamily

    @property
    def layout(self) -> Layout:
        return Layout(self.npu.layout)


@dataclass(frozen=True)
class Built:
    """One network as integers, its graph for the tile, and what Vela made of it."""

    source: SourceNetwork
    network: IntegerNetwork
    graph: bytes
    tile: Tile


def build(request: Request) -> tuple[Built, ...]:
    """Compiles every network of a family, all for the same tile.

    Raises UnsupportedOperator for a network that the NPU cannot compute, ConfigError where its memory is too small,
    ToolchainError where a tool fails.
    """
    built: list[Built] = []
    for source in request.family.networks:
        log.info("%s: calibrating and quantising (%s)", source.member.name, request.precision)
        network = lowered(source, request.precision)

        def compile_side(side_px: int, network: IntegerNetwork = network) -> Compiled:
            log.debug("a tile of %d px", side_px)
            return vela.compiled(_graph(network, side_px, request.layout), request.npu)

        if built:
            side_px = built[0].tile.side_px
            made = Tile(side_px, compile_side(side_px))
        else:
            made = tile.largest(compile_side, request.npu)
        log.info("%s: tiles of %d px", source.member.name, made.side_px)
        built.append(Built(source, network, _graph(network, made.side_px, request.layout), made))
    return tuple(built)


def lowered(source: SourceNetwork, precision: Precision) -> IntegerNetwork:
    """A network as integers."""
    partitioned = partition(to_relax(source.network, INPUT_CHANNELS, calibration.PACKED))
    found = calibration.calibrate(partitioned, calibration.images(source.header.shot_range))
    return codegen.lower(partitioned, found, precision).network


def verified(request: Request, built: tuple[Built, ...], folder: Path) -> tuple[TileResult, ...]:
    """Judges every network by its tiles, which are left in the bundle."""
    results: list[TileResult] = []
    sets = []
    for number, one in enumerate(built):
        name = one.source.member.name
        log.info("%s: verifying", name)
        tiles = []
        for made in verification.make(one.source.network, one.source.header.shot_range, one.tile.side_px):
            answered = verification.answered(made, one.network, one.graph, request.layout)
            results.append(verification.judged(answered, name, one.network, one.tile.compiled, request.npu))
            _write_integers(folder / GOLDEN_FOLDER / str(number), answered)
            tiles.append(made)
        sets.append(GoldenSet(name, tuple(tiles)))
    golden.write(folder / GOLDEN_FOLDER, sets)
    with replacing(folder / VERIFICATION) as temporary:
        content = {"tiles": [one.as_dict() for one in results]}
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return tuple(results)


def write(request: Request, built: tuple[Built, ...], folder: Path) -> None:
    """Fills a folder with everything but tiles and manifest."""
    for part in ("include", "src", NETWORKS):
        (folder / part).mkdir()
    for hook in HOOKS:
        with as_file(files("firmware_hooks").joinpath(hook)) as source:
            shutil.copyfile(source, folder / hook)
    entries = [Entry(one.source.member.name, one.source.member.chosen_from, one.network, one.tile) for one in built]
    (folder / MODEL).write_text(write_tables(entries, request.layout), encoding="utf-8")
    for number, one in enumerate(built):
        compiled = one.tile.compiled
        contents = (compiled.payload, compiled.weights, one.graph, compiled.raw)
        for suffix, content in zip(FILES, contents, strict=True):
            (folder / NETWORKS / f"{number}.{suffix}").write_bytes(content)


def write_manifest(
    request: Request, built: tuple[Built, ...], results: tuple[TileResult, ...] | None, folder: Path
) -> None:
    """Writes what the bundle is. results: None if it was not verified."""
    content = {
        "schema": SCHEMA,
        "target": request.target.name,
        "precision": str(request.precision),
        "abi": ABI,
        "family": request.family.name,
        "npu": asdict(request.npu),
        "specialists": [_described(number, one, request, folder) for number, one in enumerate(built)],
        "toolchain": {
            "tvm": version("apache-tvm"),
            "vela": vela.installed(),
            "tosa-tools": version("tosa-tools"),
        },
        "verification": None if results is None else _summary(results),
    }
    with replacing(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _graph(network: IntegerNetwork, side_px: int, layout: Layout) -> bytes:
    return tosa.write(network, side_px // 2, side_px // 2, layout)


def _write_integers(folder: Path, one: NpuTile) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, values in (("input", one.image), ("output", one.answer)):
        (folder / f"{one.tile.name}.{part}.bin").write_bytes(values.astype(values.dtype.newbyteorder("<")).tobytes())


def _described(number: int, one: Built, request: Request, folder: Path) -> dict[str, object]:
    member, compiled = one.source.member, one.tile.compiled
    estimates, cost = compiled.estimates, complexity(one.source.network)
    names = {part: f"{NETWORKS}/{number}.{part}" for part in FILES}
    given_px = one.tile.side_px - 2 * HALO_PX
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
        "files": {part: {"path": name, "sha256": sha256(folder / name)} for part, name in names.items()},
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
            "cycles_per_megapixel": round(estimates.cycles / (given_px**2 / 1e6)),
            "frame_px": list(FRAME_PX),
            "tiles_per_frame": one.tile.per_frame,
            "frame_s": round(one.tile.frame_s, 4),
            "sram_bytes": estimates.sram_bytes,
            "dram_bytes": estimates.dram_bytes,
            "flash_bytes": estimates.flash_bytes,
        },
    }


def _summary(results: tuple[TileResult, ...]) -> dict[str, object]:
    gated = [one for one in results if one.tile != verification.EXTREMES]
    compared = [one.differing for one in results if one.differing is not None]
    return {
        "passes": not any(one.failure for one in results),
        "tiles": len(results),
        "greatest_loss_db": max(one.loss_db for one in gated),
        "greatest_dark_loss_db": max(one.dark_loss_db for one in gated),
        "simulated_tiles": len(compared),
        "simulated_values_that_differ": sum(compared),
    }
