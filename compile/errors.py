"""Errors of making a bundle that a user can act on; their base and the exit codes are in `isp.errors`."""

from __future__ import annotations

from isp.errors import UserError


class ToolchainError(UserError):
    """A C compiler or linker that failed or cannot be started."""

    exit_code = 2
