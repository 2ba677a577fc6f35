from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from isp import readers
from isp.cli.main import main
from isp.develop import Settings
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.pipeline import Pipeline, Step
from isp.pipeline_file import load_pipeline_file
from isp.raw_frame import RawFrame
from isp.registry import Registry
from isp.report.comparison import Comparison, compare
from isp.report.page import comparison_page
from isp.stage import Domain, Signal
from tests.isp.stub_stages import GainParameters, Stub, frame

SAMPLE = Path(__file__).parents[3] / "isp/sample/sample.dng"


class Smooth(Stub):
    """Stands in for the denoiser: the mean over each colour's neighbours."""

    def __call__(self, signal: Signal, parameters: object, /) -> Signal:
        data = signal.data
        padded = np.pad(data, 2, mode="reflect")
        rows, columns = data.shape
        shifted = [padded[y : y + rows, x : x + columns] for y in (0, 2, 4) for x in (0, 2, 4)]
        return replace(signal, data=np.mean(shifted, axis=0, dtype=np.float32))


def line() -> Pipeline:
    """The default pipeline with a fast denoiser."""
    registry = Registry.installed()
    whole = Pipeline.from_file(load_pipeline_file("default").without("denoise"), registry)
    denoise = Smooth("denoise", {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}, needs_noise=True)
    step = Step(denoise, GainParameters(), registry.source("denoise"))
    at = whole.index("white_balance")
    return replace(whole, steps=(*whole.steps[:at], step, *whole.steps[at:]))


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(SAMPLE, Settings(line()))


@pytest.fixture(scope="module")
def page(comparison: Comparison) -> str:
    return comparison_page(comparison)


def test_both_sides_have_the_same_brightness_and_colour(comparison: Comparison) -> None:
    # Not the mean: noise that is cut off at black brightens the shadows of the noisy side.
    before, after = (np.quantile(picture, 0.75, axis=(0, 1)) for picture in (comparison.before, comparison.after))
    np.testing.assert_allclose(before, after, atol=4)


def test_what_stages_measure_is_measured_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A denoiser that darkens: were the other side metered by itself, it would not be brighter."""

    class Darkens(Stub):
        def __call__(self, signal: Signal, parameters: object, /) -> Signal:
            return replace(signal, data=signal.data * np.float32(0.5))

    whole = line()
    at = whole.index("denoise")
    darkens = replace(whole.steps[at], stage=Darkens("denoise", whole.steps[at].stage.transitions))
    found = compare(
        SAMPLE, Settings(replace(whole, steps=(*whole.steps[:at], darkens, *whole.steps[at + 1 :])), noise=USER)
    )
    assert found.before.mean() > 1.2 * found.after.mean()


def test_white_balance_is_measured_once() -> None:
    """A denoiser that takes red away: were the other side balanced by itself, it would not be redder."""

    class TakesRed(Stub):
        def __call__(self, signal: Signal, parameters: object, /) -> Signal:
            assert signal.cfa is not None
            data = signal.data.copy()
            row, column = signal.cfa.position("R")
            data[row::2, column::2] *= np.float32(0.5)
            return replace(signal, data=data)

    whole = line()
    steps = list(whole.steps)
    at, balance = whole.index("denoise"), whole.index("white_balance")
    steps[at] = replace(steps[at], stage=TakesRed("denoise", steps[at].stage.transitions))
    grey_world = steps[balance].stage.Parameters.model_validate({"method": "grey_world"})
    steps[balance] = replace(steps[balance], parameters=grey_world)
    found = compare(SAMPLE, Settings(replace(whole, steps=tuple(steps)), noise=USER))
    before, after = (picture.mean(axis=(0, 1)) for picture in (found.before, found.after))
    assert before[0] / before[1] > 1.2 * after[0] / after[1]


USER = NoiseModel.uniform(4e-3, 1e-4, NoiseOrigin.USER)


def test_denoised_side_is_the_smoother_one(comparison: Comparison) -> None:
    def grain(picture: np.ndarray) -> float:
        return float(np.abs(np.diff(picture.astype(np.int16), axis=1)).mean())

    assert grain(comparison.after) < 0.8 * grain(comparison.before)
    flat = float(np.quantile(comparison.ratio, 0.2))
    assert flat == pytest.approx(np.sqrt(8 / 9), abs=0.1), "8 of 9 parts of the variance go where nothing else does"


def test_hashes_are_of_what_they_say(comparison: Comparison) -> None:
    from isp.report.sidecar import sha256

    assert comparison.hashes["capture"] == sha256(SAMPLE)
    assert len(set(comparison.hashes.values())) == len(comparison.hashes)


def test_pipeline_without_denoising_is_refused() -> None:
    without = Pipeline.from_file(load_pipeline_file("default").without("denoise"), Registry.installed())
    with pytest.raises(ConfigError, match="no stage 'denoise'"):
        compare(SAMPLE, Settings(without))


def test_linear_raw_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(path: Path, dump: object = None) -> RawFrame:
        return frame(np.ones((8, 8, 3), np.uint16), cfa=None)

    monkeypatch.setattr(readers, "read", read)
    with pytest.raises(InputError, match="demosaiced by its camera"):
        compare(SAMPLE, Settings(line()))


class Elements(HTMLParser):
    """Every element's name and attributes, and whether all that were opened are closed."""

    VOID = frozenset({"meta", "img", "input", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_needs_nothing_from_elsewhere(page: str) -> None:
    elements = Elements()
    elements.feed(page)
    assert elements.open == []
    for tag, attributes in elements.found:
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/", "#crop-")), f"{tag} {name}={value[:60]}"
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest", re.sub(r"base64,[^\"]*", "", page))


def test_page_shows_what_it_promises(page: str, comparison: Comparison) -> None:
    for text in (
        *("100 %", "200 %", "400 %", "Difference map", "SHA-256", "the file&#x27;s NoiseProfile tag"),
        *(crop.title for crop in comparison.crops),
        *comparison.hashes.values(),
    ):
        assert text in page, text
    assert "$" not in re.sub(r"base64,[^\"]*", "", page), "a placeholder was left"


def test_page_can_be_used_without_seeing_or_pointing(page: str) -> None:
    elements = Elements()
    elements.feed(page)
    pictures = [attributes for tag, attributes in elements.found if tag == "img"]
    assert pictures
    assert all(attributes.get("alt") for attributes in pictures)
    sliders = [attributes for tag, attributes in elements.found if attributes.get("type") == "range"]
    assert len(sliders) == page.count('class="pane ')
    assert all(attributes.get("aria-label") for attributes in sliders)
    assert ("html", {"lang": "en"}) in elements.found


def test_names_from_files_cannot_break_the_page(comparison: Comparison) -> None:
    bad = replace(comparison, source=Path("<script>alert(1)</script>.dng"))
    assert "<script>alert" not in comparison_page(bad)


def test_command_refuses_to_replace_and_other_suffixes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    page.write_text("precious")
    assert main(["compare", str(SAMPLE), "-o", str(page)]) == 2
    assert page.read_text() == "precious"
    assert main(["compare", str(SAMPLE), "-o", str(tmp_path / "page.pdf")]) == 2
    assert capfd.readouterr().err.count("error: ") == 2
