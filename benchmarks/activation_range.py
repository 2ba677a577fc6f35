"""Largest activation of every layer over the noise range: what a fixed-point format must hold.

    python -m benchmarks.activation_range --photographs DIR [--model NAME]

Runs crops of the held-out photographs at noise levels from 5e-5 to 2e-2 through the network and prints, for
each layer, the largest absolute value of its output, the level at which it occurs, and its ratio to the 99.9th
percentile: a large ratio wastes the bits of an 8-bit format. float16 ends at 65,504.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import command
from denoiser.cli_arguments import add_photographs
from denoiser.denoise import Denoiser
from denoiser.normalisation import network_input
from denoiser.training import photographs
from denoiser.training.noise_synthesis import SHOT_RANGE, corrupt
from denoiser.training.unprocess import pack_rggb, unprocess

CROPS, CROP_PX, LEVELS = 16, 256, 6


def run(arguments: argparse.Namespace) -> None:
    denoiser = Denoiser(arguments.model)
    network = denoiser.loaded(denoiser.members[0]).network
    largest: dict[str, tuple[float, float, float]] = {}
    level = 0.0

    def record(name: str) -> object:
        def hook(_layer: nn.Module, _inputs: object, output: Tensor) -> None:
            size = output.abs()
            peak = float(size.max())
            if name not in largest or peak > largest[name][0]:
                usual = float(np.quantile(size.flatten()[:: max(1, size.numel() // 1_000_000)].numpy(), 0.999))
                largest[name] = (peak, level, usual)

        return hook

    for name, layer in network.named_modules():
        if not list(layer.children()) or type(layer).__name__ in {"FeatureAlign", "ResidualBlock"}:
            layer.register_forward_hook(record(name or "network"))
    generator = torch.Generator().manual_seed(3)
    _, held_out = photographs.load(arguments.photographs, CROP_PX)
    clean = pack_rggb(unprocess(held_out.crops(CROPS, CROP_PX, generator), generator))
    with torch.no_grad():
        for level in np.geomspace(*SHOT_RANGE, LEVELS):
            batch = corrupt(clean, generator, (level, level * 1.0001))
            network(network_input(batch.noisy, batch.shot, batch.read))
    print("| layer | largest | at shot noise | ratio to the 99.9th percentile |\n|---|---|---|---|")
    for name, (peak, at, usual) in largest.items():
        print(f"| {name} | {peak:.2f} | {at:.1e} | {peak / max(usual, 1e-9):.1f} |")


def main() -> int:
    parser = command.parser(__doc__)
    add_photographs(parser)
    parser.add_argument("--model", default="universal", help="one model; of a family, its cleanest is looked at")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
