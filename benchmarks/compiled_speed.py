"""Speed of the compiled denoiser beside other engines that run the same network with the same weights.

    python -m benchmarks.compiled_speed --bundle build/host [--threads 1 2] [--sizes 256 512] [--frame 4000x3000]

The peers are optional: one that isn't installed is a line that says what to install. A virtual environment of their
own leaves this one alone; `--python` names its interpreter:

    python -m venv PEERS
    PEERS/bin/pip install -c constraints.txt -e . onnxruntime onnx openvino ncnn pnnx executorch
    python -m benchmarks.compiled_speed --bundle build/host --python PEERS/bin/python

Every engine has a process of its own, confined to as many CPUs as there are threads and stopped while another one
has its turn. Each is first checked against float64 (one that is off by more than 1e-3 is reported, not timed), then
all take their turns in rounds, in another order each time. The figure to quote is the ratio of times of the same
round: the milliseconds depend on the machine, which should have nothing else to do.

What is timed favours the peers: they get packed, normalised planes and give the network's output, while the compiled
library takes the mosaic and gives it denoised. A frame's sides are rounded up to multiples of 16; peers run it whole
and in pieces, and the faster counts.
Memory is that of the whole process: its largest resident set, and what was resident before the first run. PyTorch and
ExecuTorch bring PyTorch's own libraries with them, torch.compile its compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks import command
from benchmarks.peers import PEERS, reference
from benchmarks.peers.comparison import Absence, Comparison
from benchmarks.peers.contestants import (
    COMPILED,
    DENOISER,
    SGEMM,
    Bench,
    Contestant,
    Network,
    available_cpus,
    open_compiled,
    open_denoiser,
    open_peer,
    open_sgemm,
    reason,
)
from benchmarks.peers.reference import Scene
from benchmarks.peers.session import EngineError
from denoiser import bundle, weights_file
from denoiser.compiled import MULTIPLE_PX
from denoiser.network import complexity, receptive_field
from denoiser.weights_file import WEIGHTS_FOLDER
from isp.errors import ConfigError, MismatchError
from isp.report.sidecar import sha256


def compare(bench: Bench, scene: Scene, threads: int, rounds: int, peers: list[str], frame: bool) -> Comparison:
    """All engines on one scene, interleaved. frame: the scene is one, which the ISP's way is measured on, too."""
    cpus = available_cpus()[-threads:]
    title = f"{'Frame' if frame else 'Tile'} of {scene.width} x {scene.height} px"
    openers: dict[str, Callable[[ExitStack], Contestant]] = {
        SGEMM: lambda stack: open_sgemm(cpus, stack),
        COMPILED: lambda stack: open_compiled(bench, scene, cpus, stack),
    }
    if frame:
        openers[DENOISER] = lambda stack: open_denoiser(bench, scene, cpus, stack)
    for name in peers:
        openers[name] = lambda stack, name=name: open_peer(bench, name, scene, cpus, stack)  # type: ignore[misc]
    contestants: dict[str, Contestant] = {}
    absent: list[Absence] = []

    def leave_out(name: str, error: EngineError) -> None:
        contestants.pop(name, None)
        absent.append(Absence(PEERS[name].title if name in PEERS else name, reason(error, PEERS.get(name))))

    with ExitStack() as stack:
        for name, opener in openers.items():
            sys.stderr.write(f"{title}, {threads} thread(s): {name}\n")
            try:
                contestants[name] = opener(stack)
            except EngineError as error:
                leave_out(name, error)
        for turn in range(rounds):
            order = list(contestants)
            random.Random(turn).shuffle(order)  # nobody always runs after the same other
            for name in order:
                try:
                    contestants[name].turn()
                except EngineError as error:
                    leave_out(name, error)
        done = {name: contestant.finished() for name, contestant in contestants.items()}
    others = [done[DENOISER]] if DENOISER in done else []
    timed_peers = [done[name] for name in peers if name in done]
    return Comparison(
        title, threads, done.get(SGEMM), done.get(COMPILED), tuple(others), tuple(timed_peers), tuple(absent)
    )


