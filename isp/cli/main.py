"""The command line: dispatch, and errors turned into one line and an exit code."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from isp.cli.console import os_error_text, set_up_logging
from isp.cli.ending import INTERRUPTED
from isp.cli.parser import build_parser
from isp.errors import InputError, UserError

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; see `isp.errors` for what the codes mean."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # no text of ours is worth a failure where the encoding lacks it
    options = build_parser().parse_args(arguments)
    set_up_logging(options.verbose)
    try:
        # Each command's module is imported only now: `--help` must not wait for numpy and others.
        command = import_module(f"isp.cli.{options.command}")
        code: int = command.execute(options)
        sys.stdout.flush()
    except UserError as error:
        logger.error("%s", error)
        return error.exit_code
    except BrokenPipeError:
        # Whoever read standard output (`| head`) has seen enough; keep Python from writing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        logger.error("%s", os_error_text(error))
        return InputError.exit_code
    except KeyboardInterrupt:
        logger.error("interrupted")
        return INTERRUPTED
    return code
