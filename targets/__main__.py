"""Commands around the devices that the denoiser is compiled for: what there is, the agent for a board, its check."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence

from isp.cli.ending import exit_code
from targets import cli, cli_agent, cli_validate


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (documented in `isp.errors`)."""
    parser = argparse.ArgumentParser(prog="python -m targets", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (cli, cli_agent, cli_validate):
        command.add_parser(commands)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return exit_code(lambda: parsed.command(parsed))


if __name__ == "__main__":
    # As Ctrl-C: what was started or half written goes with the command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
