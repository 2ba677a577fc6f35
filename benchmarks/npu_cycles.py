"""What an Ethos-U is expected to take for the denoiser, compiled by this project and by ExecuTorch's Arm backend.

    PEERS/bin/pip install 'executorch[ethos-u]==1.5.1' torch==2.13.0 safetensors pydantic
    python -m benchmarks.npu_cycles --python PEERS/bin/python [--target NAME ...] [--tile 192] [--json FILE]

All figures are Vela's estimates; **nothing was timed on silicon**. Both compilers have the same network, weights and
calibration images, the same tile and the same options of Vela. What differs is the graph. ExecuTorch brings a Vela of
its own version, and versions do not agree on what a graph takes, so each graph is compiled by both: compare within a
version. The gain that is held against the bar is the lesser of the two.

Cycles per megapixel are of the pixels that are kept: a tile's halo is computed and thrown away. Per pixel of the whole
tile is beside it. The ratio is the same, for both have the same tile.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import command, npu_peer
from benchmarks.npu_bundles import npu_of, npu_targets
from benchmarks.npu_peer import PeerGraph
from compile import networks
from compile.ethos_u import tosa, vela
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.network_bundle import lowered
from compile.ethos_u.tile import HALO_PX, MULTIPLE_PX
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.networks import SourceNetwork
from isp.atomic import replacing
from isp.errors import ConfigError
from targets.descriptions import Npu
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


def estimates(source: SourceNetwork, targets: Sequence[str], arguments: argparse.Namespace) -> Iterator[Estimate]:
    """Both compilers' graphs by both Velas."""
    for precision in Precision:
        network = lowered(source, precision)
        for target in targets:
            npu = npu_of(target)
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


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.0f}"


def run(arguments: argparse.Namespace) -> None:
    if arguments.tile <= 2 * HALO_PX or arguments.tile % MULTIPLE_PX:
        raise ConfigError(f"--tile {arguments.tile}", expected=f"a multiple of {MULTIPLE_PX} above {2 * HALO_PX}")
    targets = arguments.target or npu_targets()
    found = tuple(estimates(networks.load(arguments.model).networks[0], targets, arguments))
    gained = gains(found)
    print(f"{estimate_table(found, arguments.tile)}\n\n{gain_table(gained)}")
    content = {
        "compared_model": arguments.model,
        "halo_px": HALO_PX,
        "tile_px": arguments.tile,
        "estimates": [asdict(one) for one in found],
        "gains": [asdict(one) for one in gained],
    }
    if arguments.json is not None:
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--python", metavar="FILE", required=True, help="the Python that has ExecuTorch")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="targets (all that are Ethos-U)")
    parser.add_argument("--model", default="universal", help="a shipped model (universal)")
    parser.add_argument("--tile", type=int, default=TILE_PX, help=f"side of the compared tile, in px ({TILE_PX})")
    parser.add_argument("--folder", type=Path, default=FOLDER, metavar="DIR", help=f"the peer's graphs ({FOLDER})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for machines, too")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
