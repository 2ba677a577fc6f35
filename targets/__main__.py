"""Commands around the devices that the denoiser is compiled for: `python -m targets list`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from isp.errors import UserError
from targets import cli


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code (documented in `isp.errors`)."""
    parser = argparse.ArgumentParser(prog="python -m targets", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    cli.add_parser(commands)
    parsed = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        code: int = parsed.command(parsed)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return code


if __name__ == "__main__":
    sys.exit(main())
