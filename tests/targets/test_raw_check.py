"""Board and host side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.errors import ConfigError, InputError
from targets import raw_check
from targets.errors import BoardError, LinkError, NoBoardError
from targets.raw_check import compare_raw, side_by_side

BACKENDS = ("board:b@user:host", "torch")


def stub_runs(monkeypatch: pytest.MonkeyPatch, *, weights: str = "a", difference: float = 0.0, codes: int = 0) -> None:
    """Stands in for the ISP: grey frames, of which the board's differs in one pixel."""

    def developed(capture: Path, backend: str, model: str, work: Path, picture: Path, on_line: object) -> object:
        is_board = backend == BACKENDS[0]
        mosaic, pixels = np.full((8, 8), 0.5, np.float32), np.full((8, 8, 3), 90, np.uint8)
        mosaic[2, 3] += np.float32(difference if is_board else 0)
        pixels[2, 3] += np.uint8(codes if is_board else 0)
        picture.write_bytes(raw_check.encoded_png(pixels))
        decisions = {
            "denoise.model": model,
            "denoise.backend": backend,
            "denoise.weights_sha256": "a" if is_board else weights,
        }
        return raw_check._Denoised(mosaic, decisions, 2.0)

    monkeypatch.setattr(raw_check, "_developed", developed)


@pytest.mark.parametrize(("difference", "passes"), [(9e-6, True), (1.2e-5, False)])
def test_the_greatest_difference_decides(
    difference: float, passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_runs(monkeypatch, difference=difference, codes=3)
    found = compare_raw(Path("night.dng"), BACKENDS, "universal", 1e-5, tmp_path, lambda _: None)
    assert found.passes is passes
    assert found.max_error == pytest.approx(difference, rel=0.01)
    assert found.rms_error == pytest.approx(difference / 8, rel=0.01)
    assert found.most_codes == 3
    assert (found.model, found.board, found.host) == ("universal", *BACKENDS)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in found.pictures}
    assert [path.name for path in found.pictures] == ["night.board.png", "night.host.png", "night.board-and-host.png"]


def test_other_weights_are_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_runs(monkeypatch, weights="b")
    with pytest.raises(ConfigError, match="the host used the weights b; expected a, which the bundle"):
        compare_raw(Path("night.dng"), BACKENDS, "universal", 1e-5, tmp_path, lambda _: None)


def test_the_difference_shows_where_and_which_way() -> None:
    host = np.full((4, 6, 3), 100, np.uint8)
    board = host.copy()
    board[1, 2], board[3, 5] = 104, 98
    both = side_by_side(board, host)
    assert both.shape == (4, 3 * 6 + 2 * raw_check.GAP_PX, 3)
    assert np.array_equal(both[:, :6], board)
    difference = both[:, -6:, 0]
    assert difference[1, 2] == 255
    assert difference[3, 5] == 64
    assert np.count_nonzero(difference == 128) == 22


def test_large_pictures_are_reduced_and_no_difference_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_check, "SHOWN_PX", 4)
    host = np.full((9, 12, 3), 100, np.uint8)
    board = host.copy()
    board[4, 4, 1] = 99
    both = side_by_side(board, host)
    assert both.shape == (3, 3 * 4 + 2 * raw_check.GAP_PX, 3)
    difference = both[:, -4:]
    assert difference[1, 1].tolist() == [128, 0, 128]
    assert np.count_nonzero(difference == 0) == 1


@pytest.mark.parametrize("error", [ConfigError, InputError, NoBoardError, LinkError, BoardError])
def test_the_isp_s_errors_are_passed_on(error: type[ConfigError]) -> None:
    import sys

    seen: list[str] = []
    code = f"import sys; print('board: 1 of 2 tiles\\nerror: x: lost', file=sys.stderr); sys.exit({error.exit_code})"
    with pytest.raises(error, match=r"^x: lost$"):
        raw_check._run([sys.executable, "-c", code], seen.append)
    assert seen == ["board: 1 of 2 tiles", "error: x: lost"]
