"""What a board's refusals mean to the user."""

from __future__ import annotations

from collections.abc import Sequence

from targets.errors import BoardError, BoardMemoryError, LinkError, UnsupportedCoreError
from targets.link.exchange import RefusedError
from targets.link.messages import Hello, Op, Status

# `fan_status` of firmware_hooks/include/fan.h.
_RUN_FAILURES = {1: "a bad argument", 2: "a bad width or height", 3: "an arena that is too small"}
# Of firmware_hooks/link/fan_work.h.
_NPU_FAILED = 5
_OF_NPU = "NPU: "
"""What a line begins with that an NPU's driver says."""


def explained(refusal: RefusedError, hello: Hello, console: Sequence[str]) -> BoardError | LinkError:
    """The error for a reply that asking again will not change. console: the lines that the board has said."""
    op, status = refusal.request.op, refusal.status
    if status == Status.NO_MEMORY:
        return BoardMemoryError(
            f"{hello.board}: {refusal.arg:,} bytes of memory do not hold the tile's input, output and arena",
            remedy="send smaller tiles or give the agent more memory",
        )
    if status == Status.UNSUPPORTED:
        missing = hello.needed_features & ~hello.core_features
        return UnsupportedCoreError(
            f"{hello.board}: its core lacks {missing.words}, which its library, for {hello.core}, needs",
            remedy="compile for this core (`python -m targets list` shows the targets)",
        )
    if status == Status.RUN_FAILED:
        if refusal.arg == _NPU_FAILED:
            said = console[-1].removeprefix(_OF_NPU) if console and console[-1].startswith(_OF_NPU) else ""
            return BoardError(f"{hello.board}: the NPU's driver reports an error{f': {said}' if said else ''}")
        reason = _RUN_FAILURES.get(refusal.arg, f"status {refusal.arg}")
        return BoardError(f"{hello.board}: the library refuses the tile: {reason}")
    if op is Op.COMMIT:
        return LinkError(f"{hello.board}: the tile does not get across whole ({refusal.status_name})")
    return BoardError(
        f"{hello.board}: it answers {op.name} with {refusal.status_name}",
        remedy="build its agent and this program from the same source",
    )
