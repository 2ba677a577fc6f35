"""Does a board carry the bundle that is to be checked, and can it run it? Asked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from targets.errors import BoardMemoryError, UnsupportedCoreError, WrongBundleError
from targets.npu_bundle import AnyBundle, AnySpecialist

if TYPE_CHECKING:
    from targets.golden import GoldenTile
    from targets.link.client import Board
    from targets.link.messages import Hello


def check_board(board: Board, bundle: AnyBundle) -> None:
    """Raises BoardError where the board's agent was built from another bundle, or for another core than the board's."""
    hello = board.hello
    if hello.abi != bundle.manifest.abi:
        raise WrongBundleError(
            f"{hello.board}: its library has ABI version {hello.abi}",
            expected=f"{bundle.manifest.abi}, as {bundle.folder}",
            remedy=_rebuild(bundle),
        )
    if missing := hello.needed_features & ~hello.core_features:
        raise UnsupportedCoreError(
            f"{hello.board}: its core has {hello.core_features.words} and lacks {missing.words}, which the library for "
            f"{bundle.manifest.target} needs",
            expected=f"a core that has {hello.needed_features.words}",
            remedy="compile for this core (`python -m targets list` shows the targets)",
        )
    if hello.bundle_id != bundle.bundle_id:
        raise WrongBundleError(
            f"{hello.board}: it carries the bundle {_short(hello)}",
            expected=f"{bundle.bundle_id.hex()[:12]}, which is {bundle.folder}",
            remedy=_rebuild(bundle),
        )
    listed: Sequence[AnySpecialist] = bundle.manifest.specialists
    if hello.specialists != len(listed):
        raise WrongBundleError(
            f"{hello.board}: a library of {hello.specialists} specialists",
            expected=f"{len(listed)}, as its manifest says",
        )
    for number, specialist in enumerate(listed):
        facts = board.describe(number)
        if (facts.name, facts.weights_sha256.hex()) != (specialist.name, specialist.sha256):
            raise WrongBundleError(
                f"{hello.board}: its specialist {number} is {facts.name}, weights {facts.weights_sha256.hex()[:12]}",
                expected=f"{specialist.name}, weights {specialist.sha256[:12]}",
                remedy=_rebuild(bundle),
            )


def check_memory(hello: Hello, bundle: AnyBundle, number: int, tiles: tuple[GoldenTile, ...]) -> None:
    """Raises BoardMemoryError where a tile does not fit, and says which ones do."""
    specialist = bundle.manifest.specialists[number]
    needed = {tile.name: specialist.memory_bytes(tile.width, tile.height) for tile in tiles}
    if max(needed.values(), default=0) <= hello.memory_bytes:
        return
    fitting = [name for name, size_bytes in needed.items() if size_bytes <= hello.memory_bytes]
    largest = max(needed, key=lambda name: needed[name])
    raise BoardMemoryError(
        f"{hello.board}: {hello.memory_bytes:,} bytes for input, output and arena; {specialist.name} needs "
        f"{needed[largest]:,} for the tile {largest}",
        expected=f"{max(needed.values()):,} bytes",
        remedy=f"check those that fit: --tiles {','.join(fitting)}" if fitting else "give the agent more memory",
    )


def _rebuild(bundle: AnyBundle) -> str:
    return f"put the agent of {bundle.folder} on the board (`python -m targets agent`)"


def _short(hello: Hello) -> str:
    return hello.bundle_id.hex()[:12]
