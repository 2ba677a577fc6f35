"""What a command stream may do that the simulator refuses."""

from __future__ import annotations

from isp.errors import UserError


class SimulationError(UserError):
    """A command stream that no accelerator would execute as meant: bad addresses, registers never set, overflow."""

    exit_code = 1


class UnmodelledError(SimulationError):
    """A command, register or bit field whose effect the simulator does not know."""
