"""Command-line options turned into what the library takes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from isp.errors import ConfigError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.pipeline import Pipeline
from isp.pipeline_file import PipelineFile, load_pipeline_file
from isp.registry import Registry

if TYPE_CHECKING:
    from isp.noise.calibration import Calibration
    from isp.readers.bayer_dump import BayerDump

DUMP_OPTIONS = {
    "width": "width",
    "height": "height",
    "stride": "stride_bytes",
    "offset": "offset_bytes",
    "cfa": "cfa",
    "bits_per_pixel": "bits",
    "packing": "packing",
    "black": "black",
    "white": "white",
}
"""Options of the command line and the names that a dump's YAML file has for them."""


def pipeline_file(options: argparse.Namespace) -> PipelineFile:
    """The pipeline file that is asked for, with what the command line changes. Raises ConfigError."""
    file = load_pipeline_file(options.pipeline)
    for override in options.overrides:
        file = file.with_override(override)
    for stage in options.left_out:
        file = file.without(stage)
    return file


def pipeline(options: argparse.Namespace) -> Pipeline:
    """The pipeline that is asked for. Raises ConfigError."""
    return Pipeline.from_file(pipeline_file(options), Registry.installed())


def noise(options: argparse.Namespace) -> NoiseModel | None:
    """The user's noise model. Raises ConfigError."""
    if options.noise is None:
        return None
    try:
        shot, read = (float(text) for text in options.noise.split(","))
        return NoiseModel.uniform(shot, read, NoiseOrigin.USER)
    except ValueError as error:
        raise ConfigError(
            f"--noise {options.noise!r}", expected="two numbers S,O, not negative, such as 4e-4,1e-6"
        ) from error


def calibration(options: argparse.Namespace) -> Calibration | None:
    """The calibration file that is asked for. Raises InputError or ConfigError."""
    if options.calibration is None:
        return None
    from isp.noise.calibration import load_calibration

    return load_calibration(options.calibration)


def dump(options: argparse.Namespace) -> BayerDump | None:
    """What the options say of a file without a header; None if they say nothing. Raises ConfigError."""
    given = {key: getattr(options, option) for option, key in DUMP_OPTIONS.items()}
    given = {key: value for key, value in given.items() if value is not None}
    if not given:
        return None
    from pydantic import ValidationError

    from isp.readers.bayer_dump import BayerDump

    if "black" in given:
        given["black"] = _black(options.black)
    try:
        return BayerDump.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    named = {key: f"--{option.replace('_', '-')}" for option, key in DUMP_OPTIONS.items()}
    option = named.get(str(fault["loc"][0]), "dump options") if fault["loc"] else "dump options"
    if fault["type"] == "missing":
        raise ConfigError(f"{option} is missing, other options describe a dump", remedy=f"add {option}")
    raise ConfigError(
        f"{option} {fault['input']}",
        expected=fault["msg"].removeprefix("Value error, ").removeprefix("Input should be "),
    )


def _black(text: str) -> float | tuple[tuple[float, float], tuple[float, float]]:
    """One level, or one for each of the first 2x2 pixels, row by row."""
    try:
        levels = tuple(float(part) for part in text.split(","))
        if len(levels) == 1:
            return levels[0]
        a, b, c, d = levels
    except ValueError as error:
        raise ConfigError(f"--black {text!r}", expected="one number, or four with commas") from error
    return (a, b), (c, d)
