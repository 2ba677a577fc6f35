"""What an Ethos-U is expected to take for the denoiser, compiled by this project and by ExecuTorch's Arm backend.

    PEERS/bin/pip install 'executorch[ethos-u]==1.5.1' torch==2.13.0 safetensors pydantic
    python -m benchmarks.npu_cycles --python PEERS/bin/python [--target NAME ...] [--tile 192] [--json FILE]

All figures are Vela's estimates; **nothing was timed on silicon**. The first table is what `python -m compile` puts
into a bundle. The second has both compilers on the same network, weights and calibration images, for the same tile,
with the same options of Vela. What differs is the graph. ExecuTorch brings a Vela of its own version, and versions do
not agree on what a graph takes, so each graph is compiled by both: compare within a version. The gain that is held
against the bar is the lesser of the two.

Cycles per megapixel are of the pixels that are kept: a tile's halo is computed and thrown away. Per pixel of the whole
tile is beside it. The ratio is the same, for both have the same tile.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import command, npu_peer
from benchmarks.npu_peer import PeerGraph
from compile import networks
from compile.ethos_u import network_bundle, tosa, vela
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.network_bundle import Request, lowered
from compile.ethos_u.tile import HALO_PX, MULTIPLE_PX
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.networks import SourceNetwork
from isp.atomic import replacing
from isp.errors import ConfigError
from targets.descriptions import Npu, load, names
from targets.toolchain import ToolchainError

OURS, PEER = "this compiler", "ExecuTorch"
FEWER = 0.25
"""By which share of the peer's cycles ours must be fewer,"""
BAR_TARGETS = ("ethos-u55-256", "ethos-u65-512", "ethos-u85-1024")
"""on these targets with 16-bit activations."""
TILE_PX = 192
"""The largest tile of the peer's that fits all targets but the smallest."""
FOLDER = Path("build/npu_peers")


@dataclass(frozen=True)
class Bundle:
    """What a bundle is for a target: sizes in bytes. compile_s: time to quantise and to find the largest tile."""

    target: str
    precision: str
    tile_px: int
    cycles: int
    cycles_per_megapixel: float
    clock_hz: float
    frame_s: float
    tiles_per_frame: int
    sram_bytes: int
    dram_bytes: int
    weights_bytes: int
    payload_bytes: int
    operators: int
    npu_operators: int
    compile_s: float


@dataclass(frozen=True)
class Estimate:
    """One graph by one Vela for one target. fits: whether the target's memory holds the tile."""

    target: str
    precision: str
    by: str
    vela: str
    cycles: int
    sram_bytes: int
    dram_bytes: int
    weights_bytes: int
    operators: int
    npu_operators: int
    fits: bool


@dataclass(frozen=True)
class Gain:
    """By which share of the peer's cycles ours are fewer: the lesser over the versions of Vela."""

    target: str
    precision: str
    fewer: float


def bundles(model: str, targets: Sequence[str]) -> Iterator[Bundle]:
    """What `python -m compile` makes of the first network of a model for each target."""
    family = networks.load(model)
    for target in targets:
        began = time.perf_counter()
        request = Request(load(target), _npu(target), Precision.A16W8, family)
        built = network_bundle.build(request)[0]
        tile, compiled = built.tile, built.tile.compiled
        estimates = compiled.estimates
        yield Bundle(
            target=target,
            precision=str(request.precision),
            tile_px=tile.side_px,
            cycles=estimates.cycles,
            cycles_per_megapixel=tile.cycles_per_megapixel,
            clock_hz=estimates.clock_hz,
            frame_s=tile.frame_s,
            tiles_per_frame=tile.per_frame,
            sram_bytes=estimates.sram_bytes,
            dram_bytes=estimates.dram_bytes,
            weights_bytes=len(compiled.weights),
            payload_bytes=len(compiled.payload),
            operators=estimates.operators,
            npu_operators=estimates.npu_operators,
            compile_s=time.perf_counter() - began,
        )


def estimates(source: SourceNetwork, targets: Sequence[str], arguments: argparse.Namespace) -> Iterator[Estimate]:
    """Both compilers' graphs by both Velas."""
    for precision in Precision:
        network = lowered(source, precision)
        for target in targets:
            npu = _npu(target)
            peer = npu_peer.graph(source, npu, precision, arguments.tile, arguments.python, arguments.folder)
            _report(peer, precision, npu)
            side = arguments.tile // 2
            graphs = {OURS: tosa.write(network, side, side, Layout(npu.layout)), PEER: peer.graph}
            velas = {vela.installed(): sys.executable, peer.versions["ethos-u-vela"]: arguments.python}
            for by, graph in graphs.items():
                for version, python in velas.items():
                    compiled = vela.compiled(graph, npu, python=python)
                    yield _estimate(target, precision, by, version, compiled, npu)


def gains(found: Sequence[Estimate]) -> tuple[Gain, ...]:
    """Of every target and precision."""
    cycles = {(one.target, one.precision, one.vela, one.by): one.cycles for one in found}
    lists: dict[tuple[str, str], list[float]] = {}
    for (target, precision, version, by), theirs in cycles.items():
        if by == PEER:
            fewer = 1 - cycles[target, precision, version, OURS] / theirs
            lists.setdefault((target, precision), []).append(fewer)
    return tuple(Gain(target, precision, min(values)) for (target, precision), values in lists.items())


