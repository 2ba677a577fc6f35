"""Options of all commands. Imports nothing that is slow to import, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from isp.cfa import Cfa

EXIT_CODES = (
    "exit codes: 0 done, 1 a fault of the program, 2 usage or configuration, 3 a capture could not be used, "
    "4 no board, 5 the link to a board failed, 6 a board cannot do the work, 130 interrupted"
)

PACKINGS = ("u8", "u16le", "u16be", "mipi_raw10", "mipi_raw12")
"""Values of `isp.readers.bayer_dump.Packing`, which is slow to import."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="python -m isp", description="Develop RAW captures into pictures.", epilog=EXIT_CODES
    )
    parser.add_argument("--version", action="version", version=f"fan-isp {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    _add_run(commands)
    _add_info(commands)
    _add_stages(commands)
    _add_compare(commands)
    for command in commands.choices.values():
        command.add_argument("-v", "--verbose", action="store_true", help="log what each stage does")
    return parser


def _version() -> str:
    try:
        return version("fan-isp")
    except PackageNotFoundError:
        return "(not installed)"


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=summary, description=description, epilog=EXIT_CODES)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "run",
        "develop captures into pictures",
        "Develop captures. The output's suffix chooses what is written: .png, .jpg or .tiff a picture; .dng the "
        "denoised mosaic, to go on with in any RAW converter; .npy the last stage's array.",
    )
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="file, folder or pattern")
    parser.add_argument(
        "-o", "--output", default="", metavar="OUT", help="file, folder or pattern with {stem} (default: ./{stem}.png)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that exist; captures never are")
    parser.add_argument("--bits", type=int, choices=(8, 16), help="bits per colour (default: 16 for .tiff, else 8)")
    parser.add_argument("-j", "--jobs", type=int, default=1, metavar="N", help="captures at a time, 0 for one per core")
    parser.add_argument("--json", action="store_true", help="results as JSON on standard output")
    parser.add_argument("--sidecar", action="store_true", help="write OUT.json: pipeline, versions, hashes, times")
    _add_pipeline_options(parser)
    parser.add_argument("--stop-after", default="", metavar="STAGE", help="end with this stage's result")
    parser.add_argument(
        "--save-stages", type=Path, metavar="DIR", help="keep each stage's result in DIR, as .npy and as a picture"
    )
    parser.add_argument(
        "--start-at", default="", metavar="STAGE", help="begin here, from what --save-stages left in its folder"
    )
    _add_noise_options(parser)
    _add_dump_options(parser)


def _add_info(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "info", "say what is in a capture", "Show what was found in captures.")
    parser.add_argument("captures", nargs="+", metavar="CAPTURE", help="file, folder or pattern")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    _add_noise_options(parser)
    _add_dump_options(parser)


def _add_stages(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "stages", "list stages and their parameters", "List the stages that are installed.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="only these (default: all)")
    parser.add_argument("--json", action="store_true", help="the same as JSON")


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "compare",
        "denoised against not, as one HTML page",
        "Develop a capture with and without denoising and write one self-contained page to judge the difference by.",
    )
    parser.add_argument("capture", metavar="CAPTURE", help="file")
    parser.add_argument("-o", "--output", default="", metavar="PAGE", help="HTML file (default: ./{stem}.html)")
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it exists")
    _add_pipeline_options(parser)
    _add_noise_options(parser)
    _add_dump_options(parser)


def _add_pipeline_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pipeline")
    group.add_argument(
        "-p",
        "--pipeline",
        default="default",
        metavar="P",
        help="default, machine_vision or a YAML file",
    )
    group.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="STAGE.KEY=VALUE",
        help="change a parameter, such as demosaic.method=menon",
    )
    group.add_argument(
        "--without", dest="left_out", action="append", default=[], metavar="STAGE", help="leave a stage out"
    )


def _add_noise_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "noise model", "variance = S * x + O for x from black 0 to white 1; else the file's tag, else an estimate"
    )
    group.add_argument("--noise", metavar="S,O", help="shot and read noise of this capture, such as 4e-4,1e-6")
    group.add_argument("--calibration", type=Path, metavar="FILE", help="calibration file, used where there is no tag")


def _add_dump_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "dumps", "what a .raw, .bin, .npy, PNG, TIFF or PGM holds, where no YAML file beside it says so"
    )
    group.add_argument("--width", type=int, metavar="PX", help="pixels in a row")
    group.add_argument("--height", type=int, metavar="PX", help="rows")
    group.add_argument("--stride", type=int, metavar="BYTES", help="from one row to the next (default: no padding)")
    group.add_argument("--offset", type=int, metavar="BYTES", help="before the first pixel (default: 0)")
    group.add_argument("--cfa", choices=[cfa.value for cfa in Cfa], help="colours of the first 2x2 pixels")
    group.add_argument("--bits-per-pixel", type=int, metavar="N", help="significant bits")
    group.add_argument("--packing", choices=PACKINGS, help="how pixels lie in bytes")
    group.add_argument(
        "--black", metavar="DN", help="black level, one number, or four with commas for the first 2x2 pixels"
    )
    group.add_argument("--white", type=float, metavar="DN", help="value of a full pixel (default: 2^bits - 1)")
