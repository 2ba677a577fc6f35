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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from compile import golden
from compile.ethos_u import calibration, codegen, manifest, photographs, tile, tosa, vela, verification
from compile.ethos_u.calibration import Images
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.manifest import FILES, HOOKS, MODEL, NETWORKS, integers_path, network_path
from compile.ethos_u.model_source import Entry, write_tables
from compile.ethos_u.partition import partition
from compile.ethos_u.report import verification_page
from compile.ethos_u.tile import Tile
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.ethos_u.verification import NpuTile, NpuTileResult
from compile.network_graph import UnsupportedOperator
from compile.networks import SourceFamily, SourceNetwork
from compile.relax_import import to_relax
from denoiser.network import INPUT_CHANNELS
from isp.atomic import replacing
from targets import descriptions
from targets.descriptions import Npu, Target
from targets.golden import FOLDER as GOLDEN_FOLDER
from targets.golden import GoldenSet
from targets.toolchain import ToolchainError

log = logging.getLogger(__name__)

MANIFEST, VERIFICATION, REPORT = "manifest.json", "verification.json", "report.html"


@dataclass(frozen=True)
class Request:
    """What to compile: a family of networks for a target that has an NPU. tile_px: side of its tile, None for the
    largest that fits. photographs: folder of those to calibrate with, None for scenes that are drawn."""

    target: Target
    npu: Npu
    precision: Precision
    family: SourceFamily
    tile_px: int | None = None
    photographs: Path | None = None

    @property
    def layout(self) -> Layout:
        return Layout(self.npu.layout)

    @property
    def images(self) -> Images:
        """What to calibrate with."""
        return calibration.images if self.photographs is None else partial(photographs.images, self.photographs)

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

    Raises UnsupportedOperator for a network that the NPU cannot compute and ConfigError where its memory is too small,
    both with the network's name; ConfigError for a tile of a side that makes no sense, InputError for photographs that
    are none, ToolchainError with the network's name where a tool fails.
    """
    if request.tile_px is not None:
        # Known before minutes of work, so told before.
        tile.check_side(request.tile_px)
    networks = request.family.networks
    return fitted(request, tuple(lowered(source, request.precision, request.images) for source in networks))


def fitted(request: Request, integers: Sequence[IntegerNetwork]) -> tuple[Built, ...]:
    """The same for networks that are integers already, in the family's order."""
    sources = request.family.networks
    networks = {source.member.name: network for source, network in zip(sources, integers, strict=True)}
    sides = {name: partial(_compiled, request, name, network) for name, network in networks.items()}
    if request.tile_px is None:
        tiles = tile.largest(sides, request.npu)
    else:
        tiles = tile.of_side(sides, request.npu, request.tile_px)
    log.info("tiles of %d px", tiles[0].side_px)
    return tuple(
        Built(source, network, request.layout, made)
        for source, network, made in zip(sources, integers, tiles, strict=True)
    )


def lowered(source: SourceNetwork, precision: Precision, images: Images = calibration.images) -> IntegerNetwork:
    """A network as integers. images: to calibrate with.

    Raises UnsupportedOperator for what no NPU can compute, and what `images` raises.
    """
    log.info("%s: calibrating and quantising", source.member.name)
    with _of(source.member.name):
        partitioned = partition(to_relax(source.network, INPUT_CHANNELS, calibration.PACKED))
        found = calibration.calibrate(partitioned, images(source.header.shot_range))
        return codegen.lower(partitioned, found, precision).network


def write(request: Request, built: tuple[Built, ...], folder: Path) -> None:
    """Fills an empty folder with everything but verification and manifest."""
    for part in ("include", "src", NETWORKS):
        (folder / part).mkdir()
    for hook in HOOKS:
        with as_file(files("firmware_hooks").joinpath(hook)) as source:
            shutil.copyfile(source, folder / hook)
    descriptions.keep_in_bundle(request.target, folder)
    (folder / MODEL).write_text(write_tables(_entries(built), request.layout), encoding="utf-8")
    for number, one in enumerate(built):
        compiled = one.tile.compiled
        contents = (compiled.payload, compiled.weights, one.graph, compiled.raw)
        for suffix, content in zip(FILES, contents, strict=True):
            (folder / network_path(number, suffix)).write_bytes(content)
    sets = [GoldenSet(one.source.member.name, tuple(made.tile for made in one.golden)) for one in built]
    golden.write(folder / GOLDEN_FOLDER, sets)
    for number, one in enumerate(built):
        for made in one.golden:
            for part, values in (("input", made.image), ("output", made.answer)):
                (folder / integers_path(number, made.tile.name, part)).write_bytes(verification.little_endian(values))


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
        content = {**manifest.summary(results), "tiles": [one.as_dict() for one in results]}
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with replacing(folder / REPORT) as temporary:
        facts = {"target": request.target.name, "precision": str(request.precision), **request.toolchain}
        page = verification_page(results, _entries(built), request.npu, facts)
        temporary.write_text(page, encoding="utf-8")


def write_manifest(
    request: Request, built: tuple[Built, ...], results: tuple[NpuTileResult, ...] | None, folder: Path
) -> None:
    """Writes what the bundle is. results: None if it was not verified."""
    with replacing(folder / MANIFEST) as temporary:
        text = json.dumps(manifest.content(request, built, results, folder), indent=2)
        temporary.write_text(text + "\n", encoding="utf-8")


def _graph(network: IntegerNetwork, side_px: int, layout: Layout) -> bytes:
    return tosa.write(network, side_px // 2, side_px // 2, layout)


def _compiled(request: Request, name: str, network: IntegerNetwork, side_px: int) -> Compiled:
    log.debug("%s: a tile of %d px", name, side_px)
    with _of(f"{name}, a tile of {side_px} px"):
        return vela.compiled(_graph(network, side_px, request.layout), request.npu)


@contextmanager
def _of(what: str) -> Iterator[None]:
    """Says which network it is that cannot be computed or compiled."""
    try:
        yield
    except (UnsupportedOperator, ToolchainError) as error:
        raise type(error)(f"{what}: {error.found}", expected=error.expected, remedy=error.remedy) from error


def _entries(built: tuple[Built, ...]) -> tuple[Entry, ...]:
    return tuple(Entry(one.source.member.name, one.source.member.chosen_from, one.network, one.tile) for one in built)
