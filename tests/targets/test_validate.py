"""A board that computes what it should passes; whatever is wrong or worth knowing is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isp.errors import ConfigError, InputError
from targets.descriptions import Threshold
from targets.errors import BoardError, BoardMemoryError, LinkError
from targets.link.client import BoardRun
from targets.validate import chosen_tiles, validate
from targets.validation import Validation, table
from tests.targets.fake_boards import TILES, FakeBoard, fake_board, make_bundle

LIMITS = Threshold(max_error=1e-5, quality_loss_db=0.01)


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return fake_board(make_bundle(tmp_path / "bundle"))


def validated(board: FakeBoard, url: str = "/dev/ttyUSB0") -> Validation:
    return validate(board.bundle, board, url, chosen_tiles(board.bundle, (), None), LIMITS)  # type: ignore[arg-type]


def test_what_equals_the_reference_passes(board: FakeBoard) -> None:
    validation = validated(board)
    assert validation.passes
    assert validation.warnings == ()
    assert [(result.specialist, result.tile.name) for result in validation.results] == [
        ("first", "wide"), ("first", "tall"), ("second", "only"),
    ]  # fmt: skip
    assert validation.worst is not None
    assert validation.worst.max_error == 0
    assert [result.arena_bytes for result in validation.results] == [4800, 1600, 1600]
    assert validation.peak_arena_bytes == 6400
    assert [result.best_s for result in validation.results] == [16 * 48 * 2e-6, 32 * 16 * 2e-6, 16 * 16 * 2e-6]
    assert validation.megapixels_per_s == pytest.approx(0.5)


def test_the_board_gets_the_tiles_as_they_are(board: FakeBoard) -> None:
    validated(board)
    shot, read = (1e-3, 2e-3, 3e-3), (1e-6, 2e-6, 3e-6)
    assert board.asked == [(0, shot, read, (16, 48)), (0, shot, read, (32, 16)), (1, shot, read, (16, 16))]


def test_a_wrong_pixel_fails_its_tile_alone(board: FakeBoard) -> None:
    def off_by_a_little(specialist: int, tile: np.ndarray) -> np.ndarray:
        output = tile * np.float32(0.5)
        output[5, 3] += np.float32(1.1e-5 if specialist else 0)
        return output

    board.compute = off_by_a_little
    validation = validated(board)
    assert not validation.passes
    assert [(one.specialist, one.failure[:9]) for one in validation.failures] == [("second", "max error")]


def test_a_specialist_that_is_taken_for_another_fails(board: FakeBoard) -> None:
    board.compute = lambda specialist, tile: tile * np.float32(0.5 if specialist == 0 else 0.51)
    assert {one.specialist for one in validated(board).failures} == {"second"}


def test_single_tiles_and_specialists_can_be_chosen(board: FakeBoard) -> None:
    def names(tiles: tuple[str, ...], specialist: str | None) -> list[tuple[int, str]]:
        return [(n, tile.name) for n, chosen in chosen_tiles(board.bundle, tiles, specialist) for tile in chosen.tiles]

    assert names(("tall", "only"), None) == [(0, "tall"), (1, "only")]
    assert names((), "second") == [(1, "only")]
    with pytest.raises(ConfigError, match="no golden tile 'only'; there are: tall, wide"):
        names(("only",), "first")
    with pytest.raises(ConfigError, match="no specialist 'third'"):
        names((), "third")


def test_nothing_is_chosen_from_golden_tiles_of_another_bundle(board: FakeBoard) -> None:
    index = board.bundle.folder / "golden/index.json"
    index.write_text(index.read_text().replace('"second"', '"third"'))
    with pytest.raises(ConfigError, match="golden tiles of first, third; expected first, second"):
        chosen_tiles(board.bundle, (), None)
    index.unlink()
    with pytest.raises(InputError, match=r"index\.json: No such file"):
        chosen_tiles(board.bundle, (), None)


def test_nothing_runs_where_a_tile_would_not_fit(board: FakeBoard) -> None:
    board.hello = replace(board.hello, memory_bytes=8 * 16 * 48 + 6400 - 1)
    with pytest.raises(BoardMemoryError, match="tile wide"):
        validated(board)
    assert board.asked == []


def test_a_board_that_refuses_a_tile_is_no_verdict(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> BoardRun:
        raise BoardMemoryError("fake board: 10 bytes", remedy="smaller tiles")

    monkeypatch.setattr(board, "run", refused)
    with pytest.raises(BoardMemoryError, match="first, tile wide of 48 x 16 px: fake board: 10 bytes; smaller tiles"):
        validated(board)
    assert issubclass(BoardMemoryError, BoardError)


def test_a_link_that_fails_is_no_verdict(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> BoardRun:
        raise LinkError("silence")

    monkeypatch.setattr(board, "run", silent)
    with pytest.raises(LinkError, match="silence"):
        validated(board)


@pytest.mark.parametrize(
    ("link", "statistics", "words"),
    [
        ({"retransmits": 3}, {}, "frames: 3 sent again, 0 damaged on their way here, 0 on their way there"),
        (
            {"bad_frames": 2},
            {"frames_bad_crc": 1, "frames_malformed": 4},
            "2 damaged on their way here, 5 on their way",
        ),
        ({}, {"overflows": 9}, "0 damaged on their way here, 9 on their way there"),
        ({"resets": 1}, {}, "the board started anew once"),
        ({"reconnects": 2}, {}, "the connection broke 2 times"),
    ],
)
def test_troubles_of_the_link_are_warnings(
    board: FakeBoard, link: dict[str, int], statistics: dict[str, int], words: str
) -> None:
    board.link, board.statistics = replace(board.link, **link), replace(board.statistics, **statistics)
    validation = validated(board)
    assert validation.passes
    (warning,) = validation.warnings
    assert words in warning
    assert f"warning: {warning}" in table(validation)


def test_emulators_coarse_clocks_and_hungry_libraries_are_warnings(board: FakeBoard) -> None:
    board.ticks_per_px = 0
    emulated = validated(board, "user:cortex-a53")
    assert [warning.split(",")[0].split(":")[0] for warning in emulated.warnings] == [
        "this board is emulated", "the board's clock",
    ]  # fmt: skip
    assert emulated.megapixels_per_s is None
    assert "speed   unknown" in table(emulated)
    board.ticks_per_px = 2
    assert validated(board, "user:host").warnings == ()
    described = board.bundle.manifest.specialists
    frugal = replace(described[0], arena_bytes_of_width={"256": 4799, "512": 5000})
    manifest = replace(board.bundle.manifest, specialists=(frugal, described[1]))
    board.bundle = replace(board.bundle, manifest=manifest)
    (warning,) = validated(board).warnings
    assert warning == "specialist 0 used 4,800 bytes of arena for the tile wide, its manifest says 4,799"


def test_a_slow_wire_is_a_warning(board: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("targets.validate.time.monotonic", lambda: next(clock))
    board.link = replace(board.link, baud=115200)
    validation = validated(board)
    assert validation.link.round_trip_s == 1
    assert validation.link.transfer_s == pytest.approx(3, abs=0.01)
    assert validation.warnings == ("100 % of the time went into the link at 115200 baud",)


def test_the_results_are_json_and_a_table(board: FakeBoard) -> None:
    board.link = replace(board.link, console=("booting", "ready"), baud=921600)
    board.compute = lambda specialist, tile: np.full_like(tile, np.nan) if specialist else tile * np.float32(0.5)
    validation = validated(board)
    document = json.loads(json.dumps(validation.as_dict(), allow_nan=False))
    assert document["passes"] is False
    assert document["bundle"]["target"] == "arm64"
    assert document["board"]["url"] == "/dev/ttyUSB0"
    assert document["board"]["features"] == "neon, fp16"
    assert document["board"]["bundle_id"] == board.bundle.bundle_id.hex()
    assert document["link"]["baud"] == 921600
    assert document["console"] == ["booting", "ready"]
    assert [tile["tile"] for tile in document["tiles"]] == [tile.name for tiles in TILES.values() for tile in tiles]
    assert document["tiles"][0]["megapixels_per_s"] == pytest.approx(0.5)
    assert document["tiles"][2]["failure"].startswith("256 values of the output are not finite")
    lines = table(validation).splitlines()
    assert lines[0].split()[-2:] == ["time", "MP/s"]
    assert lines[1].split()[-4:] == ["1.5", "ms", "0.5", "ok"]
    assert lines[3].split()[-1] == "FAILS"
    assert any(
        line.startswith("  board   fake board at /dev/ttyUSB0, its core has neon, fp16; agent by test")
        for line in lines
    )
    assert any("6,400 bytes of arena at the most, of 1,048,576 for all" in line for line in lines)
    assert any(line.endswith("921600 baud") for line in lines)
