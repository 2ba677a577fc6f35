from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from isp.cfa import Cfa
from isp.defects.map_file import read_defect_map
from isp.defects.replacement import replace_defects
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample.sensor import mosaic_of
from isp.stage import Domain
from isp.stages.defective_pixels import DefectivePixels
from tests.isp.stages.signals import signal_of

NOISE = NoiseModel.uniform(1e-4, 1e-6, NoiseOrigin.USER)


def run(mosaic, cfa, noise=NOISE, **parameters):
    signal = signal_of(mosaic, cfa, Domain.LINEAR_MOSAIC, noise=noise)
    return DefectivePixels()(signal, DefectivePixels.Parameters(**parameters)).data


def noisy(clean, seed=0):
    rng = np.random.default_rng(seed)
    return (clean + rng.normal(0, np.sqrt(NOISE.variance(clean, 0)))).astype(np.float32)


def soft_scene(cfa, shape=(120, 160)):
    """Coloured gradient and an edge, as through a lens."""
    y, x = np.mgrid[: shape[0], : shape[1]] / max(shape)
    grey = 0.25 + 0.2 * np.sin(9 * x + 5 * y) + 0.2 * (x > 0.5)
    rgb = cv2.GaussianBlur(grey[..., None] * [0.6, 1.0, 0.8], (0, 0), 0.7)
    return mosaic_of(rgb, cfa)


