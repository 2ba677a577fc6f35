"""Errors that a user can act on, and the exit codes of every command.

| code | meaning                                   | error                         |
|------|-------------------------------------------|-------------------------------|
| 0    | all done                                  |                               |
| 1    | a result did not match its reference      | `MismatchError`               |
| 2    | usage or configuration                    | `ConfigError`                 |
| 3    | an input file could not be used           | `InputError`                  |
| 4    | no board, or another host has it          | `targets.errors.NoBoardError` |
| 5    | the link to a board failed                | `targets.errors.LinkError`    |
| 6    | a board cannot do the work, or died of it | `targets.errors.BoardError`   |
| 130  | interrupted (Ctrl-C, SIGTERM)             |                               |

A command over several files goes on after a failure and ends with the first failure's code; a fault
of the program itself counts as 1.
"""

from __future__ import annotations

from typing import ClassVar


class UserError(Exception):
    """What was found, what was expected, and what to do about it."""

    exit_code: ClassVar[int] = 2

    def __init__(self, found: str, *, expected: str = "", remedy: str = "") -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.found
        if self.expected:
            text += f"; expected {self.expected}"
        if self.remedy:
            text += f"; {self.remedy}"
        return text


class MismatchError(UserError):
    """A result differs from its reference by more than its threshold."""

    exit_code = 1


class ConfigError(UserError):
    """A command line, pipeline file or parameter that cannot be used."""

    exit_code = 2


class InputError(UserError):
    """A file that cannot be read as what it should be."""

    exit_code = 3