def bundle_table(found: Sequence[Bundle]) -> str:
    """In Markdown."""
    heads = "target | tile px | Mcycles/MP | 12 MP, s | SRAM KiB | DRAM KiB | constants KiB | operators on the NPU"
    rows = [
        f"| {one.target} | {one.tile_px} | {one.cycles_per_megapixel / 1e6:.1f} | {one.frame_s:.2f} | "
        f"{_kib(one.sram_bytes)} | {_kib(one.dram_bytes)} | {_kib(one.weights_bytes)} | "
        f"{one.npu_operators} of {one.operators} |"
        for one in found
    ]
    return "\n".join([f"| {heads} |", "|---" * 8 + "|", *rows])


def estimate_table(found: Sequence[Estimate], tile_px: int) -> str:
    """In Markdown."""
    heads = (
        *("target", "precision", "graph by", "Vela", "Mcycles/MP kept", "of the tile", "SRAM KiB", "DRAM KiB"),
        *("constants KiB", "operators on the NPU"),
    )
    rows = []
    for one in found:
        kept, whole = (one.cycles / side**2 for side in (tile_px - 2 * HALO_PX, tile_px))
        cells = (
            *(one.target, one.precision, one.by, one.vela, f"{kept:.1f}", f"{whole:.1f}"),
            f"{_kib(one.sram_bytes)}{'' if one.fits else ', too much'}",
            *(_kib(one.dram_bytes), _kib(one.weights_bytes), f"{one.npu_operators} of {one.operators}"),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows])


def gain_table(found: Sequence[Gain]) -> str:
    """In Markdown."""
    rows = []
    for one in found:
        has_bar = one.target in BAR_TARGETS and one.precision == Precision.A16W8
        verdict = "" if not has_bar else "met" if one.fewer >= FEWER else "MISSED"
        rows.append(f"| {one.target} | {one.precision} | {one.fewer:.0%} | {verdict} |")
    return "\n".join([f"| target | precision | fewer cycles | bar of {FEWER:.0%} |", "|---|---|---|---|", *rows])


def _estimate(target: str, precision: Precision, by: str, version: str, compiled: Compiled, npu: Npu) -> Estimate:
    found = compiled.estimates
    fits = found.dram_bytes <= npu.dram_bytes if npu.dram_bytes else found.sram_bytes <= npu.sram_bytes
    return Estimate(
        target=target,
        precision=str(precision),
        by=by,
        vela=version,
        cycles=found.cycles,
        sram_bytes=found.sram_bytes,
        dram_bytes=found.dram_bytes,
        weights_bytes=len(compiled.weights),
        operators=found.operators,
        npu_operators=found.npu_operators,
        fits=fits,
    )


def _report(peer: PeerGraph, precision: Precision, npu: Npu) -> None:
    """Raises ToolchainError for a network in parts, which could not be compared."""
    if peer.delegates != 1:
        raise ToolchainError(f"ExecuTorch gives {npu.accelerator} {precision} in {peer.delegates} parts", expected="1")
    if peer.refused_as_it_is:
        sys.stderr.write(
            f"{npu.accelerator} {precision}: of ExecuTorch's own graph Vela says: {peer.refused_as_it_is}\n"
        )


def _npu(target: str) -> Npu:
    npu = load(target).npu
    if npu is None:
        raise ConfigError(f"target {target} has no NPU", expected=", ".join(_npu_targets()))
    return npu


def _npu_targets() -> tuple[str, ...]:
    return tuple(name for name in names() if name.startswith("ethos-u"))


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.0f}"


def run(arguments: argparse.Namespace) -> None:
    if arguments.tile <= 2 * HALO_PX or arguments.tile % MULTIPLE_PX:
        raise ConfigError(f"--tile {arguments.tile}", expected=f"a multiple of {MULTIPLE_PX} above {2 * HALO_PX}")
    targets = arguments.target or _npu_targets()
    content: dict[str, object] = {"model": arguments.model, "halo_px": HALO_PX}
    if not arguments.no_bundles:
        made = tuple(bundles(arguments.model, targets))
        content |= {"bundles": [asdict(one) for one in made]}
        print(f"{bundle_table(made)}\n")
    if arguments.python is not None:
        found = tuple(estimates(networks.load(arguments.model).networks[0], targets, arguments))
        gained = gains(found)
        content |= {"tile_px": arguments.tile, "estimates": [asdict(one) for one in found]}
        content |= {"gains": [asdict(one) for one in gained]}
        print(f"{estimate_table(found, arguments.tile)}\n\n{gain_table(gained)}")
    if arguments.json is not None:
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--python", metavar="FILE", help="the Python that has ExecuTorch (none: no comparison)")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="targets (all that are Ethos-U)")
    parser.add_argument("--model", default="universal", help="a shipped model (universal)")
    parser.add_argument("--tile", type=int, default=TILE_PX, help=f"side of the compared tile, in px ({TILE_PX})")
    parser.add_argument("--no-bundles", action="store_true", help="leave the table of bundles out")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR", help=f"the peer's graphs ({FOLDER})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for machines, too")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
