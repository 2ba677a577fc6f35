"""What a board's refusals mean to the user."""

from __future__ import annotations

from targets.errors import BoardError, BoardMemoryError, LinkError, UnsupportedCoreError
from targets.link.exchange import RefusedError
from targets.link.messages import Hello, Op, Status

# `fan_status` of firmware_hooks/include/fan.h.
_RUN_FAILURES = {1: "a bad argument", 2: "a bad width or height", 3: "an arena that is too small"}


def explained(refusal: RefusedError, hello: Hello) -> BoardError | LinkError:
    """The error for a reply that asking again will not change."""
    op, status = refusal.request.op, refusal.status
    if status == Status.NO_MEMORY:
        return BoardMemoryError(
            f"{hello.board}: {refusal.arg:,} bytes of memory do not hold the tile's input, output and arena",
            remedy="send smaller tiles or give the agent more memory",
        )
    if status == Status.UNSUPPORTED:
        missing = hello.needed_features & ~hello.core_features
        return UnsupportedCoreError(
            f"{hello.board}: its core, {hello.core}, lacks {missing.words}, which its library needs",
            remedy="compile for this core (`python -m targets list` shows the targets)",
        )
    if status == Status.RUN_FAILED:
        reason = _RUN_FAILURES.get(refusal.arg, f"status {refusal.arg}")
        return BoardError(f"{hello.board}: the library refuses the tile: {reason}")
    if op is Op.COMMIT:
        return LinkError(f"{hello.board}: the tile does not get across whole ({refusal.status_name})")
    return BoardError(
        f"{hello.board}: it answers {op.name} with {refusal.status_name}",
        remedy="build its agent and this program from the same source",
    )
