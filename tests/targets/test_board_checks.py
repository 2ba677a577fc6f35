"""A board that cannot run the bundle is refused before anything runs, and says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from targets.board_checks import check_board, check_memory
from targets.core_features import CoreFeature
from targets.errors import BoardMemoryError, UnsupportedCoreError, WrongBundleError
from tests.targets.fake_boards import TILES, fake_board, make_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def test_the_board_of_the_bundle_is_taken(folder: Path) -> None:
    board = fake_board(folder)
    check_board(board, board.bundle)
    for number, tiles in enumerate(TILES.values()):
        check_memory(board.hello, board.bundle, number, tiles)
    assert board.asked == []


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        ({"abi": 1}, WrongBundleError, r"ABI version 1; expected 2, .*python -m targets agent"),
        (
            {"bundle_id": bytes(16)},
            WrongBundleError,
            r"carries the bundle 000000000000; expected [0-9a-f]{12}, which is",
        ),
        ({"specialists": 1}, WrongBundleError, "a library of 1 specialists; expected 2"),
        (
            {"needed_features": CoreFeature.NEON | CoreFeature.DOT_PRODUCT},
            UnsupportedCoreError,
            "has neon, fp16 and lacks dot-product, which the library for arm64 needs; expected a core .* neon, dot",
        ),
    ],
)
def test_another_library_or_core_is_refused(
    folder: Path, facts: dict[str, object], error: type[Exception], words: str
) -> None:
    board = fake_board(folder, **facts)
    with pytest.raises(error, match=words):
        check_board(board, board.bundle)
    assert board.asked == []


def test_a_core_that_lacks_something_is_told_so_whatever_bundle_it_is(folder: Path) -> None:
    board = fake_board(folder, core_features=CoreFeature(0), bundle_id=bytes(16))
    with pytest.raises(UnsupportedCoreError, match="lacks neon"):
        check_board(board, board.bundle)


def test_other_weights_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = fake_board(folder)
    facts = replace(board.describe(1), weights_sha256=bytes(32))
    monkeypatch.setattr(board, "describe", lambda number: facts if number else replace(facts, name="elsewhere"))
    with pytest.raises(WrongBundleError, match="its specialist 0 is elsewhere, weights 000000000000; expected first"):
        check_board(board, board.bundle)


def test_tiles_that_do_not_fit_are_named_with_those_that_do(folder: Path) -> None:
    board = fake_board(folder)
    needed = {tile.name: 8 * tile.width * tile.height + (6400 if tile.width == 48 else 3200) for tile in TILES["first"]}
    assert needed["wide"] > needed["tall"]
    enough = replace(board.hello, memory_bytes=needed["wide"])
    check_memory(enough, board.bundle, 0, TILES["first"])
    with pytest.raises(BoardMemoryError, match=rf"needs {needed['wide']:,} for the tile wide; .*--tiles tall$"):
        check_memory(replace(enough, memory_bytes=needed["wide"] - 1), board.bundle, 0, TILES["first"])
    with pytest.raises(BoardMemoryError, match="give the agent more memory"):
        check_memory(replace(enough, memory_bytes=100), board.bundle, 0, TILES["first"])
