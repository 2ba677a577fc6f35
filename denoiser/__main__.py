"""Commands around the denoiser: `python -m denoiser train|evaluate|calibrate|models`."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from denoiser import cli_calibrate, cli_evaluate, cli_models, cli_train
from isp.cli.ending import exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (documented in `isp.errors`)."""
    parser = argparse.ArgumentParser(prog="python -m denoiser", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli_train.add_parser(commands)
    cli_evaluate.add_parser(commands)
    cli_calibrate.add_parser(commands)
    cli_models.add_parser(commands)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_code(lambda: parsed.command(parsed))


if __name__ == "__main__":
    # As Ctrl-C: what was started or half written goes with the command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
