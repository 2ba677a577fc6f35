"""`run`: develops captures."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from isp.cli import paths, settings
from isp.cli.batch import Failed, Result, Task, develop_all
from isp.cli.console import Progress, about
from isp.develop import Developed, Settings, check_format
from isp.errors import ConfigError
from isp.pipeline import Pipeline
from isp.pipeline_file import PipelineFile
from isp.registry import Registry
from isp.report.sidecar import noise_value

EIGHT_BITS_ONLY = (".jpg", ".jpeg")
SIXTEEN_BITS = (".tif", ".tiff")
OUTPUT_ENCODING = "output_encoding"

logger = logging.getLogger(__name__)


def execute(options: argparse.Namespace) -> int:
    """Develops what the options ask for. Returns the exit code: that of the first capture that failed, or 0."""
    sources = paths.captures(options.captures)
    targets = paths.targets(sources, options.output)
    file = _with_bits(settings.pipeline_file(options), options.bits, targets[0].suffix.lower())
    chosen = Settings(
        pipeline=Pipeline.from_file(file, Registry.installed()),
        noise=settings.noise(options),
        calibration=settings.calibration(options),
        dump=settings.dump(options),
        start_at=options.start_at,
        stop_after=options.stop_after,
        saved_stages=options.save_stages,
        overwrite=options.overwrite,
        sidecar=options.sidecar,
    )
    check_format(targets[0], chosen)
    tasks = [Task(source, target) for source, target in zip(sources, targets, strict=True)]
    results: dict[Path, Result] = {}
    with Progress(len(tasks)) as progress:
        for result in develop_all(tasks, chosen, options.jobs, progress):
            results[result.source] = result
            progress.clear()
            if isinstance(result, Failed):
                logger.error("%s", about(result.source, result.reason))
            elif not options.json:
                sys.stdout.write(_line(result) + "\n")
                sys.stdout.flush()
            progress.finish_item(result.source.name)
    ordered = [results[source] for source in sources]
    failed = [result for result in ordered if isinstance(result, Failed)]
    if options.json:
        json.dump({"results": [_value(result) for result in ordered]}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif failed and len(ordered) > 1:
        logger.error("%d of %d captures failed", len(failed), len(ordered))
    return failed[0].exit_code if failed else 0


def _with_bits(file: PipelineFile, bits: int | None, suffix: str) -> PipelineFile:
    """With the number of bits that the user or, where neither he nor the pipeline file says, the format wants."""
    if bits is not None:
        if bits != 8 and suffix in EIGHT_BITS_ONLY:
            raise ConfigError(f"--bits {bits} with {suffix}", expected="8 bits for JPEG, or .png or .tiff for more")
        return file.with_override(f"{OUTPUT_ENCODING}.bits={bits}")
    encodings = [entry for entry in file.entries if entry.stage == OUTPUT_ENCODING]
    stated = any(setting.key == "bits" for entry in encodings for setting in entry.settings)
    if suffix in SIXTEEN_BITS and encodings and not stated:
        return file.with_override(f"{OUTPUT_ENCODING}.bits=16")
    return file


def _line(result: Developed) -> str:
    return f"{result.source} -> {result.target}  {result.width} x {result.height}  {result.time_s:.2f} s"


def _value(result: Result) -> dict[str, object]:
    where = {"source": str(result.source), "target": str(result.target)}
    if isinstance(result, Failed):
        return {**where, "error": result.reason, "exit_code": result.exit_code}
    return {
        **where,
        "width": result.width,
        "height": result.height,
        "noise": noise_value(result.noise),
        "timings_s": {name: round(time_s, 6) for name, time_s in result.timings},
    }
