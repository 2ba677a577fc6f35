from __future__ import annotations

import numpy as np
import pytest

from denoiser.calibration.camera_noise import from_static_bursts
from denoiser.calibration.captures import Layout, Stack, load_stack
from denoiser.calibration.noise_line import Points, fit_relative
from denoiser.calibration.static_burst import fit_static_burst
from isp.cfa import Cfa
from isp.errors import InputError
from tests.denoiser.calibration.simulation import Sensor


def scene(top_dn: float = 3000.0) -> np.ndarray:
    """A sharp scene of all intensities, so that only temporal noise may count."""
    rng = np.random.default_rng(8)
    return rng.uniform(0, 1, (240, 320)) ** 2 * top_dn


def burst(sensor: Sensor, count: int = 8, flicker: float = 0.0, top_dn: float = 3000.0) -> Stack:
    frames = sensor.frames(scene(top_dn), count, flicker=flicker, seed=2)
    return Stack(
        ((frames - sensor.black_dn) / sensor.span_dn).astype(np.float32), Cfa.BGGR, sensor.black_dn, sensor.span_dn
    )


@pytest.mark.parametrize("count", [2, 8])
def test_noise_is_recovered_from_a_textured_scene(count):
    sensor = Sensor(response_pattern=0.02)
    noise = from_static_bursts([burst(sensor, count)], [])
    for line in [*noise.lines.values(), noise.pooled]:
        assert line.shot == pytest.approx(sensor.shot, rel=0.05)
    assert noise.pooled.read == pytest.approx(sensor.read, rel=0.25)
    assert noise.dark_pattern_sigma_dn is None


def test_flicker_does_not_count_as_noise():
    sensor = Sensor()
    noise = from_static_bursts([burst(sensor, 8, flicker=0.02)], [])
    assert noise.pooled.shot == pytest.approx(sensor.shot, rel=0.06)


def test_clipped_intensities_are_shown_and_not_fitted():
    sensor = Sensor(gain_dn=4.0)
    noise = from_static_bursts([burst(sensor, 8, top_dn=6000)], [])
    assert not noise.pooled.points.used.all()
    assert noise.pooled.shot == pytest.approx(sensor.shot, rel=0.06)


def test_row_noise_and_dark_pattern_come_with_darks():
    sensor = Sensor(row_dn=1.0, dark_pattern_dn=3.0)
    frames = sensor.frames(np.zeros((240, 320)), 4, seed=5)
    darks = Stack(((frames - 64.0) / sensor.span_dn).astype(np.float32), Cfa.BGGR, 64, sensor.span_dn)
    noise = from_static_bursts([burst(sensor)], [darks])
    assert noise.row_sigma_dn == pytest.approx(1.0, rel=0.15)
    assert noise.dark_pattern_sigma_dn == pytest.approx(3.0, rel=0.05)


def test_frames_without_noise_are_refused():
    with pytest.raises(InputError, match="no noise"):
        fit_static_burst([np.full((4, 64, 64), 0.5, np.float32)], -0.1, 1e-3)


def test_a_burst_in_which_something_moves_is_refused():
    sensor = Sensor()
    patches = np.kron(np.random.default_rng(4).uniform(300, 1500, (12, 16)), np.ones((20, 20)))
    frames = [sensor.frames(np.roll(patches, shift, 1), 1, seed=shift)[0] for shift in range(4)]
    linear = ((np.array(frames) - sensor.black_dn) / sensor.span_dn).astype(np.float32)
    with pytest.raises(InputError, match="nothing may move"):
        from_static_bursts([Stack(linear, Cfa.BGGR, sensor.black_dn, sensor.span_dn)], [])


def test_a_line_never_goes_below_zero():
    x = np.linspace(0.1, 0.9, 20)
    every, ones = np.ones(20, bool), np.ones(20)
    through_origin = fit_relative(Points(x, 1e-3 * x - 5e-5, ones, every))
    assert through_origin.read == 0
    assert through_origin.shot > 0
    falling = fit_relative(Points(x, 1e-3 - 1e-4 * x, ones, every))
    assert falling.shot == 0
    assert falling.read == pytest.approx(9.5e-4, rel=0.02)


def test_a_perfect_line_is_returned_as_it_is():
    x = np.linspace(0.0, 0.9, 20)
    line = fit_relative(Points(x, 3e-4 * x + 2e-6, np.linspace(1, 900, 20), np.ones(20, bool)))
    assert line.shot == pytest.approx(3e-4)
    assert line.read == pytest.approx(2e-6)
    assert line.residual_rms < 1e-9


def test_the_imx296_bursts_agree_with_what_is_known_of_them(shared):
    files = sorted((shared / "data/noise/imx296").glob("scene*.npz"))
    noise = from_static_bursts([load_stack([file], Layout(Cfa.BGGR, 60, 1023)) for file in files], [])
    assert noise.pooled.shot == pytest.approx(9.4e-5, rel=0.05)
    assert noise.pooled.read == pytest.approx(2.7e-7, rel=0.05)
    assert noise.lines["G"].shot == pytest.approx(9.4e-5, rel=0.05)
    assert noise.row_sigma_dn == pytest.approx(0.05, rel=0.05)
