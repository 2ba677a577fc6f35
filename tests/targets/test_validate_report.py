"""The page of a validation needs nothing else and says what the results say."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from targets.descriptions import Threshold
from targets.validate import chosen_tiles, validate
from targets.validate_report import validation_page
from targets.validation import Validation
from tests.targets.fake_boards import FakeBoard, fake_board, make_bundle

LIMITS = Threshold(max_error=1e-5, quality_loss_db=0.01)


@pytest.fixture
def board(tmp_path: Path) -> FakeBoard:
    return fake_board(make_bundle(tmp_path / "bundle"))


def validated(board: FakeBoard) -> Validation:
    return validate(board.bundle, board, "user:x", chosen_tiles(board.bundle, (), None), LIMITS)  # type: ignore[arg-type]


def test_the_page_needs_nothing_else(board: FakeBoard) -> None:
    page = validation_page(validated(board))
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))  # type: ignore[method-assign]
    parser.feed(page)
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object"})
    links = [value for _, attributes in tags for name in ("src", "href") if (value := attributes.get(name))]
    assert len(links) == 3 * 5
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "url(" not in page
    assert "$" not in page


def test_the_page_states_verdict_board_and_link(board: FakeBoard) -> None:
    board.hello = replace(board.hello, board="<b>oard")
    board.link = replace(board.link, console=("boot & go",), retransmits=4)
    page = validation_page(validated(board))
    assert "<h1>Validation of &lt;b&gt;oard</h1>" in page
    assert "<dd>passes</dd>" in page
    assert "<dd>0.5 MP/s</dd>" in page
    assert "<th scope=row>core</th><td>has neon, fp16</td>" in page
    assert "<th scope=row>sent again</th><td>4 frames</td>" in page
    assert "<pre>boot &amp; go</pre>" in page
    assert "<li>this board is emulated: its times tell nothing of a real one</li>" in page
    assert "What fails" not in page


def test_of_each_specialist_the_worst_tile_stands_first(board: FakeBoard) -> None:
    def worse_where_tall(_specialist: int, tile: np.ndarray) -> np.ndarray:
        output = tile * np.float32(0.5)
        output[0, 0] += np.float32(1e-3 if tile.shape[0] == 32 else 2e-6)
        return output

    board.compute = worse_where_tall
    page = validation_page(validated(board))
    assert re.findall(r"<h4>(\w+),", page) == ["tall", "wide", "only"]
    assert "<dd>1 of 3 fail</dd>" in page
    assert "What fails" in page
