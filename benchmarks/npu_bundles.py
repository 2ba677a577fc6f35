"""What `python -m compile` makes of each shipped family for each Ethos-U: tile, estimates, and how many integers agree.

    python -m benchmarks.npu_bundles [--model NAME ...] [--target NAME ...] [--tile PX] [--json FILE]

Cycles, times and memory are Vela's estimates for the family's slowest network; **nothing was timed on silicon**. Cycles
per megapixel are of the pixels that are kept: a tile's halo is computed and thrown away. The integers are those of the
golden tiles of every network: what a simulator makes of the compiled command stream, against Arm's TOSA reference
model. There is no simulator of Ethos-U85. The losses are those of the golden tiles; on photographs they are
`benchmarks.npu_quality`'s.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import command
from compile import networks
from compile.ethos_u import network_bundle, tosa, vela, verification
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.network_bundle import Built, Request
from compile.ethos_u.tosa import Layout
from denoiser import manifest
from isp.atomic import replacing
from isp.errors import ConfigError
from targets.descriptions import Npu, load, names


@dataclass(frozen=True)
class Bundle:
    """A family for a target: sizes in bytes, those of constants and payloads of all its networks together.

    other_layout_cycles: of a tile whose input and output have their dimensions in the other order. values, bits: that
    the simulator was compared by. differing: values. failing: golden tiles that fail for any reason, of `tiles`.
    compile_s: to quantise, to find the largest tile and to verify.
    """

    model: str
    target: str
    precision: str
    networks: int
    tile_px: int
    cycles: int
    other_layout_cycles: int
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
    tiles: int
    values: int
    bits: int
    differing: int
    failing: int
    loss_db: float
    dark_loss_db: float
    compile_s: float


def bundles(model: str, targets: Sequence[str], tile_px: int | None) -> Iterator[Bundle]:
    """Compiles and verifies a family for each target."""
    family, precision = networks.load(model), Precision.A16W8
    began = time.perf_counter()
    integers = tuple(network_bundle.lowered(source, precision) for source in family.networks)
    lowering_s = time.perf_counter() - began
    for target in targets:
        began = time.perf_counter()
        request = Request(load(target), npu_of(target), precision, family, tile_px)
        built = network_bundle.fitted(request, integers)
        with tempfile.TemporaryDirectory(prefix="fan-evidence-") as folder:
            results = network_bundle.verified(request, built, Path(folder))
        compile_s = lowering_s + time.perf_counter() - began
        slowest = max(built, key=lambda one: one.tile.compiled.estimates.cycles)
        tile, estimates = slowest.tile, slowest.tile.compiled.estimates
        compared = [one for one in results if one.differing is not None]
        values, worst = sum(one.values for one in compared), verification.worst(results)
        yield Bundle(
            model=model,
            target=target,
            precision=str(precision),
            networks=len(built),
            tile_px=tile.side_px,
            cycles=estimates.cycles,
            other_layout_cycles=_turned_cycles(slowest, request),
            cycles_per_megapixel=tile.cycles_per_megapixel,
            clock_hz=estimates.clock_hz,
            frame_s=tile.frame_s,
            tiles_per_frame=tile.per_frame,
            sram_bytes=estimates.sram_bytes,
            dram_bytes=estimates.dram_bytes,
            weights_bytes=sum(len(one.tile.compiled.weights) for one in built),
            payload_bytes=sum(len(one.tile.compiled.payload) for one in built),
            operators=estimates.operators,
            npu_operators=estimates.npu_operators,
            tiles=len(results),
            values=values,
            bits=values * 8 * precision.activation.itemsize,
            differing=sum(one.differing or 0 for one in compared),
            failing=sum(bool(one.failure) for one in results),
            loss_db=worst.loss_db,
            dark_loss_db=worst.dark_loss_db,
            compile_s=compile_s,
        )


def estimate_table(found: Sequence[Bundle]) -> str:
    """In Markdown."""
    heads = (
        *("model", "target", "tile px", "Mcycles/MP", "other layout", "tiles of 12 MP", "12 MP, s", "SRAM KiB"),
        *("DRAM KiB", "constants KiB", "operators on the NPU", "compile s"),
    )
    rows = [
        (
            *(one.model, one.target, f"{one.tile_px}", f"{one.cycles_per_megapixel / 1e6:.1f}"),
            *(f"{one.other_layout_cycles / one.cycles - 1:+.1%}", f"{one.tiles_per_frame}", f"{one.frame_s:.2f}"),
            *(f"{size / 1024:,.0f}" for size in (one.sram_bytes, one.dram_bytes, one.weights_bytes)),
            *(f"{one.npu_operators} of {one.operators}", f"{one.compile_s:.0f}"),
        )
        for one in found
    ]
    return _table(heads, rows)


def exactness_table(found: Sequence[Bundle]) -> str:
    """In Markdown."""
    heads = (
        *("model", "target", "golden tiles", "integers compared", "bits", "integers that differ"),
        *("greatest loss, dB", "in the dark, dB", "verdict"),
    )
    rows = []
    for one in found:
        compared = (f"{one.values:,}", f"{one.bits:,}", f"{one.differing:,}") if one.values else ("-",) * 3
        verdict = f"{one.failing} FAIL" if one.failing else "passes"
        losses = (f"{one.loss_db:+.4f}", f"{one.dark_loss_db:+.4f}")
        rows.append((one.model, one.target, f"{one.tiles}", *compared, *losses, verdict))
    return _table(heads, rows)


def npu_of(target: str) -> Npu:
    """Of a target by its name. Raises ConfigError where it has none."""
    npu = load(target).npu
    if npu is None:
        raise ConfigError(f"target {target} has no NPU", expected=", ".join(npu_targets()))
    return npu


def npu_targets() -> tuple[str, ...]:
    """Names of those that are described."""
    return tuple(name for name in names() if name.startswith("ethos-u"))


def _turned_cycles(built: Built, request: Request) -> int:
    """Of the same tile with its input and output in the other order."""
    (other,) = set(Layout) - {request.layout}
    side = built.tile.side_px // 2
    return vela.compiled(tosa.write(built.network, side, side, other), request.npu).estimates.cycles


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, ("---",) * len(heads), *rows)]
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> None:
    families = dict.fromkeys(str(model.family) for model in manifest.shipped().models)
    found: list[Bundle] = []
    for model in arguments.model or families:
        for one in bundles(model, arguments.target or npu_targets(), arguments.tile):
            sys.stderr.write(f"{one.model}, {one.target}: {one.differing:,} of {one.values:,} integers differ\n")
            found.append(one)
    print(f"{estimate_table(found)}\n\n{exactness_table(found)}")
    if arguments.json is not None:
        content = {"bundles": [asdict(one) for one in found]}
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--model", nargs="+", metavar="NAME", help="families or models (every family that is shipped)")
    parser.add_argument("--target", nargs="+", metavar="NAME", help="targets (all that are Ethos-U)")
    parser.add_argument("--tile", type=int, metavar="PX", help="side of the tile (the largest that fits the target)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it for machines, too")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
