"""What can go wrong between this machine and a board; the exit codes are documented in `isp.errors`.

UserError
├── NoBoardError            nothing there, the port is busy, nobody answers
│   └── BoardTakenError     another host has the board
├── LinkError               the link failed: silence, a cut cable, a version that is not spoken here
│   ├── LinkTimeoutError
│   └── LinkVersionError
└── BoardError              the board refuses the work or died of it
    ├── WrongBundleError    it carries another bundle, or one of another ABI
    ├── UnsupportedCoreError    its core lacks what the library was compiled for
    ├── BoardMemoryError    input, output and arena do not fit
    └── BoardCrashedError   it died or started anew; quotes what it said
"""

from __future__ import annotations

from isp.errors import UserError


class NoBoardError(UserError):
    """There is no board, or none that may be used now."""

    exit_code = 4


class BoardTakenError(NoBoardError):
    """Another host works with the board."""


class LinkError(UserError):
    """Bytes do not get through, or not in a language that both sides speak."""

    exit_code = 5


class LinkTimeoutError(LinkError):
    """The board has fallen silent."""


class LinkVersionError(LinkError):
    """The board speaks another version of the link."""


class BoardError(UserError):
    """The board refuses the work or died of it."""

    exit_code = 6


class WrongBundleError(BoardError):
    """The board carries another bundle than expected, or one of another ABI."""


class UnsupportedCoreError(BoardError):
    """The board's core lacks instructions that the library was compiled for."""


class BoardMemoryError(BoardError):
    """The board's memory cannot hold input, output and arena of a tile."""


class BoardCrashedError(BoardError):
    """The board died or started anew in the middle of its work."""
