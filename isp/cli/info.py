"""`info`: what is in a capture."""

from __future__ import annotations

import argparse
import json
import logging
import sys

from isp.cli import paths, settings
from isp.cli.console import about
from isp.cli.table import aligned
from isp.errors import UserError
from isp.noise.model import NoiseModel
from isp.noise.resolve import known_noise
from isp.pipeline import Pipeline, start_signal
from isp.pipeline_file import load_pipeline_file
from isp.raw_frame import RawFrame
from isp.registry import Registry
from isp.report.facts import Section, as_json, frame_sections

logger = logging.getLogger(__name__)


def execute(options: argparse.Namespace) -> int:
    """Shows what was found. Returns the exit code: that of the first capture that failed, or 0."""
    from isp.readers import read

    sources = paths.captures(options.captures)
    user, calibration, dump = settings.noise(options), settings.calibration(options), settings.dump(options)
    pipeline = Pipeline.from_file(load_pipeline_file("default"), Registry.installed())
    code = 0
    values: list[dict[str, object]] = []
    for source in sources:
        try:
            frame = read(source, dump)
            noise = known_noise(frame, user, calibration) or _estimated(frame, pipeline)
        except UserError as error:
            logger.error("%s", about(source, str(error)))
            code = code or error.exit_code
            continue
        sections = frame_sections(frame, noise)
        if options.json:
            values.append(as_json(sections))
        else:
            sys.stdout.write(_text(sections) + "\n")
    if options.json:
        json.dump({"captures": values}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    return code


def _estimated(frame: RawFrame, pipeline: Pipeline) -> NoiseModel | None:
    """The blind estimate where the default pipeline makes it, so that it is the one `run` uses."""
    if frame.cfa is None:
        return None
    for done in pipeline.run(start_signal(frame, None)):
        if done.signal.noise is not None:
            return done.signal.noise
    return None


def _text(sections: tuple[Section, ...]) -> str:
    blocks = (
        f"{section.title}\n{aligned([(fact.label, fact.text) for fact in section.facts])}" for section in sections
    )
    return "\n".join(blocks) + "\n"
