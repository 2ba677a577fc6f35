"""Runs one golden tile through a bundle's library, in a process of its own, and says in words what went wrong."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError
from targets.golden import GoldenTile
from targets.verdict import TileRun

_STATUS = {1: "FAN_BAD_ARGUMENT", 2: "FAN_BAD_SIZE", 3: "FAN_ARENA_TOO_SMALL"}
_FAN_ERROR_EXIT = 1
_SIGNALS = {
    signal.SIGILL: "it used an instruction that this processor does not have",
    signal.SIGSEGV: "it reached for memory that is not its own",
    signal.SIGBUS: "it reached for memory that is not there, or at an address that is not aligned",
    signal.SIGABRT: "it gave up by itself",
    signal.SIGFPE: "a fault in arithmetic",
    signal.SIGTRAP: "it ran into code that its compiler took for unreachable",
    signal.SIGKILL: "it was killed, perhaps for want of memory",
}


@dataclass(frozen=True)
class GoldenRun(TileRun):
    """What came of one tile; best_s is processor time.

    evidence: the arguments, how the process ended and what it said, as text. written: the bytes of the output file.
    """

    evidence: str
    written: bytes


def run_tile(command: Sequence[str], number: int, specialist: str, tile: GoldenTile, *, timeout_s: float) -> GoldenRun:
    """Runs `runner.c` on a tile's noisy input, once.

    command: what starts the runner. number, specialist: the specialist's number in the bundle, and the name that the
    library must have for it. Raises ConfigError where the command cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="fan-verify-") as folder:
        source, target = Path(folder, "in.f32"), Path(folder, "out.f32")
        source.write_bytes(np.ascontiguousarray(tile.noisy, "<f4").tobytes())
        # repr() of a float32 value as a double reads back as that very value.
        noise = [repr(value) for value in (*tile.shot, *tile.read)]
        picture = [str(source), str(target), str(tile.width), str(tile.height)]
        arguments = [*command, str(number), *picture, *noise, "1"]
        ended = _ended(arguments, timeout_s)
        written = target.read_bytes() if target.is_file() else b""
    evidence = f"$ {' '.join(arguments)}\nended with {ended.returncode}\n{ended.stdout}{ended.stderr}"
    failure, report = _crash(ended, timeout_s), None
    if not failure:
        try:
            report = TypeAdapter(_Report).validate_json(ended.stdout)
        except ValidationError:
            failure = f"the runner printed {ended.stdout[:80]!r} instead of its line of JSON"
    if report is None:
        return GoldenRun(None, None, None, failure, evidence, written)
    failure, output = _complaint(report, number, specialist), None
    expected_bytes = 4 * tile.width * tile.height
    if len(written) == expected_bytes:
        output = np.frombuffer(written, "<f4").astype(np.float32).reshape(tile.height, tile.width)
    elif not failure:
        failure = f"the output has {len(written)} bytes, expected {expected_bytes}"
    return GoldenRun(output, report.arena_bytes, report.best_s, failure, evidence, written)


@checked_dataclass(frozen=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class _Report:
    """The line that the runner prints."""

    specialist: str
    status: int
    arena_bytes: Annotated[int, Field(ge=0)]
    overrun: bool
    best_s: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class _Ended:
    """returncode: as subprocess has it; None where the time was up."""

    returncode: int | None
    stdout: str
    stderr: str


def _ended(arguments: Sequence[str], timeout_s: float) -> _Ended:
    try:
        done = subprocess.run(
            arguments, capture_output=True, text=True, errors="replace", timeout=timeout_s, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return _Ended(None, "", "")
    except OSError as error:
        raise ConfigError(
            f"{arguments[0]}: {error.strerror}",
            expected="a program that this machine can run",
            remedy="where there is no emulator for the target, compile with --no-verify",
        ) from error
    return _Ended(done.returncode, done.stdout, done.stderr)


def _crash(ended: _Ended, timeout_s: float) -> str:
    """How the runner ended where it came to no report; "" where it did."""
    code = ended.returncode
    if code is None:
        return f"no result after {timeout_s:g} s"
    # A shell or an emulator may report a signal as 128 + its number.
    number = -code if code < 0 else code - 128
    if number in set(signal.Signals):
        name = signal.Signals(number)
        return f"crashed with {name.name}: {_SIGNALS.get(name) or signal.strsignal(number)}"
    if code not in {0, _FAN_ERROR_EXIT}:
        said = ended.stderr.strip().splitlines()
        return f"the runner ended with status {code}" + (f": {said[-1]}" if said else "")
    return ""


def misnamed(number: int, name: str, expected: str) -> str:
    """What is wrong with the name that the library has for a specialist; "" where nothing is."""
    return "" if name == expected else f"specialist {number} calls itself {name!r}, expected {expected!r}"


def _complaint(report: _Report, number: int, specialist: str) -> str:
    if named := misnamed(number, report.specialist, specialist):
        return named
    if report.status:
        return f"fan_run returned {report.status} ({_STATUS.get(report.status, 'not a status of this ABI')})"
    if report.overrun:
        return "something was written beside the output or the arena"
    return ""
