"""`python -m denoiser evaluate`: picture quality on photographs, on bursts and on the public data sets."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from denoiser.cli_arguments import existing_folder
from isp.cfa import Cfa
from isp.errors import ConfigError

if TYPE_CHECKING:
    from denoiser.evaluation.candidates import Candidate
    from denoiser.evaluation.comparison import Comparison
    from denoiser.evaluation.data_set import DataSetScores
    from isp.cli.console import Progress

log = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="score models on photographs, static bursts, SIDD or DND",
        description="Photographs are unprocessed to RAW, given noise of known level and denoised; the random streams "
        "are fixed, so that scores of different models compare. Bursts are of a static scene: each frame is held "
        "against the mean of the others. Of SIDD, the validation blocks are scored. DND keeps its clean images to "
        "itself: what its server scores is written.",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--photographs", type=existing_folder, metavar="DIR", help="folder of sRGB photographs")
    source.add_argument(
        "--bursts", type=existing_folder, metavar="DIR", help="folder of .npz bursts, or of folders of RAW files"
    )
    source.add_argument(
        "--sidd", type=existing_folder, metavar="DIR", help="folder with SIDD's Validation*BlocksRaw.mat"
    )
    source.add_argument("--dnd", type=existing_folder, metavar="DIR", help="folder of the Darmstadt Noise Dataset")
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="auto (the default), a family, a model or a .safetensors file; may be given again to compare several",
    )
    parser.add_argument("--report", type=Path, metavar="DIR", help="write evaluation.json and evaluation.html there")
    parser.add_argument("--submission", type=Path, metavar="OUT", help="write what the server of SIDD or DND takes")
    parser.add_argument("--cfa", choices=list(Cfa), help="colours of .npz and bare .png bursts")
    parser.add_argument("--black", type=float, metavar="DN", help="black of such bursts")
    parser.add_argument("--white", type=float, metavar="DN", help="white of such bursts")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads")
    parser.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    models = arguments.model or ["auto"]
    _check(arguments, models)
    if arguments.report:
        _make_folder(arguments.report)

    import torch

    from denoiser.evaluation.candidates import candidates

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    under_test = candidates(models)
    if arguments.submission:
        return _submit(arguments, under_test[0])
    document, text = (
        _photographs(arguments.photographs, under_test, arguments.report)
        if arguments.photographs
        else _data_set(arguments, under_test)
    )
    sys.stdout.write(json.dumps(document) + "\n" if arguments.json else text)
    return 0


def _check(arguments: argparse.Namespace, models: Sequence[str]) -> None:
    """Refuses, before anything slow, what doesn't go together."""
    if arguments.threads is not None and arguments.threads < 1:
        raise ConfigError(f"--threads {arguments.threads}", expected="1 or more")
    layout = (arguments.cfa, arguments.black, arguments.white)
    if not arguments.bursts and any(value is not None for value in layout):
        raise ConfigError("--cfa, --black or --white without bursts", expected="--bursts DIR with them")
    if arguments.submission:
        if not (arguments.sidd or arguments.dnd):
            raise ConfigError("--submission without a server to submit to", expected="--sidd DIR or --dnd DIR")
        if len(set(models)) > 1:
            raise ConfigError(f"--submission of {len(set(models))} models", expected="one --model")
        if arguments.report or arguments.json:
            raise ConfigError(
                "a submission has no scores to report", expected="no --report or --json with --submission"
            )
    elif arguments.dnd:
        raise ConfigError(
            "DND's clean images are not public, so nothing can be scored here", expected="--submission OUT with --dnd"
        )


def _photographs(
    folder: Path, under_test: Sequence[Candidate], report: Path | None
) -> tuple[Mapping[str, object], str]:
    from denoiser.evaluation.comparison import compare
    from denoiser.evaluation.crops import choose_spots
    from denoiser.evaluation.document import comparison_document
    from denoiser.evaluation.rivals import measured_on, why_left_out
    from denoiser.evaluation.scenes import photographs

    found = photographs(folder)
    comparison = compare(folder, found, under_test, choose_spots(found) if report else ())
    if not measured_on(comparison.noisy.levels):
        log.warning("%s", why_left_out(comparison.noisy.levels))
    document = comparison_document(comparison)
    if report:
        from denoiser.evaluation.report import comparison_page, write_report

        write_report(report, document, comparison_page(comparison))
    return document, _comparison_text(comparison)


