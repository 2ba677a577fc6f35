from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser.calibration.captures import Layout
from denoiser.evaluation.bursts import evaluate
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from tests.denoiser.calibration.simulation import Sensor

SENSOR = Sensor()
LAYOUT = Layout(Cfa.GRBG, SENSOR.black_dn, SENSOR.white_dn)
SHAPE = (240, 320)
CHANCE = 5 / (SHAPE[0] * SHAPE[1])
"""Share of the noise that is left in a frame's mean brightness, by chance up to five times as expected."""


def scene_dn() -> np.ndarray:
    return np.random.default_rng(8).uniform(0.05, 1, SHAPE) ** 2 * 3000.0


def burst(folder: Path, name: str = "scene.npz", count: int = 6) -> Path:
    np.savez(folder / name, frames=SENSOR.frames(scene_dn(), count, seed=2))
    return folder


def unchanged(mosaic: np.ndarray, *_: object) -> np.ndarray:
    return mosaic


def perfect(*_: object) -> np.ndarray:
    return (scene_dn() / SENSOR.span_dn).astype(np.float32)


def test_an_unchanged_output_gains_nothing(tmp_path: Path) -> None:
    (score,) = evaluate(unchanged, burst(tmp_path), layout=LAYOUT)
    assert (score.name, score.frames, score.scored) == ("scene", 6, 3)
    assert score.gain_db == 0
    assert score.temporal_variance_ratio == 1
    variance = SENSOR.shot * (scene_dn() / SENSOR.span_dn).mean() + SENSOR.read
    assert score.before_db == score.after_db == pytest.approx(-10 * np.log10(variance * 6 / 5), abs=0.05)
    assert score.ceiling_db == pytest.approx(-10 * np.log10(variance / 5), abs=0.05)


def test_a_perfect_output_reaches_the_ceiling_and_does_not_flicker(tmp_path: Path) -> None:
    (score,) = evaluate(perfect, burst(tmp_path), layout=LAYOUT)
    assert score.after_db == pytest.approx(score.ceiling_db, abs=0.05)
    assert score.gain_db > 18
    assert score.temporal_variance_ratio < CHANCE


@pytest.mark.parametrize("count", [4, 12])
def test_the_gain_does_not_depend_on_the_length_of_the_burst(count: int, tmp_path: Path) -> None:
    """Half of the noise left is a gain of 6.02 dB, however noisy the mean of the others is."""

    def halved(mosaic: np.ndarray, *_: object) -> np.ndarray:
        return (mosaic + perfect()) / 2

    (score,) = evaluate(halved, burst(tmp_path, count=count), layout=LAYOUT)
    assert score.gain_db == pytest.approx(6.02, abs=0.1)
    assert score.after_db - score.before_db < 5.9
    assert score.temporal_variance_ratio == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("pattern", [np.ones(SHAPE), (-1.0) ** np.indices(SHAPE).sum(0)], ids=["frame", "pixels"])
def test_flicker_shows_where_no_single_frame_tells(pattern: np.ndarray, tmp_path: Path) -> None:
    signs = iter([1, -1, 1])

    def flickering(*_: object) -> np.ndarray:
        return perfect() + (next(signs) * 1e-3 * pattern).astype(np.float32)

    (steady,) = evaluate(lambda *_: perfect() + np.float32(1e-3), burst(tmp_path), layout=LAYOUT)
    (score,) = evaluate(flickering, tmp_path, layout=LAYOUT)
    assert score.after_db == pytest.approx(steady.after_db, abs=0.1)
    assert steady.temporal_variance_ratio < CHANCE
    variance = SENSOR.shot * (scene_dn() / SENSOR.span_dn).mean() + SENSOR.read
    assert score.temporal_variance_ratio == pytest.approx(4 / 3 * 1e-6 / variance, rel=0.1)


def test_following_a_lamp_is_no_flicker(tmp_path: Path) -> None:
    def following(mosaic: np.ndarray, *_: object) -> np.ndarray:
        return perfect() + np.float32(mosaic.mean() - perfect().mean())

    np.savez(tmp_path / "scene.npz", frames=SENSOR.frames(scene_dn(), 6, flicker=0.02, seed=2))
    (score,) = evaluate(following, tmp_path, layout=LAYOUT)
    assert score.temporal_variance_ratio < CHANCE
    (blind,) = evaluate(perfect, tmp_path, layout=LAYOUT)
    assert blind.temporal_variance_ratio > 0.1


