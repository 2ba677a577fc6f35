"""How every benchmark runs from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from isp.errors import UserError


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows a module's docstring as it stands."""
    return argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)


def execute(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Exit code of a run; an error of the user's is one line on standard error."""
    try:
        run(arguments)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0
