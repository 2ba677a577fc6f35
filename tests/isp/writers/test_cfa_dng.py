"""The CFA DNG of a denoised mosaic: values, facts carried over, facts stated anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from isp.cfa import Cfa
from isp.dng.tags import Tag
from isp.errors import InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import BlackLevel, CalibrationIlluminant, Exposure, RawFrame, Rect, SourceTag
from isp.writers import tiff_ifd
from isp.writers.cfa_dng import WHITE_DN, pedestal, write_cfa_dng
from tests.isp.dng_maker import (
    A_MATRIX,
    ASCII,
    BYTE,
    RATIONAL,
    SHORT,
    gain_map_opcode,
    make_dng,
    opcode_list,
    real_tag,
)
from tests.isp.writers.dng_case import LEFT_OVER, PREVIEW, chart_dng, frame_of, linear_of, stored_in

BARE = RawFrame(np.zeros((4, 6), np.uint16), Cfa.RGGB, BlackLevel(np.zeros((2, 2))), 1023.0, Path("bare.raw"))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(list(Cfa)),
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(-0.9, 0),
    st.floats(0.01, 1),
    st.integers(0, 1000),
)
def test_reads_back_within_half_a_step(tmp_path_factory, cfa, half_height, half_width, low, high, seed):
    mosaic = np.random.default_rng(seed).uniform(low, high, (2 * half_height, 2 * half_width)).astype(np.float32)
    path = tmp_path_factory.mktemp("round") / "trip.dng"
    write_cfa_dng(path, replace(BARE, cfa=cfa), mosaic, noise=LEFT_OVER, preview=PREVIEW)
    again = frame_of(path)
    assert again.cfa is cfa
    assert again.white == WHITE_DN
    step = 1 / (WHITE_DN - again.black.pattern[0, 0])
    np.testing.assert_allclose(linear_of(again), mosaic, atol=0.51 * step)


@given(st.floats(-0.875, 1, width=32))
def test_pedestal_is_the_least_that_keeps_the_lowest_value(lowest):
    black = pedestal(np.array([[0.5, lowest]], np.float32))
    assert black % 256 == 0
    assert lowest * (WHITE_DN - black) + black >= 0
    if black > 1024:
        less = black - 256
        assert lowest * (WHITE_DN - less) + less < 0.5 * (1 - lowest) + 1e-6


def test_full_pixels_are_cut_at_white_and_impossible_values_at_zero(tmp_path):
    path = tmp_path / "cut.dng"
    mosaic = np.array([[1.0, 1.0001, 7.0, -50.0], [0.0, 0.25, 0.5, 0.75]], np.float32)
    write_cfa_dng(path, BARE, mosaic, noise=LEFT_OVER, preview=PREVIEW)
    stored = frame_of(path).mosaic
    assert stored[0].tolist() == [WHITE_DN, WHITE_DN, WHITE_DN, 0]


def test_values_that_are_not_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not numbers"):
        write_cfa_dng(tmp_path / "nan.dng", BARE, np.full((2, 2), np.nan, np.float32), noise=LEFT_OVER, preview=PREVIEW)
    assert list(tmp_path.iterdir()) == []


def test_linear_raw_is_refused(tmp_path):
    frame = replace(BARE, cfa=None)
    with pytest.raises(InputError, match="LinearRaw"):
        write_cfa_dng(tmp_path / "out.dng", frame, np.zeros((4, 6), np.float32), noise=LEFT_OVER, preview=PREVIEW)


@pytest.fixture
def rich(tmp_path) -> RawFrame:
    """A capture with everything that a DNG can say about itself, big-endian, its active area inside the readout."""
    gains = np.linspace(1, 2, 12).reshape(3, 4)
    opcodes = opcode_list(gain_map_opcode(gains, top=0, left=0, bottom=20, right=26, row_pitch=2, column_pitch=2))
    path = make_dng(
        tmp_path / "rich.dng",
        np.random.default_rng(2).integers(60, 4000, (24, 30), np.uint16),
        cfa="GBRG",
        black=[[64.5, 65], [66, 67.25]],
        white=4000,
        active_area=(2, 3, 22, 29),
        default_crop=(2, 4, 16, 20),
        orientation=6,
        colour_matrix2=A_MATRIX,
        illuminant2=17,
        forward_matrix1=np.eye(3) * 0.9,
        forward_matrix2=np.eye(3) * 0.8,
        camera_calibration1=np.diag([1.01, 1, 0.99]),
        camera_calibration2=np.diag([1.02, 1, 0.98]),
        analog_balance=(1.1, 1.0, 1.2),
        noise_profile=[[1e-3, 1e-5]] * 3,
        opcode_list2=opcodes,
        opcode_list3=opcodes,
        baseline_exposure=0.75,
        tone_curve=[[0, 0], [0.5, 0.6], [1, 1]],
        exif=[(37386, RATIONAL, 1, (50, 1)), (42036, ASCII, 0, "A lens"), (36867, ASCII, 0, "2024:05:06 07:08:09")],
        extra_tags=[real_tag(50738, 0.5, signed=False), (51008, 7, 4, bytes(4)), (50733, 4, 1, 500)],
        extra_main_tags=[
            (50936, ASCII, 8, "Profile\0"),
            (33432, ASCII, 3, "Me\0"),
            (33437, RATIONAL, 1, (28, 10)),
            (50972, BYTE, 16, bytes(16)),
        ],
        byteorder=">",
    )
    return frame_of(path)


def test_facts_of_the_source_are_carried_over(rich, tmp_path):
    path = tmp_path / "out.dng"
    write_cfa_dng(path, rich, linear_of(rich), noise=LEFT_OVER, preview=PREVIEW)
    again = frame_of(path)
    for one, other in zip(rich.illuminants, again.illuminants, strict=True):
        assert one.kelvin == other.kelvin
        np.testing.assert_array_equal(one.colour_matrix, other.colour_matrix)
        np.testing.assert_array_equal(one.forward_matrix, other.forward_matrix)
        np.testing.assert_array_equal(one.camera_calibration, other.camera_calibration)
    same = ("cfa", "make", "model", "as_shot_neutral", "analog_balance", "default_crop", "orientation")
    for name in (*same, "baseline_exposure_ev", "exposure"):
        assert getattr(again, name) == getattr(rich, name), name
    assert (rich.orientation, rich.default_crop) == (6, Rect(2, 4, 18, 24))
    np.testing.assert_array_equal(again.tone_curve, rich.tone_curve)
    assert len(rich.gain_maps) == 2
    for one, other in zip(rich.gain_maps, again.gain_maps, strict=True):
        assert one.area == other.area
        np.testing.assert_array_equal(one.gains, other.gains)

    stored = stored_in(path)
    assert stored.main[50936].text() == "Profile"
    assert stored.main[Tag.Copyright].text() == "Me"
    assert stored.raw[Tag.AntiAliasStrength].reals().tolist() == [0.5]
    assert stored.raw[Tag.BayerGreenSplit].reals().tolist() == [500]
    assert stored.exif[Tag.LensModel].text() == "A lens"
    assert stored.exif[Tag.FocalLength].reals().tolist() == [50]


def test_what_the_mosaic_no_longer_is_does_not_go_with_it(rich, tmp_path):
    path = tmp_path / "out.dng"
    write_cfa_dng(path, rich, linear_of(rich), noise=LEFT_OVER, preview=PREVIEW)
    stored = stored_in(path)
    gone = (Tag.OpcodeList1, Tag.LinearizationTable, Tag.BlackLevelDeltaH, Tag.MaskedAreas, Tag.RawImageDigest)
    for tag in gone:
        assert tag not in stored.raw | stored.main
    assert stored.reals(Tag.ActiveArea) == [0, 0, 20, 26]
    assert stored.reals(Tag.BlackLevel) == [1024] * 4


def test_states_the_noise_that_is_left_and_that_it_was_reduced(rich, tmp_path):
    path = tmp_path / "out.dng"
    write_cfa_dng(path, rich, linear_of(rich), noise=LEFT_OVER, preview=PREVIEW)
    stored = stored_in(path)
    assert stored.raw[Tag.NoiseProfile].reals().tolist() == [1e-5, 1e-7, 2e-5, 2e-7, 3e-5, 3e-7]
    assert stored.raw[Tag.NoiseReductionApplied].reals().tolist() == [1.0]
    assert frame_of(path).noise == replace(LEFT_OVER, origin=NoiseOrigin.TAG)


def test_noise_reduction_in_part_and_no_noise_at_all(tmp_path):
    path = tmp_path / "out.dng"
    none = NoiseModel.uniform(0, 0, NoiseOrigin.USER)
    mosaic = np.zeros((4, 6), np.float32)
    write_cfa_dng(path, BARE, mosaic, noise=none, preview=PREVIEW, noise_reduction_applied=0.25)
    stored = stored_in(path)
    assert stored.raw[Tag.NoiseReductionApplied].reals().tolist() == [0.25]
    profile = stored.raw[Tag.NoiseProfile].reals().reshape(3, 2)
    assert (profile[:, 0] > 0).all(), "Adobe's reader refuses a scale of 0"
    assert profile.max() < 1e-10


def test_exposure_tags_of_the_first_directory_move_to_exif(rich, tmp_path):
    path = tmp_path / "out.dng"
    write_cfa_dng(path, rich, linear_of(rich), noise=LEFT_OVER, preview=PREVIEW)
    stored = stored_in(path)
    assert Tag.FNumber not in stored.main
    assert stored.exif[Tag.FNumber].reals().tolist() == [2.8]


def test_preview_is_the_picture_given(tmp_path):
    path = tmp_path / "out.dng"
    preview = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    write_cfa_dng(path, BARE, np.zeros((4, 6), np.float32), noise=LEFT_OVER, preview=preview)
    main = stored_in(path).main
    offset, length = (int(main[tag].reals()[0]) for tag in (Tag.StripOffsets, Tag.StripByteCounts))
    assert path.read_bytes()[offset : offset + length] == preview.tobytes()
    assert main[Tag.NewSubfileType].reals().tolist() == [1]


def test_tifffile_finds_the_same_structure(rich, tmp_path):
    path = tmp_path / "out.dng"
    write_cfa_dng(path, rich, linear_of(rich), noise=LEFT_OVER, preview=PREVIEW)
    with tifffile.TiffFile(path) as tiff:
        (main,) = tiff.pages
        (raw,) = main.pages
        np.testing.assert_array_equal(main.asarray(), PREVIEW)
        np.testing.assert_array_equal(raw.asarray(), frame_of(path).mosaic)
        assert raw.compression == tifffile.COMPRESSION.NONE
        assert not raw.is_tiled
        assert tuple(main.tags["DNGVersion"].value) == (1, 4, 0, 0)
        codes = [tag.code for tag in main.tags]
        assert codes == sorted(codes)


def test_a_field_that_stands_twice_is_refused(tmp_path):
    twice = tiff_ifd.Ifd((tiff_ifd.text(305, "one"), tiff_ifd.text(305, "two")))
    with pytest.raises(ValueError, match="305"):
        tiff_ifd.write_tiff(tmp_path / "twice.tif", twice)


def test_lens_shading_is_divided_out_and_its_opcodes_stay(rich, tmp_path):
    path = tmp_path / "out.dng"
    unshaded = np.clip(linear_of(rich), 0, 1)
    gain = np.linspace(1, 3, unshaded.size, dtype=np.float32).reshape(unshaded.shape)
    write_cfa_dng(path, rich, unshaded * gain, noise=LEFT_OVER, preview=PREVIEW, shading_gain=gain)
    again = frame_of(path)
    np.testing.assert_allclose(linear_of(again), unshaded, atol=1e-5)
    assert len(again.gain_maps) == len(rich.gain_maps)


def test_a_capture_without_dng_tags_gets_them_from_the_frame(tmp_path):
    path = tmp_path / "out.dng"
    matrix, forward = np.linspace(-0.5, 1, 9).reshape(3, 3) + np.eye(3), np.eye(3) * 0.7
    frame = replace(
        BARE,
        make="Maker",
        model="One",
        as_shot_neutral=(0.4, 1.0, 0.7),
        analog_balance=(1.0, 1.0, 1.5),
        illuminants=(CalibrationIlluminant(6504.0, matrix, forward), CalibrationIlluminant(2856.0, matrix * 1.1)),
        baseline_exposure_ev=-0.5,
        orientation=8,
        exposure=Exposure(800, 1 / 125, 2.8, 35.0, "2024:01:02 03:04:05", "Some lens"),
    )
    write_cfa_dng(path, frame, np.zeros((4, 6), np.float32), noise=LEFT_OVER, preview=PREVIEW)
    again = frame_of(path)
    assert [light.kelvin for light in again.illuminants] == pytest.approx([6504, 2856], rel=1e-3)
    np.testing.assert_allclose(again.illuminants[0].colour_matrix, matrix, atol=1e-6)
    np.testing.assert_allclose(again.illuminants[0].forward_matrix, forward, atol=1e-6)
    np.testing.assert_allclose(again.illuminants[1].colour_matrix, matrix * 1.1, atol=1e-6)
    assert again.illuminants[1].forward_matrix is None
    assert again.as_shot_neutral == pytest.approx(frame.as_shot_neutral)
    assert again.analog_balance == pytest.approx(frame.analog_balance)
    assert (again.make, again.model, again.orientation) == ("Maker", "One", 8)
    assert again.baseline_exposure_ev == -0.5
    assert again.exposure == frame.exposure


def test_gps_and_maker_tags_keep_their_places(tmp_path):
    path = tmp_path / "out.dng"
    tags = (
        SourceTag(1, ASCII, 2, b"N\0", "gps"),
        SourceTag(37500, 7, 5, b"notes", "exif"),
        SourceTag(Tag.Orientation, SHORT, 1, (3,), "main"),
    )
    frame = replace(BARE, source_tags=tags, orientation=6)
    write_cfa_dng(path, frame, np.zeros((4, 6), np.float32), noise=LEFT_OVER, preview=PREVIEW)
    stored = stored_in(path)
    assert stored.gps[1].text() == "N"
    assert stored.exif[Tag.MakerNote].raw() == b"notes"
    assert stored.main[Tag.Orientation].reals().tolist() == [6], "the frame's own orientation holds"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "out.dng"
    path.write_bytes(b"old")

    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(tiff_ifd, "_image_fields", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_cfa_dng(path, BARE, np.zeros((4, 6), np.float32), noise=LEFT_OVER, preview=PREVIEW)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.dng"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("cfa", Cfa)
def test_libraw_gives_it_the_sources_colours(cfa, tmp_path):
    source, written = tmp_path / "source.dng", tmp_path / "written.dng"
    scene = chart_dng(source, cfa)
    frame = frame_of(source)
    write_cfa_dng(written, frame, linear_of(frame), noise=LEFT_OVER, preview=PREVIEW)
    pictures = []
    for path in (source, written):
        with rawpy.imread(str(path)) as raw:
            picture = raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0,  # or LibRaw takes the brightest patch for white
                gamma=(1, 1),
                output_bps=16,
            )
        pictures.append(picture.astype(np.float64) / 65535)
    np.testing.assert_allclose(pictures[1], pictures[0], atol=1e-3)
    assert np.abs(pictures[1] - np.clip(scene, 0, 1)).mean() < 0.02
