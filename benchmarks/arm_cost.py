"""What the compiled denoiser costs on Arm cores, beside other engines with the same network and the same weights.

    python -m benchmarks.arm_cost --bundle build/cortex-a72 [--bundle ...] [--size 128]
    python -m benchmarks.arm_cost --prepare-peers build/arm-peers
    python -m benchmarks.arm_cost --bundle build/cortex-a72 --peers build/arm-peers

No Arm core is needed: instructions are counted under QEMU and cycles come from LLVM's models of the cores
(`compile.cost`), so that the figures are the same on every run. **Caches, memory and branch prediction are not
modelled.** One thread, one tile, one call: what a second call adds to the first, so that starting does not count.

What is counted favours the peers: of them it is the code of their own library alone, given packed, normalised planes
and giving the network's output, while the compiled library takes the mosaic and gives it denoised. All outputs are
checked against float64. A multiply-accumulate (MAC) is one of the float network's, however it is computed.

The peers, ncnn, XNNPACK and ONNX Runtime, run under a 64-bit Arm Python that --prepare-peers puts into a folder
(Debian's, unpacked; about 250 MB). Each is told that it runs on the core for which its kernels are counted, and has the
cycles of its kernels for one core told for all of them: LLVM's models are not always of the opinion that a core's own
kernels are the best for it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import arm_python, command
from benchmarks.arm_peers import PEERS, infer
from benchmarks.peers import reference
from benchmarks.peers.reference import Scene
from compile import networks
from compile.bundle import link_runner
from compile.cost import symbols
from compile.cost.block_counts import BlockCount, count_blocks, difference
from compile.cost.machine_code import Kind
from compile.cost.program_cost import KERNELS, Cost, cost_of, instruction_mix
from compile.cost.symbols import FunctionTable
from compile.networks import SourceNetwork
from compile.relax_import import to_graph, to_relax
from denoiser import bundle
from denoiser.network import INPUT_CHANNELS, complexity
from isp.errors import ConfigError, InputError, MismatchError
from targets import toolchain
from targets.descriptions import Precision, load
from targets.toolchain import ToolchainError

CORES = ("cortex-a55", "cortex-a72", "cortex-a76")
SHOT = 1e-3
CACHE = Path("build/cost")
MULTIPLE_PX = 16
LIBRARY_OBJECTS = ("lib/kernels.o", "lib/fan.o", "lib/fan_model.o")
CLEARING = "__memset"
"""What the engine calls of the C library."""
PEER_TOLERANCE = 1e-4
"""Of the network's output, in its own units; float32 leaves an error of some 1e-5."""


@dataclass(frozen=True)
class Measured:
    """One call. blocks: executed in it. functions: names of what they belong to. lanes: of a vector in the kernels.
    max_error: of the output, in its own units."""

    title: str
    precision: str
    lanes: int
    blocks: tuple[BlockCount, ...]
    functions: FunctionTable
    max_error: float

    def cost(self, core: str, cache: Path) -> Cost:
        return cost_of(self.blocks, self.functions, core, cache)


def measure_bundle(folder: Path, scene: Scene, network: SourceNetwork, cache: Path) -> Measured:
    """One `fan_run` of the bundle's first specialist. Raises InputError for a bundle of other weights."""
    manifest = bundle.read(folder).manifest
    if manifest.specialists[0].sha256 != network.member.sha256:
        raise InputError(f"{folder}: compiled from other weights", expected=f"those of {network.member.name}")
    target = load(manifest.target)
    compiler, prefix = toolchain.find_compiler(target), toolchain.run_prefix(target)
    if compiler is None or not prefix:
        raise ToolchainError(f"{folder}: {toolchain.missing_to_run(target)}")
    with tempfile.TemporaryDirectory(prefix="fan-cost-") as name:
        work = Path(name)
        runner, source, output = work / "runner", work / "in.f32", work / "out.f32"
        link_runner(compiler, folder, runner)
        np.load(scene.mosaic).astype("<f4").tofile(source)
        noise = [repr(float(np.float32(value))) for value in (*scene.noise.shot, *scene.noise.read)]
        arguments = ["0", str(source), str(output), str(scene.width), str(scene.height), *noise]
        functions = symbols.read(runner)
        of_library = frozenset().union(*(symbols.names(folder / part) for part in LIBRARY_OBJECTS))

        def counted(calls: int) -> list[BlockCount]:
            # The runner's own work depends on the time: it prints it.
            blocks = count_blocks(prefix, runner, [*arguments, str(calls)], cache)
            names = (functions.name_at(block.address) for block in blocks)
            return [b for b, n in zip(blocks, names, strict=True) if n in of_library or n.startswith(CLEARING)]

        blocks = difference(counted(2), counted(1))
        found = np.fromfile(output, "<f4").reshape(scene.height, scene.width)
    precision = Precision(manifest.precision)
    error = scene.mosaic_error(found)
    if error > target.thresholds[precision].max_error:
        raise MismatchError(f"{folder}: off by {error:.1e}", expected=f"{target.thresholds[precision].max_error:.0e}")
    return Measured(f"compiled for {target.name}", str(precision), target.lanes[precision], blocks, functions, error)