def opened_network(folder: Path, weights: Path) -> Network:
    """The network of a bundle that was compiled from a weights file. Raises ConfigError if there is none."""
    network, header = weights_file.load(weights)
    digest = sha256(weights)
    opened = bundle.read(folder)
    names = [one.name for one in opened.manifest.specialists if one.sha256 == digest]
    if not names:
        held = ", ".join(one.name for one in opened.manifest.specialists)
        raise ConfigError(f"{folder} was not compiled from {weights}", expected=f"the weights of {held}")
    architecture = header.architecture
    return Network(
        folder.resolve(),
        names[0],
        weights.resolve(),
        digest,
        receptive_field(architecture),
        architecture.stride,
        complexity(network).mac_per_raw_pixel,
    )


def images(arguments: argparse.Namespace) -> list[tuple[int, int, bool]]:
    """(height, width, whether it is a frame) of what is denoised, rounded up."""
    found = [(size, size, False) for size in arguments.sizes]
    for frame in arguments.frame:
        sides = frame.split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            raise ConfigError(f"--frame {frame}", expected="width x height, like 4000x3000")
        found.append((int(sides[1]), int(sides[0]), True))
    return [
        (-(-height // MULTIPLE_PX) * MULTIPLE_PX, -(-width // MULTIPLE_PX) * MULTIPLE_PX, f)
        for height, width, f in found
    ]


def run(arguments: argparse.Namespace) -> None:
    counts = [*arguments.threads, *arguments.sizes, arguments.rounds, arguments.frame_rounds, arguments.piece_px]
    if min(counts) < 1:
        raise ConfigError("a number below 1", expected="1 or more threads, pixels and rounds")
    if max(arguments.threads) > len(available_cpus()):
        raise ConfigError(f"--threads {max(arguments.threads)}", expected=f"at most {len(available_cpus())} here")
    network = opened_network(arguments.bundle, arguments.weights)
    least_px = 4 * network.halo
    if arguments.piece_px <= least_px:
        raise ConfigError(f"--piece-px {arguments.piece_px}", expected=f"more than {least_px}, which is all halo")
    if not arguments.json:
        load = os.getloadavg()[0]
        print(f"{processor()}, {len(available_cpus())} CPUs, load average {load:.1f} at the start\n", flush=True)
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        models = arguments.models or Path(temporary) / "models"
        models.mkdir(parents=True, exist_ok=True)
        bench = Bench(network, arguments.python, models.resolve(), arguments.piece_px)
        for height, width, frame in images(arguments):
            loaded, header = weights_file.load(network.weights)
            scene = reference.make(loaded, height, width, header.shot_range[1], Path(temporary))
            rounds = arguments.frame_rounds if frame else arguments.rounds
            for threads in arguments.threads:
                results.append(compare(bench, scene, threads, rounds, arguments.peers, frame))
                if not arguments.json:
                    print(results[-1].table(), flush=True)
    if arguments.json:
        print(json.dumps({"processor": processor(), "comparisons": [one.as_dict() for one in results]}, indent=2))
    check_compiled(results)


def check_compiled(results: list[Comparison]) -> None:
    """Raises MismatchError if the library was not timed because its result is wrong, or it failed."""
    for one in results:
        for absence in one.absent:
            if absence.title in (COMPILED, DENOISER):
                raise MismatchError(f"{one.image}, {one.threads} thread(s): {absence.title} {absence.reason}")


def processor() -> str:
    """What the machine calls its processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument("--bundle", type=Path, required=True, help="made by `python -m compile --target host`")
    parser.add_argument("--weights", type=Path, default=WEIGHTS_FOLDER / "universal.safetensors")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--sizes", type=int, nargs="*", default=[256, 512], metavar="PX", help="sides of tiles")
    parser.add_argument("--frame", nargs="*", default=["4000x3000"], metavar="WxH", help="whole frames")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, metavar="NAME", help=", ".join(PEERS))
    parser.add_argument("--python", default=sys.executable, help="interpreter of the peers (this one)")
    parser.add_argument("--models", type=Path, help="folder that keeps converted networks (a temporary one)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--frame-rounds", type=int, default=5)
    parser.add_argument("--piece-px", type=int, default=1024, help="longest side of the pieces that peers try")
    parser.add_argument("--json", action="store_true")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