def test_phase_and_noise_reach_the_denoiser(tmp_path: Path) -> None:
    told: list[tuple[Cfa, float, float]] = []

    def recording(mosaic: np.ndarray, cfa: Cfa, shot: float, read: float) -> np.ndarray:
        told.append((cfa, shot, read))
        mosaic *= 0
        return mosaic

    folder = burst(tmp_path)
    (measured,) = evaluate(recording, folder, 2, layout=LAYOUT)
    assert len(told) == measured.scored == 2
    assert told[0] == (Cfa.GRBG, measured.noise.shot[1], measured.noise.read[1])
    assert told[0][1] == pytest.approx(SENSOR.shot, rel=0.05)
    assert told[0][2] == pytest.approx(SENSOR.read, rel=0.25)
    given = NoiseModel.uniform(1e-3, 1e-6, NoiseOrigin.USER)
    (score,) = evaluate(recording, folder, layout=LAYOUT, noise=given)
    assert told[-1] == (Cfa.GRBG, 1e-3, 1e-6)
    assert score.noise is given
    assert score.before_db == pytest.approx(measured.before_db, abs=0.05)


def test_every_burst_is_found_and_darks_are_not(tmp_path: Path) -> None:
    burst(tmp_path, "b.npz")
    burst(tmp_path, "Dark_1.npz")
    (tmp_path / "notes.txt").write_text("no burst")
    folder = tmp_path / "a"
    folder.mkdir()
    frames = SENSOR.frames(scene_dn(), 3, seed=4)
    for index, frame in enumerate(frames):
        frame.tofile(folder / f"{index}.raw")
        (folder / f"{index}.raw.yaml").write_text(
            f"{{cfa: BGGR, bits: 12, width: {SHAPE[1]}, height: {SHAPE[0]}, black: 64}}"
        )
    scores = evaluate(unchanged, tmp_path, layout=LAYOUT)
    assert [(score.name, score.frames) for score in scores] == [("a", 3), ("b", 6)]


def test_what_makes_no_score_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        evaluate(unchanged, tmp_path / "nowhere")
    with pytest.raises(InputError, match="no burst"):
        evaluate(unchanged, tmp_path)
    burst(tmp_path)
    with pytest.raises(ConfigError, match="1 frames"):
        evaluate(unchanged, tmp_path, 1, layout=LAYOUT)
    with pytest.raises(ConfigError, match="--white"):
        evaluate(unchanged, tmp_path)
    with pytest.raises(ConfigError, match="--cfa"):
        evaluate(unchanged, tmp_path, layout=Layout(None, 64, 4095))
    burst(tmp_path, count=2)
    with pytest.raises(InputError, match="burst of 2 frames"):
        evaluate(unchanged, tmp_path, layout=LAYOUT)
    np.savez(tmp_path / "scene.npz", frames=np.full((4, 64, 64), 100, np.uint16))
    with pytest.raises(InputError, match="all the same"):
        evaluate(unchanged, tmp_path, layout=LAYOUT, noise=NoiseModel.uniform(1e-3, 1e-6, NoiseOrigin.USER))
    (tmp_path / "scene.npz").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"scene\.npz"):
        evaluate(unchanged, tmp_path, layout=LAYOUT)


def test_the_imx296_bursts_score_as_they_did(shared: Path, tmp_path: Path) -> None:
    """A light blur of each colour plane: these dark, defocused scenes have no detail that it would lose."""

    def smoothed(mosaic: np.ndarray, *_: object) -> np.ndarray:
        smooth = np.empty_like(mosaic)
        for at in (np.s_[::2, ::2], np.s_[::2, 1::2], np.s_[1::2, ::2], np.s_[1::2, 1::2]):
            smooth[at] = cv2.GaussianBlur(mosaic[at], (0, 0), 1.0)
        return smooth

    for pattern in ("sceneF*", "sceneG*", "dark*"):
        for path in (shared / "data/noise/imx296").glob(pattern):
            (tmp_path / path.name).symlink_to(path)
    scores = evaluate(smoothed, tmp_path, 2, layout=Layout(Cfa.BGGR, 60, 1023))
    assert [score.frames for score in scores] == [10, 7]
    for score, noisy_db in zip(scores, (60.74, 59.95), strict=True):
        assert score.before_db == pytest.approx(noisy_db, abs=0.03)
        assert score.ceiling_db - score.before_db == pytest.approx(10 * np.log10(score.frames), abs=0.1)
        assert score.noise.shot[1] == pytest.approx(9.4e-5, rel=0.06)
        assert score.before_db < score.after_db < score.ceiling_db
        assert score.gain_db > score.after_db - score.before_db
        # A Gaussian of sigma 1 leaves 1 / (4 pi) of white noise's variance.
        assert score.temporal_variance_ratio == pytest.approx(1 / (4 * np.pi), rel=0.1)
