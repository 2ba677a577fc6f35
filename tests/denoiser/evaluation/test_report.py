"""The report shows what was measured, flags what is out of bounds, and needs nothing but itself."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from denoiser.evaluation.candidates import Candidate, NetworkFacts
from denoiser.evaluation.chart import Curve, chart
from denoiser.evaluation.comparison import Comparison, Result, SceneScore, compare
from denoiser.evaluation.crops import SHOTS_SHOWN, choose_spots
from denoiser.evaluation.document import comparison_document
from denoiser.evaluation.report import comparison_page, write_report
from denoiser.evaluation.rivals import NOISY_RAW_PSNR_DB
from denoiser.evaluation.scenes import SHOTS, Photograph, photographs, scenes_of
from denoiser.evaluation.scores import DARK_BIAS_LIMITS, Score
from isp.psnr import psnr_db
from isp.report.results_page import shot_text

NETWORK = NetworkFacts("net <1>", "ab" * 32, 1234, 2.5, (5e-5, 2e-2), 0.0)
OTHER_NOISY = (40.0, 35.0, 30.0, 25.0, 20.0)


def _blurred(mosaic: np.ndarray, *_: object) -> np.ndarray:
    return cv2.blur(mosaic, (3, 3))


def _result(label: str, raw_db: tuple[float, ...], bias: tuple[float, ...] = (0.0,) * 5) -> Result:
    levels = zip(SHOTS, raw_db, bias, strict=True)
    return Result(label, tuple(SceneScore("a.png", shot, Score(db, db - 9, 0.9, b)) for shot, db, b in levels))


def _comparison(noisy_db: tuple[float, ...], *results: Result) -> Comparison:
    under_test = tuple(Candidate(result.label, _blurred, (NETWORK,)) for result in results)
    photograph = Photograph(Path("a.png"), 0)
    return Comparison(Path("folder"), (photograph,), under_test, _result("noisy input", noisy_db), results, ())


def _gained(noisy_db: tuple[float, ...], gain_db: float) -> tuple[float, ...]:
    return tuple(value + gain_db for value in noisy_db)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bright smooth picture, a dark one, and one with a patch of fine stripes."""
    path = tmp_path_factory.mktemp("photographs")
    texture = np.random.default_rng(3).integers(-6, 7, (192, 192, 3))
    bright = np.full((192, 192, 3), 190)
    striped = np.full((192, 192, 3), 120)
    striped[96:, 96:] += 60 * (np.arange(96)[None, :, None] // 2 % 2)
    dark = np.full((192, 192, 3), 28)
    for name, picture in (("1.png", bright), ("2.png", dark), ("3.png", striped)):
        cv2.imwrite(str(path / name), np.clip(picture + texture, 0, 255).astype(np.uint8))
    return path


def test_the_page_needs_nothing_else(folder: Path) -> None:
    found = photographs(folder)
    page = comparison_page(compare(folder, found, [Candidate("blur", _blurred, (NETWORK,))], choose_spots(found)))
    tags: list[tuple[str, dict[str, str | None]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(page)
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "iframe", "object"})
    links = [value for _, attributes in tags for name in ("src", "href") if (value := attributes.get(name))]
    assert links
    assert all(link.startswith("data:image/png;base64,") for link in links)
    assert "url(" not in page
    assert "light-dark(" in page
    assert "$" not in page
    assert sum(tag == "img" for tag, _ in tags) == 3 * len(choose_spots(found)) * len(SHOTS_SHOWN)


def test_names_are_escaped() -> None:
    page = comparison_page(_comparison(OTHER_NOISY, _result("<b>&", _gained(OTHER_NOISY, 2))))
    assert "<b>&<" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "net &lt;1&gt;" in page


def test_rivals_stand_only_beside_their_photographs() -> None:
    theirs = comparison_page(_comparison(NOISY_RAW_PSNR_DB, _result("m", _gained(NOISY_RAW_PSNR_DB, 1))))
    assert "44.20<small>−5.23</small>" in theirs
    assert "37.40<small>+4.80</small>" in theirs
    assert "recognised as Kodak 13 to 24" in theirs
    others = _comparison(OTHER_NOISY, _result("m", _gained(OTHER_NOISY, 1)))
    page = comparison_page(others)
    assert "44.20" not in page
    assert "PMRID and BM3D + VST are left out" in page
    document = comparison_document(others)
    assert document["rivals"] == []
    assert "left out" in str(document["rivals_left_out"])


def test_what_is_worse_than_the_noisy_input_stands_out() -> None:
    page = comparison_page(_comparison(OTHER_NOISY, _result("m", (39.9, 36.0, 31.0, 26.0, 21.0))))
    assert "<td class=bad>39.90<small>−0.10</small></td>" in page
    assert "<td>36.00<small>+1.00</small></td>" in page


@pytest.mark.parametrize("sign", [1, -1])
def test_dark_bias_beyond_its_limit_stands_out(sign: int) -> None:
    bias = tuple(sign * limit * (1.1 if i == 2 else 0.9) for i, limit in enumerate(DARK_BIAS_LIMITS))
    page = comparison_page(_comparison(OTHER_NOISY, _result("m", _gained(OTHER_NOISY, 1), bias)))
    table = page[page.index("<h2>Dark bias") :]
    assert re.findall(r"<td class=bad>(.)(\d+\.\d+)<small>(\d+) %", table) == [("−+"[sign > 0], "4.95", "110")]
    assert table.count("<small>90 %") == 4


def test_curves_are_where_their_numbers_say() -> None:
    curve = Curve("m", "m0", ((1e-4, 2.0), (1e-3, 0.0), (1e-2, 8.0)))
    svg = ElementTree.fromstring(chart([curve], "t", "dB"))
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in svg.iter("circle")]
    (x0, y0), (x1, y1), (x2, y2) = dots
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)  # equal ratios, equal steps
    assert (y1 - y2) / (y1 - y0) == pytest.approx(4, rel=0.01)
    (zero,) = [line for line in svg.iter("line") if line.get("class") == "zero"]
    assert float(zero.get("y1", "")) == pytest.approx(y1, abs=0.1)
    ticks = {float(text.get("y", "0")) - 5: text.text for text in svg.iter("text") if text.get("class") == "left"}
    assert next(label for y, label in ticks.items() if abs(y - y2) < 0.2) == "8"


