"""Black level, white level, linearisation and noise of DNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.errors import InputError
from isp.noise.model import NoiseOrigin
from isp.readers import read
from tests.isp.dng_maker import RATIONAL, make_dng

PHASES = tuple(Cfa)


@pytest.fixture
def mosaic() -> np.ndarray:
    return np.random.default_rng(1).integers(300, 4096, (34, 46), dtype=np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


@pytest.mark.parametrize("cfa", PHASES)
@pytest.mark.parametrize("pattern", [[[64.5]], [[64.5, 65.25]], [[64.5], [67.75]], [[64.5, 65.25], [66.125, 67.75]]])
def test_black_is_by_position_and_fractional(path, mosaic, cfa, pattern):
    frame = read(make_dng(path, mosaic, cfa=cfa, black=pattern))
    rows, columns = np.shape(pattern)
    expected = [[pattern[y % rows][x % columns] for x in (0, 1)] for y in (0, 1)]
    np.testing.assert_array_equal(frame.black.pattern, expected)
    assert frame.cfa is cfa


def test_black_pattern_starts_at_the_active_area(path, mosaic):
    frame = read(make_dng(path, mosaic, cfa="GBRG", black=[[1, 2], [3, 4]], active_area=(3, 5, 33, 45)))
    np.testing.assert_array_equal(frame.black.pattern, [[1, 2], [3, 4]])
    assert frame.cfa is Cfa.GBRG


def test_black_deltas_stay_apart_per_row_and_column(path, mosaic):
    rows, columns = np.linspace(-3, 4.5, 30), np.linspace(2.25, -1, 40)
    area = (1, 2, 31, 42)
    frame = read(make_dng(path, mosaic, black=100, black_delta_v=rows, black_delta_h=columns, active_area=area))
    np.testing.assert_allclose(frame.black.per_row, rows, atol=1e-6)
    np.testing.assert_allclose(frame.black.per_column, columns, atol=1e-6)
    np.testing.assert_array_equal(frame.black.pattern, np.full((2, 2), 100))


def test_black_deltas_of_the_wrong_length_are_refused(path, mosaic):
    with pytest.raises(InputError, match="BlackLevelDeltaV has 33 values"):
        read(make_dng(path, mosaic, black_delta_v=np.zeros(33)))


def test_black_with_a_longer_period_is_accepted_only_if_it_is_two_by_two(path, mosaic):
    two = [[1.5, 2], [3, 4]]
    np.testing.assert_array_equal(read(make_dng(path, mosaic, black=np.tile(two, (2, 2)))).black.pattern, two)
    with pytest.raises(InputError, match="BlackLevelRepeatDim is 3 x 3"):
        read(make_dng(path, mosaic, black=np.arange(9.0).reshape(3, 3)))
    four = np.tile(two, (2, 2))
    four[2, 3] += 1
    with pytest.raises(InputError, match="BlackLevelRepeatDim is 4 x 4"):
        read(make_dng(path, mosaic, black=four))


def test_black_is_zero_where_the_file_states_none(path, mosaic):
    np.testing.assert_array_equal(read(make_dng(path, mosaic, black=None)).black.pattern, np.zeros((2, 2)))


def test_black_is_measured_in_masked_areas_by_position_of_the_active_area(path):
    active = (5, 9, 65, 97)  # odd: the mask's own phase is not that of the active area
    mosaic = np.full((68, 100), 3000, np.uint16)
    level = np.array([[100, 110], [120, 130]])
    y, x = np.mgrid[: mosaic.shape[0], : mosaic.shape[1]]
    dark = level[(y - active[0]) % 2, (x - active[1]) % 2]
    mosaic[:, :8] = dark[:, :8]
    mosaic[:4] = dark[:4]
    frame = read(make_dng(path, mosaic, black=None, masked_areas=[(5, 0, 65, 8), (0, 9, 4, 97)], active_area=active))
    np.testing.assert_array_equal(frame.black.pattern, level)


def test_few_hot_pixels_do_not_move_the_measured_black(path):
    mosaic = np.full((60, 80), 512, np.uint16)
    mosaic[10, 2] = mosaic[21, 5] = 16000
    frame = read(make_dng(path, mosaic, black=None, masked_areas=[(0, 0, 60, 16)], active_area=(0, 16, 60, 80)))
    np.testing.assert_array_equal(frame.black.pattern, np.full((2, 2), 512))


def test_a_stated_black_wins_over_masked_areas(path, mosaic):
    frame = read(make_dng(path, mosaic, black=7, masked_areas=[(0, 0, 34, 4)], active_area=(0, 4, 34, 46)))
    np.testing.assert_array_equal(frame.black.pattern, np.full((2, 2), 7))


@pytest.mark.parametrize(("dtype", "expected"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0)])
def test_white_defaults_to_the_largest_number(path, dtype, expected):
    assert read(make_dng(path, np.ones((8, 8), dtype))).white == expected


def test_white_is_read(path, mosaic):
    assert read(make_dng(path, mosaic, white=4000)).white == 4000


def test_white_below_black_is_refused(path, mosaic):
    with pytest.raises(InputError, match="WhiteLevel 60 is not above BlackLevel 64"):
        read(make_dng(path, mosaic, black=64, white=60))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_linearisation_table_is_applied_once(path, dtype):
    table = (np.arange(256) ** 2 // 4 + 3).astype(np.uint16)
    stored = np.random.default_rng(2).integers(0, 256, (20, 30)).astype(dtype)
    stored[0, 0] = 255
    frame = read(make_dng(path, stored, linearization=table))
    np.testing.assert_array_equal(frame.mosaic, table[stored])
    assert frame.mosaic.dtype == np.uint16


def test_numbers_past_the_linearisation_table_map_to_its_end(path):
    stored = np.array([[0, 1, 2, 3], [4, 5, 60000, 2]], np.uint16)
    frame = read(make_dng(path, stored, linearization=[10, 20, 40, 80]))
    np.testing.assert_array_equal(frame.mosaic, [[10, 20, 40, 80], [80, 80, 80, 40]])


def test_noise_profile_of_one_pair_holds_for_all_colours(path, mosaic):
    noise = read(make_dng(path, mosaic, noise_profile=(2e-4, 3e-7))).noise
    assert noise is not None
    assert (noise.shot, noise.read, noise.origin) == ((2e-4,) * 3, (3e-7,) * 3, NoiseOrigin.TAG)


def test_noise_profile_of_three_pairs_is_per_colour(path, mosaic):
    noise = read(make_dng(path, mosaic, cfa="BGGR", noise_profile=[(1e-4, 1e-7), (2e-4, 2e-7), (3e-4, 3e-7)])).noise
    assert noise is not None
    assert (noise.shot, noise.read) == ((1e-4, 2e-4, 3e-4), (1e-7, 2e-7, 3e-7))


@pytest.mark.parametrize("cfa", PHASES)
def test_noise_profile_of_four_pairs_is_per_position_and_averages_greens(path, mosaic, cfa):
    shot_of = {"R": 1e-4, "G": 2e-4, "B": 3e-4}
    pairs = [(shot_of[colour] * (1 + 0.5 * (i > 1)), 1e-7) for i, colour in enumerate(cfa.value)]
    noise = read(make_dng(path, mosaic, cfa=cfa, noise_profile=pairs)).noise
    assert noise is not None
    expected = {c: np.mean([s for (s, _), colour in zip(pairs, cfa.value, strict=True) if colour == c]) for c in "RGB"}
    np.testing.assert_allclose(noise.shot, list(expected.values()))


def test_noise_profile_is_found_in_ifd_0_too(path, mosaic):
    extra = [(51041, 12, 2, (2e-4, 3e-7))]
    noise = read(make_dng(path, mosaic, raw_in_subifd=True, extra_main_tags=extra)).noise
    assert noise is not None
    assert noise.shot == (2e-4,) * 3


def test_noise_profile_that_says_nothing_is_none(path, mosaic):
    assert read(make_dng(path, mosaic)).noise is None
    assert read(make_dng(path, mosaic, noise_profile=(0.0, 0.0))).noise is None


@pytest.mark.parametrize(("stored", "expected"), [((3, 4), 0.75), ((0, 1), 0.0), ((0, 0), None)])
@pytest.mark.parametrize("where", ["extra_tags", "extra_main_tags"])
def test_noise_reduction_applied(path, mosaic, stored, expected, where):
    frame = read(make_dng(path, mosaic, raw_in_subifd=True, **{where: [(50935, RATIONAL, 1, stored)]}))
    assert frame.noise_reduction_applied == expected
    assert read(make_dng(path, mosaic)).noise_reduction_applied is None


def test_negative_read_noise_counts_as_zero(path, mosaic):
    noise = read(make_dng(path, mosaic, noise_profile=(2e-4, -1e-8))).noise
    assert noise is not None
    assert noise.read == (0.0,) * 3


@pytest.mark.parametrize("profile", [(1e-4,), (1e-4, 0.0) * 2, (-1e-4, 1e-7), (np.nan, 1e-7)])
def test_senseless_noise_profiles_are_refused(path, mosaic, profile):
    with pytest.raises(InputError, match="NoiseProfile"):
        read(make_dng(path, mosaic, noise_profile=profile))
