"""`python -m targets list`: what targets and boards there are, and what of them can be used on this machine."""

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
    from targets.emulated import EmulatedBoard
    from targets.transports.discovery import AttachedPort

logger = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "list",
        help="list targets and boards",
        description="Lists the targets: their core, the precisions that the kernels can compute in, the operating "
        "system, whether the emulator that runs their code is found on this machine, and examples of boards; then the "
        "boards that are attached to this machine, and those that can be emulated on it.",
    )
    parser.add_argument("--json", action="store_true", help="everything that is known of them, on stdout")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from targets.emulated import compiler_path, emulated_boards
    from targets.transports.discovery import attached_ports

    targets, attached, emulated = tuple(_targets()), attached_ports(), tuple(emulated_boards())
    if arguments.json:
        listed = [
            {**asdict(target), "emulator_found": _emulator(target), "compiler_found": compiler_path(target)}
            for target in targets
        ]
        boards = {
            "attached": [_attached_value(port) for port in attached],
            "emulated": [{**asdict(board), "ready": board.ready} for board in emulated],
        }
        sys.stdout.write(json.dumps({"targets": listed, "boards": boards}, indent=2) + "\n")
    else:
        sys.stdout.write(
            "\n\n".join((_targets_text(targets), _attached_text(attached), _emulated_text(emulated))) + "\n"
        )
    return 0


def _targets() -> Iterator[Target]:
    from targets.descriptions import load, names

    for name in names():
        try:
            yield load(name)
        except ConfigError as error:  # a machine that `host` doesn't know can still build for the others
            logger.warning("left out: %s", error)


def _targets_text(targets: Sequence[Target]) -> str:
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
    return _aligned(rows)


def _attached_value(port: AttachedPort) -> dict[str, object]:
    hello = port.hello
    board = None if hello is None else {"board": hello.board, "core": hello.core, "bundle_id": hello.bundle_id.hex()}
    return {"url": port.url, "adapter": port.adapter, "board": board, "trouble": port.trouble}


def _attached_text(ports: Sequence[AttachedPort]) -> str:
    if not ports:
        return "no serial port of an adapter that is known; name any other with --board"
    rows = [("attached", "adapter", "board", "core", "bundle")]
    for port in ports:
        hello = port.hello
        board = (port.trouble, "", "") if hello is None else (hello.board, hello.core, hello.bundle_id.hex()[:12])
        rows.append((port.url, port.adapter, *board))
    return _aligned(rows)


def _emulated_text(boards: Sequence[EmulatedBoard]) -> str:
    rows = [("emulated", "core", "bundles for", "emulator", "compiler")]
    for one in boards:
        emulator = "-" if one.emulator is None else f"{one.emulator} {'found' if one.emulator_found else 'not found'}"
        rows.append(
            (one.url, one.core, ", ".join(one.targets), emulator, "found" if one.compiler_found else "not found")
        )
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    from isp.cli.table import aligned

    return aligned(rows, indent="")


def _emulator_cell(target: Target) -> str:
    if target.emulator is None:
        return "-"
    found = "found" if _emulator(target) else f"not found (Debian: {target.emulator.install_hint})"
    return f"{target.emulator.program} {found}"


def _emulator(target: Target) -> str | None:
    return shutil.which(target.emulator.program) if target.emulator else None
