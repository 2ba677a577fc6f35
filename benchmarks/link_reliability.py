"""Jobs over cables that lose, flip, insert and delay bytes: is a result ever wrong, and what does it cost?

    python -m benchmarks.link_reliability [--jobs 10000] [--faults 1e-4 1e-3] [--cables pty tcp] [--seed 1]
                                          [--bundle build/host | --agent PROGRAM] [-o build/link_reliability.json]

The agent is the true one, a process on this machine, with a cable between it and the host: two pseudo terminals or two
TCP sockets, and a thread that hurts the bytes in between. Where faults fall in each direction's stream follows from the
seed. With `--bundle` the agent runs a compiled denoiser, and what it gives over a good cable is what is expected; by
default it runs a stand-in whose results are known, so that nearly all of the time is the link's. Sides of the tiles are
drawn from 16 to 64 px; each tile is another one. Exit code 1 if any result was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import command
from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults, PtyCable, TcpCable
from isp.errors import MismatchError
from targets.link.client import Board

SIDES_PX = (16, 32, 48, 64)
SHOT, READ = (1e-3, 2e-3, 3e-3), (1e-5, 2e-5, 3e-5)
PROGRESS_JOBS = 500

Tile = NDArray[np.float32]
Expected = Callable[[Tile], Tile]


@dataclass(frozen=True)
class Outcome:
    """Of the jobs over one cable. goodput_bytes: of tiles, there and back."""

    cable: str
    faults_per_byte: float
    seed: int
    jobs: int
    wrong_results: int
    seconds: float
    slowest_job_s: float
    goodput_bytes: int
    bytes_sent: int
    bytes_received: int
    retransmits: int
    repeated_in_vain: int
    faults: dict[str, int]

    @property
    def faults_in_all(self) -> int:
        return sum(self.faults.values())


def measure(program: Path, kind: str, faults: Faults, jobs: int, expected: Expected) -> Outcome:
    """Runs jobs over a cable of one kind, `pty` or `tcp`, to an agent of its own."""
    choice = random.Random(faults.seed)
    pixels = np.random.default_rng(faults.seed)
    wrong = goodput_bytes = 0
    slowest_s = 0.0
    with cabled(program, kind, faults) as cable, Board.open(cable.host_url) as board:
        began = time.monotonic()
        for job in range(jobs):
            tile = pixels.random((choice.choice(SIDES_PX), choice.choice(SIDES_PX)), dtype=np.float32)
            job_began = time.monotonic()
            output = board.run(0, SHOT, READ, tile).output
            slowest_s = max(slowest_s, time.monotonic() - job_began)
            wrong += not np.array_equal(output, expected(tile))
            goodput_bytes += 2 * tile.nbytes
            if (job + 1) % PROGRESS_JOBS == 0:
                print(f"{kind} at {faults.per_byte:g}: {job + 1} of {jobs} jobs", file=sys.stderr)
        seconds = time.monotonic() - began
        link = board.link
        return Outcome(
            kind,
            faults.per_byte,
            faults.seed,
            jobs,
            wrong,
            seconds,
            slowest_s,
            goodput_bytes,
            link.bytes_sent,
            link.bytes_received,
            link.retransmits,
            link.repeated_in_vain,
            dict(cable.counts),
        )


@contextmanager
def cabled(program: Path, kind: str, faults: Faults) -> Iterator[PtyCable | TcpCable]:
    """An agent at the far end of a cable."""
    with ExitStack() as stack:
        if kind == "pty":
            terminals = stack.enter_context(PtyCable(faults))
            stack.enter_context(agent_process([program, "--tty", terminals.board_path]))
            yield terminals
        else:
            process = stack.enter_context(agent_process([program, "--tcp", "0"]))
            assert process.stderr is not None
            host, _, port = process.stderr.readline().split()[-1].partition(":")
            yield stack.enter_context(TcpCable((host, int(port)), faults))


@contextmanager
def agent_of(arguments: argparse.Namespace) -> Iterator[tuple[Path, Expected]]:
    """The program that is asked for, and what it computes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="link-reliability-")))
        if arguments.agent:
            program = arguments.agent
        elif arguments.bundle:
            from targets.agent_build import build_agent

            program = build_agent(arguments.bundle, folder / "fan-agent", None)
        else:
            from tests.firmware_hooks.link.programs import LINK, LINUX_PORT, STUBS, build

            program = build(folder / "fan-agent", [*LINK, *STUBS, *LINUX_PORT], "-O2")
            yield program, lambda tile: tile + np.float32(SHOT[0]) - np.float32(READ[2])
            return
        good = stack.enter_context(cabled(program, "tcp", Faults()))
        reference = stack.enter_context(Board.open(good.host_url))
        yield program, lambda tile: reference.run(0, SHOT, READ, tile).output


HEAD = (
    "| cable | faults per byte | jobs | wrong | faults | sent again | ms a job | slowest job, ms | bytes a byte |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def row(outcome: Outcome) -> str:
    """bytes a byte: on the cable, for each byte of the tiles."""
    cost = (outcome.bytes_sent + outcome.bytes_received) / outcome.goodput_bytes
    return (
        f"| {outcome.cable} | {outcome.faults_per_byte:g} | {outcome.jobs:,} | {outcome.wrong_results} | "
        f"{outcome.faults_in_all:,} | {outcome.retransmits:,} | {1e3 * outcome.seconds / outcome.jobs:.1f} | "
        f"{1e3 * outcome.slowest_job_s:.0f} | {cost:.2f} |"
    )


def run(arguments: argparse.Namespace) -> None:
    outcomes = []
    with agent_of(arguments) as (program, expected):
        print(HEAD)
        for per_byte in arguments.faults:
            for kind in arguments.cables:
                outcome = measure(program, kind, Faults(per_byte, arguments.seed), arguments.jobs, expected)
                print(row(outcome), flush=True)
                outcomes.append(outcome)
    if arguments.output:
        arguments.output.write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=2) + "\n")
    if wrong := sum(outcome.wrong_results for outcome in outcomes):
        raise MismatchError(f"{wrong} results are wrong")


def parser() -> argparse.ArgumentParser:
    made = command.parser(__doc__)
    made.add_argument("--jobs", type=int, default=10_000, help="for each cable and rate (default: %(default)s)")
    made.add_argument("--faults", type=float, nargs="+", default=[1e-4, 1e-3], help="per byte (default: 1e-4 1e-3)")
    made.add_argument("--cables", nargs="+", choices=("pty", "tcp"), default=["pty", "tcp"])
    made.add_argument("--seed", type=int, default=1)
    source = made.add_mutually_exclusive_group()
    source.add_argument("--bundle", type=Path, help="whose agent is built for this machine")
    source.add_argument("--agent", type=Path, help="a program that was built before")
    made.add_argument("-o", "--output", type=Path, help="JSON")
    return made


if __name__ == "__main__":
    sys.exit(command.execute(run, parser().parse_args()))