@pytest.mark.parametrize(("shot", "text"), [(1e-4, "1e-4"), (1.3e-3, "1.3e-3"), (0.012, "1.2e-2")])
def test_noise_levels_are_written_short(shot: float, text: str) -> None:
    assert shot_text(shot) == text


def test_crops_are_where_the_photographs_tell_most(folder: Path) -> None:
    spots = {spot.title: spot for spot in choose_spots(photographs(folder))}
    assert set(spots) == {"Finest detail", "Dark area", "Strong colour"}
    detail = spots["Finest detail"]
    assert detail.photograph.path.name == "3.png"
    assert detail.square.top >= 80
    assert detail.square.left >= 80
    assert spots["Dark area"].photograph.path.name == "2.png"
    assert spots["Dark area"].stops >= 2
    assert detail.stops == 0


def test_crops_show_what_the_denoiser_gave(folder: Path) -> None:
    found = photographs(folder)
    perfect = {scene.shot: scene.clean for scene in scenes_of(found[2])}
    spots = [spot for spot in choose_spots(found) if spot.photograph == found[2]]
    oracle = Candidate("oracle", lambda mosaic, cfa, shot, read: perfect[shot], ())
    comparison = compare(folder, found[2:], [oracle], spots)
    assert [row.shot for row in comparison.crops] == list(SHOTS_SHOWN) * len(spots)
    for row in comparison.crops:
        (noisy, before), (label, after), (clean, truth) = row.pictures
        assert (noisy, label, clean) == ("noisy", "oracle", "clean")
        assert np.array_equal(after, truth)
        assert psnr_db(before / 255, truth / 255) < 35


def test_scores_are_means_over_photographs_then_levels(folder: Path) -> None:
    found = photographs(folder)
    comparison = compare(folder, found, [Candidate("blur", _blurred, ())], ())
    (result,) = comparison.results
    at_first = [scene.score.raw_psnr_db for scene in result.scenes if scene.shot == SHOTS[0]]
    assert len(at_first) == 3
    assert result.levels[SHOTS[0]].raw_psnr_db == pytest.approx(np.mean(at_first))
    levels = [level.raw_psnr_db for level in result.levels.values()]
    assert result.mean.raw_psnr_db == pytest.approx(np.mean(levels))
    scene = next(scenes_of(found[1]))
    noisy = next(one for one in comparison.noisy.scenes if one.photograph == "2.png")
    assert noisy.score.raw_psnr_db == pytest.approx(psnr_db(scene.noisy, scene.clean))


def test_the_report_is_two_whole_files(tmp_path: Path) -> None:
    comparison = _comparison(OTHER_NOISY, _result("m", _gained(OTHER_NOISY, 1)))
    write_report(tmp_path, comparison_document(comparison), comparison_page(comparison))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.html", "evaluation.json"]
    document = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    (model,) = document["models"]
    assert model["model"] == "m"
    assert model["networks"][0]["sha256"] == "ab" * 32
    assert model["networks"][0]["kmac_per_px"] == 2.5
    assert model["mean"]["raw_psnr_db"] == pytest.approx(31)
    assert [level["shot"] for level in model["levels"]] == list(SHOTS)
    assert document["noisy"]["levels"][0]["raw_psnr_db"] == 40