def scattered(shape, count, seed):
    """Places far enough apart that none is another's neighbour, of all positions in the mosaic."""
    rng = np.random.default_rng(seed)
    cells = rng.permutation((shape[0] // 8) * (shape[1] // 8))[:count]
    return np.stack(np.divmod(cells, shape[1] // 8), -1) * 8 + rng.integers(0, 2, (count, 2))


@pytest.mark.parametrize("cfa", list(Cfa))
def test_hot_and_dead_pixels_are_found_and_filled(cfa):
    clean = soft_scene(cfa)
    mosaic = noisy(clean)
    places = scattered(mosaic.shape, 120, 1)
    broken = mosaic.copy()
    broken[tuple(places[:60].T)] += 0.5
    broken[tuple(places[60:].T)] = 0
    fixed = run(broken, cfa)
    changed = set(map(tuple, np.argwhere(fixed != broken)))
    assert len(changed & set(map(tuple, places))) >= 105  # the rest lies on the edge, where texture is presumed
    assert len(changed - set(map(tuple, places))) <= 2
    error = np.abs(fixed - clean)[tuple(places.T)]
    assert np.mean(error < 0.05) > 0.9


def test_a_hot_pixel_in_the_dark_is_found_though_noise_lifts_those_beside_it():
    mosaic = np.full((32, 32), 0.0025, np.float32)
    sigma = float(np.sqrt(NOISE.variance(np.float32(0.0025), 0)))
    mosaic[16, 16] += 16 * sigma
    lifted = 2.2 * sigma  # as on a Canon 550D, by chance
    for place in ((15, 16), (17, 16), (16, 15), (16, 17)):
        mosaic[place] += lifted
    assert run(mosaic, Cfa.RGGB)[16, 16] == np.float32(0.0025)


@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("place", [(0, 0), (0, 9), (31, 0), (31, 47), (30, 46), (1, 46)])
def test_hot_pixels_at_the_border_are_found(cfa, place):
    mosaic = np.full((32, 48), 0.3, np.float32)
    mosaic[place] = 0.9
    np.testing.assert_array_equal(run(mosaic, cfa), np.float32(0.3))


def test_photographs_stay_as_they_are(shared):
    """Sharpened photographs are harsher than lenses: still one pixel in 10,000 changes at most."""
    errors = []
    for number, path in enumerate(sorted((shared / "bench" / "kodak").glob("*.png"))):
        cfa = list(Cfa)[number % 4]
        mosaic = mosaic_of((cv2.imread(str(path))[..., ::-1] / np.float32(255)) ** np.float32(2.2), cfa)
        fixed = run(mosaic, cfa)
        assert np.mean(fixed != mosaic) < 1e-4
        errors.append(np.mean((fixed - mosaic) ** 2))
    assert -10 * np.log10(max(errors)) > 45
    assert -10 * np.log10(np.median(errors)) > 60


@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("fwhm_px", [1.5, 2.0, 3.0])
def test_stars_are_not_defects(cfa, fwhm_px):
    shape, rng = (240, 320), np.random.default_rng(4)
    y, x = np.mgrid[: shape[0], : shape[1]]
    sky = np.full(shape, 0.02)
    for row, column in scattered(shape, 150, 2) + rng.uniform(-0.5, 0.5, (150, 2)):
        r2 = (y - row) ** 2 + (x - column) ** 2
        sky += rng.uniform(0.1, 0.9) * np.exp(-4 * np.log(2) * r2 / fwhm_px**2)
    mosaic = noisy(mosaic_of(sky[..., None] * [0.6, 1.0, 0.8], cfa))
    assert (run(mosaic, cfa) != mosaic).sum() <= 3


def test_noise_alone_is_left():
    mosaic = noisy(np.full((500, 400), 0.1))
    np.testing.assert_array_equal(run(mosaic, Cfa.RGGB), mosaic)


def test_threshold_counts_standard_deviations_of_the_noise_before_shading_gain():
    mosaic = np.full((32, 32), 0.2, np.float32)
    sigma = float(np.sqrt(NOISE.variance(np.float32(0.2), 0)))
    mosaic[8, 8] += 9 * sigma
    signal = signal_of(mosaic, Cfa.RGGB, Domain.LINEAR_MOSAIC, noise=NOISE)
    parameters = DefectivePixels.Parameters(threshold_sigma=8)
    assert DefectivePixels()(signal, parameters).data[8, 8] == np.float32(0.2)
    gain = np.full(mosaic.shape, 2, np.float32)  # noise twice as large at half the light: 2 / sqrt(2)
    signal = replace(signal_of(mosaic, Cfa.RGGB, Domain.LINEAR_MOSAIC, noise=NOISE), shading_gain=gain)
    assert DefectivePixels()(signal, parameters).data[8, 8] == mosaic[8, 8]


@pytest.mark.parametrize("cfa", list(Cfa))
def test_filling_follows_an_edge(cfa):
    mosaic = np.where(np.arange(40) < 20, 0.1, 0.8).astype(np.float32) * np.ones((40, 1), np.float32)
    broken = mosaic.copy()
    broken[10:30:5, 18:22] = 2
    replace_defects(broken, cfa, np.argwhere(broken > 1))
    np.testing.assert_array_equal(broken, mosaic)


def test_a_dead_column_and_a_dead_block_are_filled(tmp_path):
    mosaic = np.full((30, 30), 0.4, np.float32)
    broken = mosaic.copy()
    broken[:, 7] = broken[12:22, 15:25] = 0
    path = tmp_path / "map.txt"
    path.write_text("# x y\n" + "".join(f"{x} {y}\n" for y, x in np.argwhere(broken == 0)))
    np.testing.assert_array_equal(run(broken, Cfa.GRBG, noise=None, method="map", map_file=path), mosaic)


def test_map_files_of_each_kind_say_the_same(tmp_path):
    (tmp_path / "map.txt").write_text("3, 1\n\n7 2 # hot\n")
    (tmp_path / "map.yaml").write_text("- [3, 1]\n- [7, 2]\n")
    np.save(tmp_path / "map.npy", np.array([[3, 1], [7, 2]]))
    for name in ("map.txt", "map.yaml", "map.npy"):
        assert read_defect_map(tmp_path / name, 4, 8).tolist() == [[1, 3], [2, 7]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("map.txt", "1 2 3\n", "pairs of whole numbers"),
        ("map.txt", "a b\n", "pairs of whole numbers"),
        ("map.txt", "1 2\n3\n", "pairs of whole numbers"),
        ("map.yaml", "[[1.5, 2]]", "pairs of whole numbers"),
        ("map.yaml", "[1, ", "pairs of whole numbers"),
        ("map.npy", "no array", "pairs of whole numbers"),
        ("map.txt", "8 0\n", "x 8, y 0, lie outside the picture of 8 x 4"),
        ("map.txt", "0 -1\n", "outside"),
    ],
)
def test_a_map_that_does_not_fit_is_an_input_error(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_defect_map(tmp_path / name, 4, 8)


def test_a_missing_map_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"defect map .*: No such file or directory; expected pairs"):
        read_defect_map(tmp_path / "map.txt", 4, 8)


def test_unknown_noise_is_a_config_error():
    with pytest.raises(ConfigError, match="--noise"):
        run(np.zeros((4, 4), np.float32), Cfa.RGGB, noise=None)
