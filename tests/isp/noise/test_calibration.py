from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.noise.calibration import Calibration, CalibrationEntry, load_calibration, save_calibration
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.noise.resolve import known_noise
from isp.raw_frame import BlackLevel, Exposure, RawFrame


def entry(iso: float | None, shot: float = 1e-4, read: float = 1e-7) -> CalibrationEntry:
    return CalibrationEntry(iso=iso, shot=(shot, shot, 2 * shot), read=(read,) * 3, provenance="made up")


def frame(iso: float | None = 100, make: str = "Acme", model: str = "One", noise: NoiseModel | None = None) -> RawFrame:
    return RawFrame(
        np.zeros((4, 4), np.uint16),
        Cfa.RGGB,
        BlackLevel(np.zeros((2, 2))),
        1023,
        Path("capture.dng"),
        make,
        model,
        noise=noise,
        exposure=Exposure(iso=iso),
    )


# read = 3e-8 + 7e-8 (iso / 100) squared
TWO = Calibration(make="Acme", model="One", entries=(entry(100, 1e-4, 1e-7), entry(400, 4e-4, 1.15e-6)))


def test_shot_is_linear_in_iso_and_read_in_its_square():
    noise = TWO.model_for(frame(200))
    assert noise.shot == pytest.approx((2e-4, 2e-4, 4e-4))
    assert noise.read == pytest.approx((3e-8 + 7e-8 * 4,) * 3)
    assert noise.origin is NoiseOrigin.CALIBRATION


@pytest.mark.parametrize(("iso", "shot", "read"), [(50, 0.5e-4, 3e-8 + 7e-8 / 4), (800, 8e-4, 3e-8 + 7e-8 * 64)])
def test_one_stop_beyond_the_entries_still_holds(iso, shot, read):
    noise = TWO.model_for(frame(iso))
    assert noise.shot[0] == pytest.approx(shot)
    assert noise.read[0] == pytest.approx(read)


@pytest.mark.parametrize("iso", [49, 801, None])
def test_farther_or_unknown_iso_is_refused(iso):
    with pytest.raises(ConfigError, match=r"ISO 50 to 800"):
        TWO.model_for(frame(iso))


def test_stated_limits_replace_the_stop():
    narrow = TWO.model_copy(update={"valid_iso": (100.0, 400.0)})
    with pytest.raises(ConfigError, match="ISO 100 to 400"):
        narrow.model_for(frame(80))


def test_one_entry_scales_with_gain():
    noise = Calibration(make="Acme", model="One", entries=(entry(100),)).model_for(frame(200))
    assert noise.shot[0] == pytest.approx(2e-4)
    assert noise.read[0] == pytest.approx(4e-7)


def test_a_camera_with_one_gain_needs_no_iso():
    fixed = Calibration(make="Acme", model="One", entries=(entry(None),))
    assert fixed.model_for(frame(None)).shot[2] == pytest.approx(2e-4)


def test_another_camera_gets_none_and_a_nameless_capture_the_model():
    assert TWO.model_for(frame(100, model="Two")) is None
    assert TWO.model_for(frame(100, make="Other")) is None
    assert TWO.model_for(frame(100, make="ACME", model=" one")) is not None
    assert TWO.model_for(frame(100, make="", model="")) is not None


def test_file_round_trip(tmp_path):
    path = tmp_path / "acme.yaml"
    save_calibration(TWO, path)
    assert load_calibration(path) == TWO
    assert [p.name for p in tmp_path.iterdir()] == ["acme.yaml"]


def test_entries_replace_their_iso_and_stay_sorted():
    added = TWO.with_entry(entry(200)).with_entry(entry(100, 3e-4))
    assert [e.iso for e in added.entries] == [100, 200, 400]
    assert added.entries[0].shot[0] == 3e-4
    with pytest.raises(ConfigError, match="an ISO for each"):
        TWO.with_entry(entry(None))


ONE = "{{iso: {}, shot: [1,1,1], read: [1,1,1]}}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("noise_calibration: 2\nmodel: x\nentries: [{iso: 1, shot: [1,1,1], read: [1,1,1]}]", "noise_calibration"),
        ("model: x\nentries: []", "entries"),
        ("model: x\nentries: [{iso: 1, shot: [1,1,-1], read: [1,1,1]}]", "shot"),
        ("model: x\nentries: [{iso: 1, shot: [1,1], read: [1,1,1]}]", "shot"),
        ("model: x\nentries: [{iso: 1, shoot: [1,1,1], read: [1,1,1]}]", "shoot"),
        (
            "model: x\nentries: [{iso: 2, shot: [1,1,1], read: [1,1,1]}, {iso: 1, shot: [1,1,1], read: [1,1,1]}]",
            "ascend",
        ),
        ("a: [", "YAML"),
        ("just text", "the file"),
        ("", "the file"),
    ],
)
def test_what_is_not_a_calibration_is_refused_in_one_line(tmp_path, text, says):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        load_calibration(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError):
            load_calibration(path)


def test_order_of_preference():
    user = NoiseModel.uniform(1e-3, 1e-6, NoiseOrigin.USER)
    tag = NoiseModel.uniform(2e-3, 2e-6, NoiseOrigin.TAG)
    assert known_noise(frame(noise=tag), user, TWO) is user
    assert known_noise(frame(noise=tag), None, TWO) is tag
    assert known_noise(frame(), None, TWO).origin is NoiseOrigin.CALIBRATION
    assert known_noise(frame(), None, None) is None
    assert known_noise(frame(model="Two"), None, TWO) is None


def test_a_calibration_that_is_not_needed_is_not_asked():
    tag = NoiseModel.uniform(2e-3, 2e-6, NoiseOrigin.TAG)
    assert known_noise(frame(iso=99999, noise=tag), None, TWO) is tag
