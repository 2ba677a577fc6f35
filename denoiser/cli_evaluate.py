"""`python -m denoiser evaluate`: picture quality on a folder of photographs."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from denoiser.cli_arguments import add_photographs


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="score a model on a folder of photographs at five noise levels",
        description="Unprocesses photographs to RAW, adds noise of known level, denoises, and scores the result beside "
        "the noisy input. The random streams are fixed: scores of different models compare.",
    )
    add_photographs(parser)
    parser.add_argument("--model", default="auto", help="a shipped model's name or a .safetensors file")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    import torch

    from denoiser.denoise import Denoiser
    from denoiser.evaluation.scenes import scenes
    from denoiser.evaluation.scores import evaluate, mean

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = Denoiser(arguments.model)
    noisy = evaluate(lambda mosaic, *_: mosaic, scenes(arguments.photographs))
    clean = evaluate(model.denoise, scenes(arguments.photographs))
    if arguments.json:
        levels = [{"shot": s, "noisy": asdict(noisy[s]), "denoised": asdict(clean[s])} for s in clean]
        sys.stdout.write(json.dumps({"model": model.header.name, "levels": levels}) + "\n")
        return 0
    lines = [
        "| shot noise | noisy raw dB | raw dB | rendered dB | SSIM | dark bias, 1e-4 |",
        "|---|---|---|---|---|---|",
    ]
    rows = [(f"{shot:.1e}", noisy[shot], clean[shot]) for shot in clean]
    rows.append(("mean", mean(noisy.values()), mean(clean.values())))
    lines += [
        f"| {name} | {before.raw_psnr_db:.2f} | {after.raw_psnr_db:.2f} | {after.rendered_psnr_db:.2f} "
        f"| {after.ssim:.4f} | {after.dark_bias:+.2f} |"
        for name, before, after in rows
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
