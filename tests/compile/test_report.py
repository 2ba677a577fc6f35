from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from compile.golden_run import GoldenRun
from compile.report import verification_page
from compile.verification import Verification
from targets.descriptions import Threshold
from targets.golden import GoldenTile
from targets.verdict import TileResult, judged

THRESHOLD = Threshold(max_error=1e-5, quality_loss_db=0.01)
TOOLCHAIN = {"tvm": "0.27.0", "compiler": "gcc <12>"}


def _tile(name: str) -> GoldenTile:
    random = np.random.default_rng(1)
    clean = random.uniform(0, 0.8, (16, 32)).astype(np.float32)
    noisy, reference = (np.float32(clean + random.normal(0, sigma, clean.shape)) for sigma in (0.03, 0.01))
    return GoldenTile(name, (1e-3,) * 3, (1e-6,) * 3, noisy, clean, reference)


def _result(tile: GoldenTile, output: np.ndarray | None, failure: str = "") -> TileResult:
    return judged(GoldenRun(output, 8192, 0.0125, failure, "", b""), "net <1>", tile, THRESHOLD)


def _page(*results: TileResult) -> str:
    return verification_page(Verification(("qemu", "-cpu", "x", "run&ner"), THRESHOLD, results), "arm64", TOOLCHAIN)


def _pictures(page: str) -> list[np.ndarray]:
    encoded = re.findall(r'<img src="data:image/png;base64,([^"]+)"', page)
    return [cv2.imdecode(np.frombuffer(base64.b64decode(one), np.uint8), cv2.IMREAD_COLOR_RGB) for one in encoded]


def test_the_page_needs_nothing_else() -> None:
    tile = _tile("a")
    page = _page(_result(tile, tile.reference))
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(page)
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object"})
    links = [value for _, attributes in tags for name in ("src", "href") if (value := attributes.get(name))]
    assert len(links) == 5
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "url(" not in page
    assert "$" not in page


def test_the_page_states_the_circumstances() -> None:
    tile = _tile("a")
    page = _page(_result(tile, tile.reference))
    assert "<h1>Verification for arm64</h1>" in page
    for label, value in (("run by", "qemu -cpu x run&amp;ner"), ("compiler", "gcc &lt;12&gt;"), ("tvm", "0.27.0")):
        assert f"<tr><th scope=row>{label}</th><td>{value}</td></tr>" in page
    assert "<tr><th scope=row>net &lt;1&gt;, a</th><td>32 x 16</td><td>1e-3</td>" in page
    assert "<td>8</td><td>12.5</td><td>ok</td>" in page
    assert "What fails" not in page
    assert "<dd>passes</dd>" in page


def test_what_fails_stands_out() -> None:
    tile = _tile("a")
    output = tile.reference.copy()
    output[2, 3] += np.float32(2e-4)
    page = _page(_result(tile, output), _result(tile, None, "crashed with SIGILL: <b>"), _result(tile, tile.reference))
    assert "<dd>2 of 3 fail</dd>" in page
    assert "max error 0.0002, expected at most 1e-05" in page
    assert "crashed with SIGILL: &lt;b&gt;" in page
    assert page.count("<td>fails</td></tr>") == page.count("<tr class=bad>") == 2
    assert len(_pictures(page)) == 5 + 3 + 5


def test_the_difference_shows_where_and_how_much() -> None:
    tile = _tile("a")
    output = tile.reference.copy()
    output[2, 3] += np.float32(5e-6)
    output[9, 20] -= np.float32(1.6e-6)
    page = _page(_result(tile, output))
    assert "± 5.0e-06" in page
    *_, difference = _pictures(page)
    assert difference.shape == (16, 32, 3)
    assert difference[2, 3] == pytest.approx([255] * 3, abs=2)
    assert difference[9, 20] == pytest.approx([87] * 3, abs=2)
    assert np.count_nonzero(difference[..., 0] != difference[0, 0, 0]) == 2
    assert difference[0, 0, 0] in (127, 128)


def test_grey_is_shown_grey_and_values_that_are_none_do_no_harm() -> None:
    """A neutral patch: red and blue of the scenes' sensor at half and at 5/8 of green."""
    grey = np.empty((16, 16), np.float32)
    grey[0::2, 0::2], grey[0::2, 1::2], grey[1::2, 0::2], grey[1::2, 1::2] = 0.1, 0.2, 0.2, 0.125
    tile = GoldenTile("grey", (1e-3,) * 3, (1e-6,) * 3, grey, grey, grey)
    output = grey.copy()
    output[5, 5] = np.nan
    noisy, clean, reference, target = _pictures(_page(_result(tile, output)))
    assert np.array_equal(noisy, clean)
    assert np.array_equal(noisy, reference)
    assert noisy.shape == (8, 8, 3)
    # sRGB of linear 0.2 is 124.
    assert noisy[3, 3] == pytest.approx([124] * 3, abs=3)
    assert np.count_nonzero((target != noisy).any(axis=2)) == 1


def test_every_specialist_has_its_own_card() -> None:
    tile = _tile("a")
    run = GoldenRun(tile.reference, 1, 0.0, "", "", b"")
    results = [judged(run, name, tile, THRESHOLD) for name in ("one", "one", "two")]
    page = _page(*results)
    assert page.count('class="card spot"') == 2
    assert page.count('class="strip"') == 3
