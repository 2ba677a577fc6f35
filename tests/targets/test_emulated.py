"""The boards that this machine can emulate."""

from __future__ import annotations

import os

import pytest

from targets.descriptions import load, names
from targets.emulated import emulated_boards
from targets.machines import machines_for

REQUIRED = "FAN_REQUIRE_EMULATORS"
"""Set by continuous integration: what is not there would only be skipped."""


def test_every_target_whose_core_is_emulated_has_a_board() -> None:
    emulated = {name for name in names() if load(name).emulator is not None or machines_for(name)}
    boards = [target for board in emulated_boards() for target in board.targets if load(target).npu is None]
    assert sorted(boards) == sorted({*emulated, "host"})


def test_the_board_where_something_stands_in_for_npus_takes_their_bundles() -> None:
    npus = {board.url: [name for name in board.targets if load(name).npu] for board in emulated_boards()}
    # Nothing executes an Ethos-U85's command streams, and no board has an Ethos-U65 beside a Cortex-M33.
    assert {url: taken for url, taken in npus.items() if taken} == {
        "qemu:mps3-an547": ["ethos-u55-128", "ethos-u55-256", "ethos-u55-64", "ethos-u65-512"]
    }


@pytest.mark.skipif(REQUIRED not in os.environ, reason=f"{REQUIRED} is not set")
def test_every_board_is_emulated_where_that_is_required() -> None:
    assert [board.url for board in emulated_boards() if not board.ready] == []