def measure_peers(folder: Path, scene: Scene, network: SourceNetwork, cache: Path) -> Iterator[Measured]:
    """One inference in each peer, with its kernels for each core. Raises ConfigError where they are not prepared."""
    python = arm_python.find(folder)
    graph = to_graph(to_relax(network.network, INPUT_CHANNELS))
    planes = np.load(scene.planes)[0]
    for peer in PEERS:
        for core in peer.cores:
            inference = infer(peer, core, python, graph, planes, cache)
            error = scene.residual_error(inference.found[None])
            if error > PEER_TOLERANCE:
                raise MismatchError(f"{peer.title}: off by {error:.1e}", expected=f"at most {PEER_TOLERANCE:.0e}")
            title = f"{peer.title}, kernels for {core.name}"
            yield Measured(title, str(Precision.FLOAT32), 4, inference.blocks, FunctionTable(()), error)


def whole_table(measured: Sequence[Measured], macs: float, cache: Path) -> list[str]:
    """Instructions and cycles of everything."""
    cycles = " | ".join(f"cycles/MAC {core}" for core in CORES)
    lines = [f"| | precision | instructions/MAC | {cycles} | max error |", "|---" * (len(CORES) + 4) + "|"]
    for each in measured:
        costs = [each.cost(core, cache) for core in CORES]
        figures = " | ".join(f"{cost.cycles / macs:.4f}" for cost in costs)
        per_mac = costs[0].instructions / macs
        lines.append(f"| {each.title} | {each.precision} | {per_mac:.4f} | {figures} | {each.max_error:.1e} |")
    return lines


def mix_table(measured: Sequence[Measured], macs: float) -> list[str]:
    """Instructions of each kind per MAC."""
    lines = [f"| instructions/MAC | {' | '.join(Kind)} |", "|---" * (len(Kind) + 1) + "|"]
    for each in measured:
        mix = instruction_mix(each.blocks)
        lines.append(f"| {each.title}, {each.precision} | {' | '.join(f'{mix[kind] / macs:.4f}' for kind in Kind)} |")
    return lines


def kernel_table(measured: Measured, cache: Path) -> list[str]:
    """The kernels of a bundle, those that take the most cycles on the first core first."""
    costs = [measured.cost(core, cache) for core in CORES]
    heads = " | ".join(f"{core}: share | cycles/FMA lane" for core in CORES)
    lines = [f"| function | instructions/FMA lane | {heads} |", "|---" * (2 + 2 * len(CORES)) + "|"]
    for name in sorted(costs[0].by_symbol, key=lambda name: -costs[0].by_symbol[name].cycles):
        if costs[0].by_symbol[name].cycles < costs[0].cycles / 1000:
            continue
        own = [block for block in measured.blocks if measured.functions.name_at(block.address) == name]
        products = measured.lanes * instruction_mix(own)[Kind.FMA]
        cells = [_per(costs[0].by_symbol[name].instructions, products)]
        for cost in costs:
            cells += [f"{cost.by_symbol[name].cycles / cost.cycles:.1%}", _per(cost.by_symbol[name].cycles, products)]
        lines.append(f"| {name.removeprefix(KERNELS)} | {' | '.join(cells)} |")
    return lines


def _per(value: float, products: int) -> str:
    return f"{value / products:.3f}" if products else "-"


def run(arguments: argparse.Namespace) -> None:
    if arguments.prepare_peers is not None:
        arm_python.prepare(arguments.prepare_peers)
    if not arguments.bundle and arguments.prepare_peers is None:
        raise ConfigError("nothing to measure", remedy="name a bundle with --bundle")
    if not arguments.bundle:
        return
    if arguments.size < MULTIPLE_PX or arguments.size % MULTIPLE_PX:
        raise ConfigError(f"--size {arguments.size}", expected=f"a multiple of {MULTIPLE_PX}")
    network = networks.load(bundle.read(arguments.bundle[0]).manifest.family).networks[0]
    macs = complexity(network.network).mac_per_raw_pixel * arguments.size**2
    measured: list[Measured] = []
    with tempfile.TemporaryDirectory(prefix="fan-scene-") as folder:
        # The scene's network is made float64 where it stands.
        exact = networks.load(bundle.read(arguments.bundle[0]).manifest.family).networks[0].network.eval()
        scene = reference.make(exact, arguments.size, arguments.size, SHOT, Path(folder))
        measured += (measure_bundle(each, scene, network, arguments.cache) for each in arguments.bundle)
        if arguments.peers is not None:
            measured += measure_peers(arguments.peers, scene, network, arguments.cache)
    print(f"A tile of {arguments.size} x {arguments.size} mosaic pixels, {macs / 1e6:.1f} million MAC, one thread.")
    print("Caches are not modelled.\n")
    print("\n".join([*whole_table(measured, macs, arguments.cache), "", *mix_table(measured, macs)]))
    for each in measured[: len(arguments.bundle)]:
        print(f"\n{each.title}, {each.precision}:\n")
        print("\n".join(kernel_table(each, arguments.cache)))


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--bundle", type=Path, action="append", default=[], metavar="DIR", help="may be repeated")
    parser.add_argument("--size", type=int, default=128, help="side of the tile in mosaic pixels (128)")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="measure the peers prepared there, too")
    parser.add_argument("--prepare-peers", type=Path, metavar="DIR", help="download the peers into a folder first")
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help=f"what is made once ({CACHE})")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
