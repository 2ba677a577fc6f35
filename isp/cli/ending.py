"""How commands end: with an exit code, and one line where something went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

from isp.errors import ConfigError, UserError

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells give it."""


def exit_code(command: Callable[[], int], aftermath: str = "") -> int:
    """Runs a command; returns its exit code (documented in `isp.errors`).

    aftermath: said after an interruption and after what the system refused, such as "; nothing was written".
    """
    try:
        return command()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write(f"error: interrupted{aftermath}\n")
        return INTERRUPTED
    except OSError as error:
        sys.stderr.write(f"error: {error.filename or 'output'}: {error.strerror}{aftermath}\n")
        return ConfigError.exit_code
