"""Does a board compute what the float model computes, how fast, and in how much memory? Its golden tiles, run there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from isp.errors import ConfigError
from isp.registry import nearest
from targets import golden, npu_check
from targets.board_checks import check_board, check_memory
from targets.descriptions import Threshold
from targets.errors import BoardError
from targets.golden import GoldenSet, GoldenTile
from targets.npu_bundle import AnyBundle, AnySpecialist, NpuBundle
from targets.validation import BoardFacts, LinkQuality, Validation
from targets.verdict import TileResult, TileRun, judged

if TYPE_CHECKING:
    from targets.link.client import Board, LinkStatistics
    from targets.link.messages import BoardStatistics

log = logging.getLogger(__name__)

ECHO_BYTES = 32
SLOW_LINK_SHARE = 0.8
"""Of the time that a tile takes: where the link takes more, it is what one waits for."""
COUNTING = "qemu:"
"""Emulators whose clock advances with each instruction."""
EMULATORS = ("user:", COUNTING)
NATIVE = "user:host"

Tiles = tuple[tuple[int, GoldenSet], ...]
"""Specialists by number, each with the tiles that are to be run."""
OnTile = Callable[[TileResult, int, int], None]
"""Told of each tile's result, how many are done, and how many there are."""


def chosen_tiles(bundle: AnyBundle, names: Sequence[str], specialist: str | None) -> Tiles:
    """The golden tiles of a bundle that are asked for.

    names: of tiles, none for all. specialist: None for all. Raises InputError for golden tiles that cannot be used,
    ConfigError for what the bundle does not hold.
    """
    sets = golden.read(bundle.folder / golden.FOLDER)
    listed = [one.name for one in bundle.manifest.specialists]
    if [one.specialist for one in sets] != listed:
        raise ConfigError(
            f"{bundle.folder}: golden tiles of {', '.join(one.specialist for one in sets) or 'no specialist'}",
            expected=", ".join(listed),
            remedy="compile the bundle again",
        )
    wanted = range(len(sets)) if specialist is None else [bundle.number(specialist)]
    known = {tile.name for number in wanted for tile in sets[number].tiles}
    for name in names:
        if name not in known:
            raise ConfigError(f"{bundle.folder}: no golden tile {name!r}", remedy=nearest(name, known))
    return tuple((number, GoldenSet(sets[number].specialist, _only(sets[number].tiles, names))) for number in wanted)


def validate(
    bundle: AnyBundle,
    board: Board,
    url: str,
    tiles: Tiles,
    threshold: Threshold | None,
    on_tile: OnTile = lambda *_: None,
) -> Validation:
    """Runs golden tiles on a board and measures what comes out.

    url: where the board is. threshold: of the bundle's target and precision; None, and only then, for an NPU's.
    Raises BoardError where the board cannot run the bundle, before anything runs, and where it refuses a tile;
    LinkError where the link fails for good.
    """
    check_board(board, bundle)
    for number, chosen in tiles:
        check_memory(board.hello, bundle, number, chosen.tiles)
    round_trip_s = _round_trip_s(board)
    count = sum(len(chosen.tiles) for _, chosen in tiles)
    results: list[TileResult] = []
    wall_s = 0.0
    for number, chosen in tiles:
        for tile in chosen.tiles:
            began = time.monotonic()
            results.append(_checked(board, bundle, number, tile, threshold))
            wall_s += time.monotonic() - began
            on_tile(results[-1], len(results), count)
    statistics, link = board.stats(), board.link
    computed_s = sum(result.best_s or 0.0 for result in results)
    quality = _quality(link, statistics, round_trip_s, max(wall_s - computed_s, 0.0))
    return Validation(
        bundle,
        _facts(board, url),
        threshold,
        tuple(results),
        quality,
        statistics.peak_arena_bytes,
        tuple(_warnings(bundle, board, url, results, quality, wall_s)),
        link.console,
    )


def _only(tiles: tuple[GoldenTile, ...], names: Sequence[str]) -> tuple[GoldenTile, ...]:
    return tuple(tile for tile in tiles if not names or tile.name in names)


def _checked(board: Board, bundle: AnyBundle, number: int, tile: GoldenTile, threshold: Threshold | None) -> TileResult:
    specialist = bundle.manifest.specialists[number].name
    try:
        if isinstance(bundle, NpuBundle):
            return npu_check.checked(board, bundle, number, tile)
        run = board.run(number, tile.shot, tile.read, tile.noisy)
    except BoardError as error:
        where = f"{specialist}, tile {tile.name} of {tile.width} x {tile.height} px"
        raise type(error)(f"{where}: {error.found}", expected=error.expected, remedy=error.remedy) from error
    assert threshold is not None
    # A clock that did not advance tells nothing.
    outcome = TileRun(run.output, run.arena_bytes, run.seconds if run.ticks else None, "")
    return judged(outcome, specialist, tile, threshold)


def _round_trip_s(board: Board) -> float:
    began = time.monotonic()
    board.echo(bytes(ECHO_BYTES))
    return time.monotonic() - began


def _facts(board: Board, url: str) -> BoardFacts:
    hello = board.hello
    return BoardFacts(
        url,
        hello.board,
        hello.core,
        hello.build,
        hello.abi,
        hello.bundle_id.hex(),
        hello.core_features.words,
        hello.tick_hz,
        hello.memory_bytes,
    )


def _quality(link: LinkStatistics, statistics: BoardStatistics, round_trip_s: float, transfer_s: float) -> LinkQuality:
    return LinkQuality(
        link.bytes_sent,
        link.bytes_received,
        link.retransmits,
        link.bad_frames,
        link.reconnects,
        link.resets,
        statistics.frames_bad_crc + statistics.frames_malformed + statistics.overflows,
        link.baud,
        round_trip_s,
        transfer_s,
    )


def _warnings(
    bundle: AnyBundle, board: Board, url: str, results: Sequence[TileResult], link: LinkQuality, wall_s: float
) -> list[str]:
    """What does not change the verdict, yet should be known."""
    found = []
    if url.startswith(EMULATORS) and url != NATIVE:
        clock = ", its clock counts instructions" if url.startswith(COUNTING) else ""
        found.append(f"this board is emulated{clock}: its times tell nothing of a real one")
    if any(result.best_s is None for result in results):
        found.append(f"the board's clock, {board.hello.tick_hz:,} Hz, is too coarse to time every tile")
    listed: Sequence[AnySpecialist] = bundle.manifest.specialists
    for number, specialist in enumerate(listed):
        own = [result for result in results if result.specialist == specialist.name]
        over = [one for one in own if (one.arena_bytes or 0) > specialist.arena_bytes(one.tile.width)]
        if over:
            expected = specialist.arena_bytes(over[0].tile.width)
            found.append(
                f"specialist {number} used {over[0].arena_bytes:,} bytes of arena for the tile {over[0].tile.name}, "
                f"its manifest says {expected:,}"
            )
    if link.resets:
        found.append(f"the board started anew {_times(link.resets)}; its work was done again")
    if link.reconnects:
        found.append(f"the connection broke {_times(link.reconnects)}")
    if link.retransmits or link.bad_frames or link.dropped_frames:
        found.append(
            f"the link lost or damaged frames: {link.retransmits} sent again, {link.bad_frames} damaged on their way "
            f"here, {link.dropped_frames} on their way there"
        )
    if wall_s and link.transfer_s > SLOW_LINK_SHARE * wall_s and link.baud:
        found.append(f"{100 * link.transfer_s / wall_s:.0f} % of the time went into the link at {link.baud} baud")
    return found


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
