"""The bundle of an NPU: what an integrator links beside Arm's driver.

manifest.json                         what it is; comes last
include/fan.h, include/fan_npu.h      the interface
src/fan_npu.c                         mosaics to integers and back, the call of the driver
src/fan_npu_model.{h,c}               tables of this bundle's networks
networks/<number>.payload, .weights   what the driver is given: command stream, constants
networks/<number>.tosa, .npz          the graph that Vela compiled, and Vela's own output
golden/                               tiles, and what the float model makes of them
golden/<number>/<tile>.{input,output}.bin   the same as the NPU sees them: its integers, to be met to the bit
verification.json, report.html        how both fare
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from compile import golden
from compile.ethos_u import calibration, codegen, tile, tosa, vela, verification
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.model_source import Entry, write_tables
from compile.ethos_u.partition import partition
from compile.ethos_u.report import verification_page
from compile.ethos_u.tile import FRAME_PX, HALO_PX, Tile
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.ethos_u.verification import NpuTile, NpuTileResult
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
MANIFEST, VERIFICATION, REPORT = "manifest.json", "verification.json", "report.html"
HOOKS = ("include/fan.h", "include/fan_npu.h", "src/fan_npu.c", "src/fan_npu_model.h")
"""Taken over from firmware_hooks."""
MODEL = "src/fan_npu_model.c"
NETWORKS = "networks"
FILES = ("payload", "weights", "tosa", "npz")
"""Of each network."""


@dataclass(frozen=True)
class Request:
    """What to compile: a family of networks for a target that has an NPU. tile_px: side of its tile, None for the
    largest that fits."""

    target: Target
    npu: Npu
    precision: Precision
    family: SourceFamily
    tile_px: int | None = None

    @property
    def layout(self) -> Layout:
        return Layout(self.npu.layout)

    @property
    def toolchain(self) -> dict[str, str]:
        """Versions of what makes the bundle."""
        return {"tvm": version("apache-tvm"), "vela": vela.installed(), "tosa-tools": version("tosa-tools")}


@dataclass(frozen=True)
class Built:
    """One network as integers, its graph for the tile, and what Vela made of it."""

    source: SourceNetwork
    network: IntegerNetwork
    layout: Layout
    tile: Tile

    @cached_property
    def graph(self) -> bytes:
        """In TOSA."""
        return _graph(self.network, self.tile.side_px, self.layout)

    @cached_property
    def golden(self) -> tuple[NpuTile, ...]:
        """Its golden tiles."""
        made = verification.make(self.source.network, self.source.header.shot_range, self.tile.side_px)
        graph = self.graph
        # The reference model is a process of its own, on one core.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return tuple(pool.map(lambda one: verification.answered(one, self.network, graph, self.layout), made))


def build(request: Request) -> tuple[Built, ...]:
    """Compiles every network of a family, all for the same tile.

    Raises UnsupportedOperator for a network that the NPU cannot compute, ConfigError where its memory is too small,
    ToolchainError where a tool fails.
    """
    sources = request.family.networks
    networks = [lowered(source, request.precision) for source in sources]
    sides = [partial(_compiled, request, network) for network in networks]
    if request.tile_px is None:
        tiles = tile.largest(sides, request.npu)
    else:
        tiles = tile.of_side(sides, request.npu, request.tile_px)
    log.info("tiles of %d px", tiles[0].side_px)
    return tuple(
        Built(source, network, request.layout, made)
        for source, network, made in zip(sources, networks, tiles, strict=True)
    )


def lowered(source: SourceNetwork, precision: Precision) -> IntegerNetwork:
    """A network as integers."""
    log.info("%s: calibrating and quantising", source.member.name)
    partitioned = partition(to_relax(source.network, INPUT_CHANNELS, calibration.PACKED))
    found = calibration.calibrate(partitioned, calibration.images(source.header.shot_range))
    return codegen.lower(partitioned, found, precision).network


def write(request: Request, built: tuple[Built, ...], folder: Path) -> None:
    """Fills an empty folder with everything but verification and manifest."""
    for part in ("include", "src", NETWORKS):
        (folder / part).mkdir()
    for hook in HOOKS:
        with as_file(files("firmware_hooks").joinpath(hook)) as source:
            shutil.copyfile(source, folder / hook)
    (folder / MODEL).write_text(write_tables(_entries(built), request.layout), encoding="utf-8")
    for number, one in enumerate(built):
        compiled = one.tile.compiled
        contents = (compiled.payload, compiled.weights, one.graph, compiled.raw)
        for suffix, content in zip(FILES, contents, strict=True):
            (folder / NETWORKS / f"{number}.{suffix}").write_bytes(content)
    sets = [GoldenSet(one.source.member.name, tuple(made.tile for made in one.golden)) for one in built]
    golden.write(folder / GOLDEN_FOLDER, sets)
    for number, one in enumerate(built):
        for made in one.golden:
            for part, values in (("input", made.image), ("output", made.answer)):
                (folder / _integers_path(number, made.tile.name, part)).write_bytes(verification.little_endian(values))


def verified(request: Request, built: tuple[Built, ...], folder: Path) -> tuple[NpuTileResult, ...]:
    """Judges every network by its golden tiles; what fails leaves its evidence in the folder."""
    results = []
    for number, one in enumerate(built):
        name = one.source.member.name
        log.info("%s: verifying", name)
        for made in one.golden:
            answer = verification.simulated(made, one.tile.compiled, request.npu)
            result = verification.judged(made, name, one.network, answer, request.npu)
            if result.failure:
                verification.keep_evidence(folder, f"{number}-{made.tile.name}", result, answer)
            results.append(result)
    return tuple(results)


def write_verification(
    request: Request, built: tuple[Built, ...], results: tuple[NpuTileResult, ...], folder: Path
) -> None:
    """Writes how the golden tiles fared, for machines and for people."""
    with replacing(folder / VERIFICATION) as temporary:
        content = {**_summary(results), "tiles": [one.as_dict() for one in results]}
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with replacing(folder / REPORT) as temporary:
        facts = {"target": request.target.name, "precision": str(request.precision), **request.toolchain}
        page = verification_page(results, _entries(built), request.npu, facts)
        temporary.write_text(page, encoding="utf-8")


def write_manifest(
    request: Request, built: tuple[Built, ...], results: tuple[NpuTileResult, ...] | None, folder: Path
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
        "toolchain": request.toolchain,
        "verification": None if results is None else _summary(results),
    }
    with replacing(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _graph(network: IntegerNetwork, side_px: int, layout: Layout) -> bytes:
    return tosa.write(network, side_px // 2, side_px // 2, layout)


def _compiled(request: Request, network: IntegerNetwork, side_px: int) -> Compiled:
    log.debug("a tile of %d px", side_px)
    return vela.compiled(_graph(network, side_px, request.layout), request.npu)


def _entries(built: tuple[Built, ...]) -> tuple[Entry, ...]:
    return tuple(Entry(one.source.member.name, one.source.member.chosen_from, one.network, one.tile) for one in built)


def _integers_path(number: int, name: str, part: str) -> str:
    """Of a golden tile's integers. part: input or output."""
    return f"{GOLDEN_FOLDER}/{number}/{name}.{part}.bin"


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
        "files": {part: _listed(folder, f"{NETWORKS}/{number}.{part}") for part in FILES},
        "golden": {
            name: {part: _listed(folder, _integers_path(number, name, part)) for part in ("input", "output")}
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


def _summary(results: tuple[NpuTileResult, ...]) -> dict[str, object]:
    worst = verification.worst(results)
    compared = [one.differing for one in results if one.differing is not None]
    return {
        "passes": not any(one.failure for one in results),
        "tiles": len(results),
        "greatest_loss_db": worst.loss_db,
        "greatest_dark_loss_db": worst.dark_loss_db,
        "simulated_tiles": len(compared),
        "simulated_values_that_differ": sum(compared),
    }
