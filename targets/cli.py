"""`python -m targets list`: what targets there are, and whether their code can be run on this machine."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from isp.errors import ConfigError

if TYPE_CHECKING:
    from targets.descriptions import Target

logger = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "list",
        help="list the targets",
        description="Lists the targets: their core, the precisions that the kernels can compute in, the operating "
        "system, whether the emulator that runs their code is found on this machine, and examples of boards.",
    )
    parser.add_argument("--json", action="store_true", help="everything that is known of them, on stdout")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    targets = tuple(_targets())
    if arguments.json:
        listed = [
            {**asdict(target), "emulator_found": _emulator(target), "compiler_found": _compiler(target)}
            for target in targets
        ]
        sys.stdout.write(json.dumps({"targets": listed}, indent=2) + "\n")
    else:
        sys.stdout.write(_text(targets) + "\n")
    return 0


def _targets() -> Iterator[Target]:
    from targets.descriptions import load, names

    for name in names():
        try:
            yield load(name)
        except ConfigError as error:  # a machine that `host` doesn't know can still build for the others
            logger.warning("left out: %s", error)


def _text(targets: Sequence[Target]) -> str:
    rows = [("name", "core", "precisions", "system", "emulator", "boards")]
    for target in targets:
        rows.append(
            (
                target.name,
                target.cpu,
                ", ".join(target.lanes),
                target.operating_system.value,
                _emulator_cell(target),
                ", ".join(target.boards) or "-",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _emulator_cell(target: Target) -> str:
    if target.emulator is None:
        return "-"
    found = "found" if _emulator(target) else f"not found (Debian: {target.emulator.install_hint})"
    return f"{target.emulator.program} {found}"


def _emulator(target: Target) -> str | None:
    return shutil.which(target.emulator.program) if target.emulator else None


def _compiler(target: Target) -> str | None:
    return next(filter(None, map(shutil.which, target.compilers)), None)
