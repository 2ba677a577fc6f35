from __future__ import annotations

import numpy as np
import pytest

from denoiser.calibration.camera_noise import from_flats_and_darks
from denoiser.calibration.captures import Layout, Stack, load_stack, mean_dn
from denoiser.calibration.photon_transfer import fit_photon_transfer, temporal_noise
from isp.cfa import Cfa
from isp.errors import InputError
from tests.denoiser.calibration.simulation import Sensor

SHAPE = (200, 240)


def stack(sensor: Sensor, level_dn: float, seed: int, cfa: Cfa | None = None, count: int = 2) -> Stack:
    frames = sensor.frames(np.full(SHAPE, level_dn), count, seed=seed)
    linear = ((frames - sensor.black_dn) / sensor.span_dn).astype(np.float32)
    return Stack(linear, cfa, sensor.black_dn, sensor.span_dn)


def captures(sensor: Sensor, levels_dn: np.ndarray, cfa: Cfa | None = None) -> tuple[list[Stack], list[Stack]]:
    flats = [stack(sensor, level, i, cfa) for i, level in enumerate(levels_dn)]
    return flats, [stack(sensor, 0, 100 + i, cfa) for i in range(4)]


def test_gain_and_read_noise_are_recovered_whatever_the_fixed_pattern():
    sensor = Sensor(dark_pattern_dn=4.0, response_pattern=0.02)
    noise = from_flats_and_darks(*captures(sensor, np.linspace(50, 3600, 10)))
    line = noise.lines["mono"]
    assert line.shot == pytest.approx(sensor.shot, rel=0.02)
    assert line.read == pytest.approx(sensor.read, rel=0.02)
    assert abs(line.shot - sensor.shot) < 5 * line.shot_error
    assert line.residual_rms < 0.02
    assert noise.dark_pattern_sigma_dn == pytest.approx(4.0, rel=0.05)
    assert noise.response_pattern == pytest.approx(0.02, rel=0.05)


def test_row_noise_is_told_from_the_rest():
    sensor = Sensor(row_dn=1.5)
    assert from_flats_and_darks(*captures(sensor, np.linspace(50, 3600, 8))).row_sigma_dn == pytest.approx(1.5, rel=0.1)
    quiet = from_flats_and_darks(*captures(Sensor(), np.linspace(50, 3600, 8)))
    assert quiet.row_sigma_dn < 0.1


def test_saturated_flats_are_left_out():
    sensor = Sensor(gain_dn=2.0)
    levels = np.array([100, 500, 1000, 1500, 2000, 2600, 3500, 3950, 4100, 5000])
    line = from_flats_and_darks(*captures(sensor, levels)).lines["mono"]
    assert line.shot == pytest.approx(sensor.shot, rel=0.03)
    assert not line.points.used[-4:].any()


def test_colours_are_fitted_apart_and_both_greens_together():
    sensor = Sensor()
    noise = from_flats_and_darks(*captures(sensor, np.linspace(50, 3600, 8), Cfa.GRBG))
    assert list(noise.lines) == ["R", "G", "B"]
    assert len(noise.lines["G"].points.mean) == 2 * len(noise.lines["R"].points.mean)
    assert len(noise.pooled.points.mean) == 4 * len(noise.lines["R"].points.mean)
    assert noise.pooled.shot == pytest.approx(sensor.shot, rel=0.02)


def test_flicker_between_frames_is_not_noise():
    sensor = Sensor()
    scene = np.full(SHAPE, 2000.0)
    frames = sensor.frames(scene, 2, flicker=0.05, seed=1).astype(np.float32)
    assert abs(float(frames[0].mean() - frames[1].mean())) > 5
    assert temporal_noise(frames)[1] == pytest.approx(sensor.gain_dn * 2000 + 4, rel=0.1)


def test_too_few_flats_in_the_linear_range_are_refused():
    flats, darks = captures(Sensor(), np.array([1000.0, 3500.0, 3600.0]))
    with pytest.raises(InputError, match="70% of saturation"):
        fit_photon_transfer([f.frames for f in flats], [d.frames for d in darks])


def test_captures_of_two_settings_are_refused():
    flats, darks = captures(Sensor(), np.array([500.0, 1000.0]))
    other = stack(Sensor(white_dn=1023), 200, 9)
    with pytest.raises(InputError, match="span_dn"):
        from_flats_and_darks([*flats, other], darks)


def test_frames_of_two_exposures_taken_for_one_are_refused():
    flats, darks = captures(Sensor(), np.array([500.0, 1000.0]))
    mixed = Stack(np.stack([flats[0].frames[0], flats[1].frames[0]]), None, 64, Sensor().span_dn)
    with pytest.raises(InputError, match="500, 1000 DN"):
        from_flats_and_darks([*flats, mixed], darks)


def test_the_emva_1288_set_gives_its_published_values(shared):
    folder = shared / "data/noise/emva1288"
    flats, darks = sorted(folder.glob("b_*.png")), sorted(folder.glob("d_0*.png"))
    layout = Layout(None, mean_dn(darks), 4095)
    pairs = [[load_stack(files[i : i + 2], layout) for i in range(0, len(files), 2)] for files in (flats, darks)]
    noise = from_flats_and_darks(pairs[0], pairs[1])
    assert noise.pooled.shot * noise.span_dn == pytest.approx(0.277, rel=0.03)
    assert noise.pooled.read * noise.span_dn**2 == pytest.approx(9.45, rel=0.03)
