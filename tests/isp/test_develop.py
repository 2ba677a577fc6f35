from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from isp import readers
from isp.develop import Settings, develop
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.pipeline import Pipeline, start_signal
from isp.pipeline_file import load_pipeline_file, parse_pipeline_file
from isp.raw_frame import RawFrame, Rect
from isp.registry import Registry
from isp.report.sidecar import sha256
from tests.isp.stub_stages import clean, frame, interpolate, linearise, pipeline, show

USER = NoiseModel.uniform(2e-3, 3e-6, NoiseOrigin.USER)
TAG = NoiseModel.uniform(4e-3, 5e-6, NoiseOrigin.TAG)


@pytest.fixture
def capture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose reader gives a frame that is shown turned and cropped."""
    path = tmp_path / "capture.dng"
    path.write_bytes(b"raw")
    crop = Rect(4, 8, 44, 64)

    def read(source: Path, dump: object = None) -> RawFrame:
        return frame(default_crop=crop, orientation=6, noise=TAG)

    monkeypatch.setattr(readers, "read", read)
    return path


def settings(**changes: object) -> Settings:
    line = pipeline(linearise(), clean(), interpolate(), show(), show=1 / 4095)
    return Settings(**{"pipeline": line, **changes})  # type: ignore[arg-type]


def test_picture_is_cropped_and_upright(capture: Path, tmp_path: Path) -> None:
    line = pipeline(linearise(), clean(), interpolate(), show(), show=0.0)
    result = develop(capture, tmp_path / "out.tiff", Settings(line))
    assert (result.width, result.height) == (40, 56)
    written = cv2.imread(str(tmp_path / "out.tiff"), cv2.IMREAD_UNCHANGED)
    assert written.shape == (56, 40, 3)


def test_every_step_is_timed_in_order(capture: Path, tmp_path: Path) -> None:
    result = develop(capture, tmp_path / "out.npy", settings())
    assert [name for name, _ in result.timings] == ["read", "linearise", "clean", "interpolate", "show", "write"]
    assert result.time_s == pytest.approx(sum(time_s for _, time_s in result.timings))


def test_array_is_what_the_last_stage_left(capture: Path, tmp_path: Path) -> None:
    develop(capture, tmp_path / "out.npy", settings(stop_after="linearise"))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), frame().mosaic.astype(np.float32))


def test_noise_of_the_user_goes_before_the_tag(capture: Path, tmp_path: Path) -> None:
    assert develop(capture, tmp_path / "a.npy", settings()).noise == TAG
    assert develop(capture, tmp_path / "b.npy", settings(noise=USER)).noise == USER


def test_picture_of_a_stage_in_the_middle(capture: Path, tmp_path: Path) -> None:
    result = develop(capture, tmp_path / "out.png", settings(stop_after="linearise"))
    assert (result.width, result.height) == (20, 28), "a mosaic is shown at half size"


def test_results_that_exist_stay_unless_told_otherwise(capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    target.write_bytes(b"precious")
    with pytest.raises(ConfigError, match=r"out\.npy exists; add --overwrite"):
        develop(capture, target, settings())
    assert target.read_bytes() == b"precious"
    develop(capture, target, settings(overwrite=True))
    assert target.read_bytes() != b"precious"


def test_unknown_format(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write out\.gif: unknown format; expected one of \.png"):
        develop(capture, tmp_path / "out.gif", settings())


def test_dng_needs_a_pipeline_that_denoises(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no stage 'denoise'"):
        develop(capture, tmp_path / "out.dng", settings())


def test_stage_that_fails_leaves_no_file(capture: Path, tmp_path: Path) -> None:
    class Fails(type(show())):  # type: ignore[misc]
        def __call__(self, signal: object, parameters: object, /) -> object:
            raise InputError("no such light")

    line = pipeline(linearise(), interpolate(), Fails("show", show().transitions))
    with pytest.raises(InputError):
        develop(capture, tmp_path / "new" / "out.png", Settings(line))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["capture.dng"]


def test_saved_stages_can_be_continued_with_other_settings_later_on(capture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stages"
    whole = settings(saved_stages=folder)
    develop(capture, tmp_path / "a.npy", whole)
    saved = folder / "capture"
    assert (saved / "02_clean.npy").is_file()
    assert cv2.imread(str(saved / "02_clean.png")).shape == (24, 32, 3)
    # Were the stage before run again, this mark would not be in the result.
    np.save(saved / "02_clean.npy", np.full((48, 64), 0.25, np.float32))
    other = pipeline(linearise(), clean(), interpolate(), show(), show=0.5)
    result = develop(capture, tmp_path / "b.npy", Settings(other, start_at="interpolate", saved_stages=folder))
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), np.full((48, 64, 3), 0.125, np.float32))
    assert [name for name, _ in result.timings] == ["read", "interpolate", "show", "write"]


def test_saved_stages_of_other_settings_or_captures_are_refused(capture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stages"
    develop(capture, tmp_path / "a.npy", settings(saved_stages=folder))
    changed = pipeline(linearise(), clean(), interpolate(), show(), clean=2.0)
    with pytest.raises(ConfigError, match="the stages before it have other settings"):
        develop(capture, tmp_path / "b.npy", Settings(changed, start_at="show", saved_stages=folder))
    capture.write_bytes(b"another capture")
    with pytest.raises(ConfigError, match="saved from another capture"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder))


def test_saved_stages_made_with_another_noise_model_are_refused(capture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stages"
    develop(capture, tmp_path / "a.npy", settings(saved_stages=folder, noise=USER))
    with pytest.raises(ConfigError, match="the stages before it used another noise model"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder))
    develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder, noise=USER))
    develop(capture, tmp_path / "c.npy", settings(start_at="clean", saved_stages=folder))  # none used it before


def test_saved_stages_that_are_missing_or_damaged(capture: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stages"
    with pytest.raises(ConfigError, match="without --save-stages"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show"))
    with pytest.raises(ConfigError, match=r"03_interpolate\.json does not exist"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder))
    develop(capture, tmp_path / "a.npy", settings(saved_stages=folder))
    (folder / "capture/03_interpolate.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"03_interpolate\.npy is damaged"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder))
    (folder / "capture/03_interpolate.json").write_text("{}")
    with pytest.raises(InputError, match=r"03_interpolate\.json is damaged"):
        develop(capture, tmp_path / "b.npy", settings(start_at="show", saved_stages=folder))


def test_saved_stages_restore_all_that_a_signal_carries(tmp_path: Path) -> None:
    from dataclasses import replace

    from isp.report.saved_stages import SavedStages
    from isp.stage import Domain

    line = pipeline(linearise(), clean(), interpolate(), show())
    store = SavedStages(tmp_path, "abc", line, line.plan(Domain.MOSAIC))
    start = start_signal(frame(), None)
    signal = replace(
        start,
        data=np.random.default_rng(0).normal(size=(48, 64)).astype(np.float32),
        domain=Domain.LINEAR_MOSAIC,
        noise=USER,
        white_balance=(2.0, 1.0, 1.5),
        saturation=(2.0, 1.0, 1.25),
        shading_gain=np.full((48, 64), 1.5, np.float32),
        decisions=(("clean.model", "small"),),
    )
    store.save("clean", signal)
    restored = store.before("interpolate", start)
    np.testing.assert_array_equal(restored.data, signal.data)
    np.testing.assert_array_equal(restored.shading_gain, signal.shading_gain)
    for name in ("domain", "cfa", "noise", "white_balance", "saturation", "colour_space", "decisions"):
        assert getattr(restored, name) == getattr(signal, name), name


def test_sidecar_tells_how_the_result_came_about(capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.npy"
    develop(capture, target, settings(sidecar=True))
    told = json.loads((tmp_path / "out.npy.json").read_text())
    assert told["source"]["sha256"] == sha256(capture)
    assert told["result"]["sha256"] == sha256(target)
    assert told["pipeline"]["stages"][3] == {"stage": "show", "gain": pytest.approx(1 / 4095)}
    assert told["origins"]["clean"] == "stub-package 1.2"
    assert told["versions"]["stub-package"] == "1.2"
    assert told["noise"] == {"shot": [4e-3] * 3, "read": [5e-6] * 3, "origin": "tag"}
    assert told["decisions"] == {}
    assert list(told["timings_s"]) == ["read", "linearise", "clean", "interpolate", "show", "write"]


def test_steps_are_announced_before_they_run(capture: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, float]] = []
    develop(capture, tmp_path / "a.npy", settings(), lambda name, share: heard.append((name, share)))
    assert [name for name, _ in heard] == ["read", "linearise", "clean", "interpolate", "show", "write"]
    shares = [share for _, share in heard]
    assert shares == sorted(shares)
    assert shares[-1] < 1


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
def test_sample_develops_into_a_picture(tmp_path: Path, suffix: str) -> None:
    sample = Path(__file__).parents[2] / "isp/sample/sample.dng"
    line = Pipeline.from_file(load_pipeline_file("default").without("denoise"), Registry.installed())
    target = tmp_path / f"sample{suffix}"
    result = develop(sample, target, Settings(line))
    picture = cv2.imread(str(target))
    assert picture.shape == (result.height, result.width, 3)
    assert 40 < picture.mean() < 215
    assert picture.std() > 30


def test_pipeline_that_ends_before_the_display_is_shown_all_the_same(capture: Path, tmp_path: Path) -> None:
    file = parse_pipeline_file("version: 1\nstages:\n  - stage: black_level\n", "p.yaml")
    line = Pipeline.from_file(file, Registry.installed())
    assert develop(capture, tmp_path / "out.png", Settings(line)).width == 20