def _comparison_text(comparison: Comparison) -> str:
    """A Markdown table for each candidate."""
    lines = []
    noisy = comparison.noisy
    for candidate, result in zip(comparison.candidates, comparison.results, strict=True):
        networks = ", ".join(
            f"{network.name}: {network.parameters:,} parameters, {network.kmac_per_px:.2f} kMAC per raw pixel"
            for network in candidate.networks
        )
        lines += [
            f"{candidate.label} ({networks})",
            "",
            "| shot noise | noisy raw dB | raw dB | rendered dB | SSIM | dark bias, 1e-4 |",
            "|---|---|---|---|---|---|",
        ]
        rows = [(f"{shot:.1e}", noisy.levels[shot], after) for shot, after in result.levels.items()]
        lines += [
            f"| {name} | {before.raw_psnr_db:.2f} | {after.raw_psnr_db:.2f} | {after.rendered_psnr_db:.2f} "
            f"| {after.ssim:.4f} | {after.dark_bias:+.2f} |"
            for name, before, after in (*rows, ("mean", noisy.mean, result.mean))
        ]
        lines.append("")
    return "\n".join(lines)


def _data_set(arguments: argparse.Namespace, under_test: Sequence[Candidate]) -> tuple[Mapping[str, object], str]:
    from denoiser.evaluation.document import data_set_document

    scores = _bursts(arguments, under_test) if arguments.bursts else _sidd(arguments.sidd, under_test)
    document = data_set_document(scores)
    if arguments.report:
        from denoiser.evaluation.report import data_set_page, write_report

        write_report(arguments.report, document, data_set_page(scores))
    return document, _data_set_text(scores)


def _bursts(arguments: argparse.Namespace, under_test: Sequence[Candidate]) -> DataSetScores:
    from denoiser.calibration.captures import Layout
    from denoiser.evaluation import bursts
    from denoiser.evaluation.data_set import DataSetScores
    from isp.cli.console import Progress

    layout = Layout(arguments.cfa and Cfa(arguments.cfa), arguments.black, arguments.white)
    rows = []
    with Progress(len(under_test)) as progress:
        for candidate in under_test:
            progress.show(candidate.label)
            rows.append(tuple(bursts.evaluate(candidate.denoise, arguments.bursts, layout=layout)))
            progress.finish_item(candidate.label)
    return DataSetScores("bursts", "Static bursts", arguments.bursts, tuple(under_test), tuple(rows))


def _sidd(folder: Path, under_test: Sequence[Candidate]) -> DataSetScores:
    from denoiser.evaluation import sidd
    from denoiser.evaluation.data_set import DataSetScores
    from isp.cli.console import Progress

    rows = []
    with Progress(len(under_test)) as progress:
        for candidate in under_test:
            rows.append((sidd.evaluate(candidate.denoise, folder, _parts(progress, candidate)),))
            progress.finish_item(candidate.label)
    return DataSetScores("sidd", "SIDD validation", folder, tuple(under_test), tuple(rows))


def _parts(progress: Progress, candidate: Candidate) -> Callable[[int, int], None]:
    return lambda done, total: progress.show(f"{candidate.label}: {done} of {total}", part=done / total)


def _data_set_text(scores: DataSetScores) -> str:
    """A Markdown table for each candidate."""
    from denoiser.evaluation.data_set import as_cells

    lines = []
    for candidate, rows in zip(scores.candidates, scores.rows, strict=True):
        table = [as_cells(row) for row in rows]
        lines += [candidate.label, "", f"| {' | '.join(table[0])} |", "|---" * len(table[0]) + "|"]
        lines += [f"| {' | '.join(cells.values())} |" for cells in table]
        lines.append("")
    return "\n".join(lines)


def _submit(arguments: argparse.Namespace, candidate: Candidate) -> int:
    from isp.cli.console import Progress

    with Progress(1) as progress:
        if arguments.sidd:
            from denoiser.evaluation import sidd

            sidd.write_submission(candidate.denoise, arguments.sidd, arguments.submission, _parts(progress, candidate))
        else:
            from denoiser.evaluation import dnd

            dnd.write_submission(candidate.denoise, arguments.dnd, arguments.submission, _parts(progress, candidate))
    sys.stdout.write(f"{arguments.submission}\n")
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}", expected="a folder that can be written") from error
