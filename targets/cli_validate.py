"""`python -m targets validate`: does a board compute what the float model computes, how fast, in how much memory?"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from isp.errors import ConfigError, MismatchError
from targets.cli_agent import BUILD

if TYPE_CHECKING:
    from targets.bundle import Bundle
    from targets.descriptions import Target, Threshold
    from targets.npu_bundle import AnyBundle
    from targets.raw_check import RawComparison
    from targets.validate import Tiles
    from targets.validation import Validation
    from targets.verdict import TileResult

log = logging.getLogger(__name__)

AGENT_BROUGHT = ("ssh:", "user:", "qemu:")
"""Boards that carry nothing until a bundle's agent is brought there."""
WITHOUT_RATE = ("socket:", *AGENT_BROUGHT)
SIMULATED_NPU_PATIENCE_S = 600.0
"""A core waits for its NPU, and says nothing meanwhile."""
BOARD_LINES = "board"
"""What the lines begin with that tell of a board's progress."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "validate",
        help="check a bundle on a board",
        description="Runs the golden tiles of a bundle on a board, compares what it computes with the float model, and "
        "measures time, memory and the link. Exit codes: 0 it passes, 1 it does not, 4 no board, 5 the link failed, 6 "
        "the board cannot run the bundle.",
    )
    parser.add_argument(
        "bundle",
        nargs="?",
        type=Path,
        metavar="BUNDLE",
        help="folder that `python -m compile` made (default: the only one in build, or that which the board carries)",
    )
    parser.add_argument(
        "--board",
        default="",
        metavar="URL",
        help="/dev/ttyUSB0, COM5, socket://HOST:PORT, rfc2217://HOST:PORT, ssh:USER@HOST, or an emulator: user:CPU, "
        "qemu:MACHINE, user:host for this machine (default: the board that is attached)",
    )
    parser.add_argument("--target", metavar="FILE", help="description of the bundle's target (default: its own)")
    parser.add_argument("--specialist", metavar="NAME", help="only this network (default: all)")
    parser.add_argument("--tiles", default="", metavar="NAMES", help="only these golden tiles, with commas between")
    parser.add_argument(
        "--baud", type=int, metavar="N", help="rate at which the UART of the board starts (default: 115200)"
    )
    parser.add_argument("--keep-baud", action="store_true", help="stay at that rate (default: as fast as both can)")
    parser.add_argument("--json", action="store_true", help="the results as JSON on stdout, not the table")
    parser.add_argument("-o", "--output", type=Path, metavar="PAGE", help="write a report as one HTML page")
    parser.add_argument(
        "--raw",
        type=Path,
        metavar="CAPTURE",
        help="then develop a capture by the board and by this machine, and compare; the pictures go beside the report",
    )
    parser.add_argument(
        "--host-backend", default="torch", metavar="B", help="of --raw: torch (default), or a bundle for this machine"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    # numpy and others are imported only now, so that `--help` answers at once.
    from targets.descriptions import load, of_bundle
    from targets.npu_bundle import NpuBundle
    from targets.validate import chosen_tiles
    from targets.validation import table

    # Asks the ports that there are, if no board is named; once is enough.
    url = cache(partial(_url, arguments.board, arguments.baud))
    bundle = _bundle(arguments, url)
    target = load(arguments.target) if arguments.target else of_bundle(bundle.folder, bundle.manifest.target)
    if target.name != bundle.manifest.target:
        raise ConfigError(f"{bundle.folder}: a bundle for {bundle.manifest.target}", expected=f"one for {target.name}")
    threshold = None if isinstance(bundle, NpuBundle) else _threshold(bundle, target)
    if arguments.raw is not None and not arguments.raw.is_file():
        raise ConfigError(f"--raw {arguments.raw}: no such file", expected="a capture")
    if arguments.raw is not None and isinstance(bundle, NpuBundle):
        raise ConfigError(f"--raw with {bundle.folder}, an NPU's bundle", expected="one for a core")
    if arguments.raw is not None and arguments.keep_baud:
        raise ConfigError("--raw with --keep-baud: the ISP raises the rate of its link itself", expected="one of them")
    tiles = chosen_tiles(bundle, tuple(filter(None, arguments.tiles.split(","))), arguments.specialist)
    if arguments.output is not None:
        _make_place(arguments.output)
    validation = _validated(arguments, bundle, target, tiles, threshold, url())
    if not arguments.json:
        sys.stdout.write(table(validation) + "\n")
        sys.stdout.flush()
    if arguments.output is not None:
        _write_report(arguments.output, validation)
    raw = None if arguments.raw is None else _compared(arguments, bundle, validation)
    if arguments.json:
        content = {**validation.as_dict(), "raw": None if raw is None else raw.as_dict()}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    elif raw is not None:
        sys.stdout.write(_raw_text(raw) + "\n")
    _judge(validation, raw)
    return 0


def _bundle(arguments: argparse.Namespace, url: Callable[[], str]) -> AnyBundle:
    from targets.bundle_choice import only_bundle
    from targets.link.client import Board
    from targets.link.messages import Hello
    from targets.npu_bundle import read_any

    if arguments.bundle is not None:
        return read_any(arguments.bundle)

    def hello() -> Hello | None:
        if arguments.board.startswith(AGENT_BROUGHT):
            return None
        with Board.open(url()) as board:
            return board.hello

    bundle = only_bundle(BUILD, hello)
    log.info("bundle: %s", bundle.folder)
    return bundle


def _threshold(bundle: Bundle, target: Target) -> Threshold:
    threshold = target.thresholds.get(bundle.manifest.precision)
    if threshold is None:
        raise ConfigError(
            f"{bundle.folder}: precision {bundle.manifest.precision} for {bundle.manifest.target}",
            expected="one that the target has thresholds for",
        )
    return threshold


def _validated(
    arguments: argparse.Namespace,
    bundle: AnyBundle,
    target: Target,
    tiles: Tiles,
    threshold: Threshold | None,
    url: str,
) -> Validation:
    from targets.link.client import Board
    from targets.link.exchange import PATIENCE_S
    from targets.npu_bundle import NpuBundle
    from targets.validate import EMULATORS, validate

    is_simulated = isinstance(bundle, NpuBundle) and url.startswith(EMULATORS)
    patience_s = SIMULATED_NPU_PATIENCE_S if is_simulated else PATIENCE_S
    with Board.open(url, bundle=bundle.folder, target=target, patience_s=patience_s) as board:
        log.info("%s, with a library for %s, at %s", board.hello.board, board.hello.core, url)
        if not arguments.keep_baud and (baud := board.negotiate_baud()) is not None:
            log.info("the link runs at %d baud", baud)
        return validate(bundle, board, url, tiles, threshold, _log_tile)


def _url(board: str, baud: int | None) -> str:
    """Where the board is. Raises ConfigError for a rate without a port, NoBoardError if not just one is attached."""
    from targets.transports.discovery import only_board

    if baud is None:
        return board or only_board()
    if baud <= 0:
        raise ConfigError(f"--baud {baud}", expected="a number above 0")
    if not board or board.startswith(WITHOUT_RATE):
        raise ConfigError(f"--baud {baud} for {board or 'no port'}", expected="--board and the name of a serial port")
    return f"{board},{baud}"


def _log_tile(result: TileResult, done: int, count: int) -> None:
    time_text = "" if result.best_s is None else f", {1e3 * result.best_s:.1f} ms"
    verdict = "FAILS" if result.failure else "ok"
    log.info("[%d/%d] %s, tile %s: %s%s", done, count, result.specialist, result.tile.name, verdict, time_text)


def _compared(arguments: argparse.Namespace, bundle: AnyBundle, validation: Validation) -> RawComparison:
    from targets.raw_check import compare_raw

    def on_line(line: str) -> None:
        if line.startswith(BOARD_LINES):
            log.info("%s", line)

    log.info("developing %s by the board, then by %s", arguments.raw, arguments.host_backend)
    board = f"board:{bundle.folder}@{validation.board.url}"
    model = arguments.specialist or bundle.manifest.family
    folder = arguments.output.parent if arguments.output is not None else Path()
    assert validation.threshold is not None  # there are none for NPUs alone
    limit = validation.threshold.max_error
    return compare_raw(arguments.raw, (board, arguments.host_backend), model, limit, folder, on_line)


def _make_place(page: Path) -> None:
    """Makes the folder of a page that is written much later. Raises ConfigError where that cannot be."""
    from isp.develop import make_folder

    if page.is_dir():
        raise ConfigError(f"-o {page}: a folder", expected=f"the name of a page, such as {page / 'report.html'}")
    make_folder(page.parent)


def _write_report(path: Path, validation: Validation) -> None:
    from isp.atomic import replacing
    from targets.validate_report import validation_page

    with replacing(path) as temporary:
        temporary.write_text(validation_page(validation), encoding="utf-8")
    log.info("report: %s", path)


def _raw_text(raw: RawComparison) -> str:
    board, host, both = raw.pictures
    return "\n".join(
        (
            f"\n  {raw.capture} by {raw.model}, {'ok' if raw.passes else 'FAILS'}",
            f"  board   {raw.board_s:.1f} s  {raw.board}",
            f"  host    {raw.host_s:.1f} s  {raw.host}",
            f"  mosaics differ by {raw.max_error:.1e} of full scale at the most (limit {raw.limit:g}), RMS "
            f"{raw.rms_error:.1e}; pictures by {raw.most_codes} of 255",
            f"  {board}, {host}, {both}",
        )
    )


def _judge(validation: Validation, raw: RawComparison | None) -> None:
    """Raises MismatchError where something does not pass."""
    if not validation.passes:
        raise MismatchError(
            f"{validation.board.board}: {len(validation.failures)} of {len(validation.results)} golden tiles fail",
            expected="all within the target's thresholds",
        )
    if raw is not None and not raw.passes:
        raise MismatchError(
            f"{raw.capture}: board and host differ by {raw.max_error:.2g} of full scale",
            expected=f"at most {raw.limit:g}",
        )
