"""Speed of the denoiser's networks beside each other on the host, interleaved on the same threads.

    python -m benchmarks.denoiser_speed [--model NAME[=BUNDLE] ...] [--threads 1]

Each network denoises one tile of 1024 x 1024 pixels, halo included, in PyTorch or by a bundle for this machine. The
figure to quote is the ratio of the medians to the first network's: the milliseconds depend on the machine.
Multiply-accumulates alone don't tell the time, for depthwise layers are cheap in them and move as much memory.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks import command
from denoiser import Denoiser, manifest
from denoiser.denoise import DEFAULT_TILE_PX
from denoiser.models import Member
from denoiser.network import Complexity, complexity
from isp.cfa import Cfa
from isp.errors import ConfigError

LEAST_SHOT = 5e-5
READ = 1e-5
MEGAPIXELS = DEFAULT_TILE_PX**2 / 1e6


@dataclass(frozen=True)
class Contender:
    """One network, what computes it, and the denoiser that chooses it at the member's own noise level."""

    denoiser: Denoiser
    member: Member
    backend: str
    cost: Complexity

    def elapsed_s(self, mosaic: np.ndarray) -> float:
        shot = max(self.member.chosen_from, LEAST_SHOT)
        began = time.perf_counter()
        self.denoiser.denoise(mosaic, Cfa.RGGB, shot, READ)
        return time.perf_counter() - began


def contenders(models: Sequence[str]) -> list[Contender]:
    """Every network of the models named, each once for each of its bundles."""
    found: dict[tuple[str, str], Contender] = {}
    for name, _, bundle in (model.partition("=") for model in models):
        plain = Denoiser(name)
        denoiser = Denoiser("auto", bundle) if bundle else plain
        for member in plain.members:
            cost = complexity(plain.loaded(member).network)
            backend = "compiled" if bundle else "PyTorch"
            found.setdefault((member.sha256, bundle), Contender(denoiser, member, backend, cost))
    return list(found.values())


def medians_s(all_contenders: Sequence[Contender], rounds: int) -> list[float]:
    """Median time of each over interleaved rounds, after one that warms up."""
    mosaic = np.random.default_rng(0).random((DEFAULT_TILE_PX, DEFAULT_TILE_PX), np.float32)
    times: list[list[float]] = [[] for _ in all_contenders]
    order = list(range(len(all_contenders)))
    for turn in range(rounds + 1):
        random.Random(turn).shuffle(order)  # nobody always runs after the same other
        for index in order:
            elapsed_s = all_contenders[index].elapsed_s(mosaic)
            if turn:
                times[index].append(elapsed_s)
    return [statistics.median(values) for values in times]


def run(arguments: argparse.Namespace) -> None:
    for name in ("rounds", "threads"):
        if getattr(arguments, name) < 1:
            raise ConfigError(f"--{name} {getattr(arguments, name)}", expected="1 or more")
    torch.set_num_threads(arguments.threads)
    found = contenders(arguments.model or [model.name for model in manifest.shipped().models])
    elapsed_s = medians_s(found, arguments.rounds)
    print(f"{arguments.threads} thread(s), medians of {arguments.rounds} interleaved rounds\n")
    print("| network | by | parameters | kMAC per raw pixel | ms/MP | ratio to the first |\n|---|---|---|---|---|---|")
    for contender, median_s in zip(found, elapsed_s, strict=True):
        cost = contender.cost
        print(
            f"| {contender.member.name} | {contender.backend} "
            f"| {cost.parameters:,} | {cost.mac_per_raw_pixel / 1e3:.2f} "
            f"| {1e3 * median_s / MEGAPIXELS:.0f} | {median_s / elapsed_s[0]:.2f} |"
        )


def main() -> int:
    parser = command.parser(__doc__)
    parser.add_argument(
        "--model",
        nargs="+",
        metavar="NAME",
        help="families, models or .safetensors files, =BUNDLE for what a bundle makes of one (all, in PyTorch)",
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
