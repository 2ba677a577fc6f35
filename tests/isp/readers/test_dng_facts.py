"""Orientation, exposure facts, names, and tags carried over from DNGs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.dng.tags import Tag
from isp.raw_frame import Exposure
from isp.readers import read
from tests.isp.dng_maker import ASCII, BYTE, LONG, RATIONAL, SHORT, SRATIONAL, UNDEFINED, make_dng, opcode_list

MOSAIC = np.full((8, 8), 500, np.uint16)
EXIF = [
    (Tag.ExposureTime, RATIONAL, 1, (1, 250)),
    (Tag.FNumber, RATIONAL, 1, (28, 10)),
    (Tag.PhotographicSensitivity, SHORT, 1, 800),
    (Tag.FocalLength, RATIONAL, 1, (35, 1)),
    (Tag.DateTimeOriginal, ASCII, 20, "2024:05:06 07:08:09"),
    (Tag.LensModel, ASCII, 10, "35mm f/2.8"),
    (Tag.MakerNote, UNDEFINED, 6, b"secret"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(path, orientation):
    assert read(make_dng(path, MOSAIC, orientation=orientation, raw_in_subifd=True)).orientation == orientation


@pytest.mark.parametrize("orientation", [0, 9])
def test_orientation_beyond_exif_counts_as_upright(path, orientation):
    assert read(make_dng(path, MOSAIC, orientation=orientation)).orientation == 1


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_exposure_from_exif(path, byteorder):
    frame = read(make_dng(path, MOSAIC, exif=EXIF, byteorder=byteorder))
    assert frame.exposure == Exposure(800, 1 / 250, 2.8, 35, "2024:05:06 07:08:09", "35mm f/2.8")
    assert (frame.make, frame.model) == ("Maker", "Maker One")


def test_exposure_from_ifd_0_where_there_is_no_exif(path):
    extra = [(Tag.ExposureTime, RATIONAL, 1, (1, 50)), (Tag.PhotographicSensitivity, SHORT, 1, 100)]
    exposure = read(make_dng(path, MOSAIC, extra_main_tags=extra)).exposure
    assert (exposure.time_s, exposure.iso, exposure.aperture_f) == (0.02, 100, None)


def test_zero_exposure_facts_are_unknown(path):
    exif = [(Tag.ExposureTime, RATIONAL, 1, (0, 1)), (Tag.FNumber, RATIONAL, 1, (0, 0))]
    assert read(make_dng(path, MOSAIC, exif=exif)).exposure == Exposure()


def test_high_iso_is_read_from_its_32_bit_tag(path):
    exif = [(Tag.PhotographicSensitivity, SHORT, 1, 65535), (Tag.RecommendedExposureIndex, LONG, 1, 102400)]
    assert read(make_dng(path, MOSAIC, exif=exif)).exposure.iso == 102400


@pytest.mark.parametrize("subifd", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_carried_tags(path, subifd, byteorder):
    opcodes = opcode_list()
    frame = read(
        make_dng(
            path,
            MOSAIC,
            raw_in_subifd=subifd,
            byteorder=byteorder,
            exif=EXIF,
            black=[[1, 2], [3, 4]],
            white=4000,
            linearization=range(4096),
            noise_profile=(1e-4, 1e-7),
            active_area=(0, 0, 8, 8),
            default_crop=(1, 2, 4, 5),
            opcode_list2=opcodes,
            opcode_list3=opcodes,
            baseline_exposure=0.5,
            camera_calibration1=np.eye(3),
            forward_matrix1=np.eye(3),
            extra_main_tags=[
                (Tag.XMP, BYTE, 5, b"<xmp>"),
                (Tag.CameraSerialNumber, ASCII, 4, "S12"),
                (Tag.LensInfo, RATIONAL, 4, (24, 1, 70, 1, 28, 10, 4, 1)),
                (Tag.Copyright, ASCII, 5, "mine"),
                (Tag.NoiseReductionApplied, RATIONAL, 1, (1, 2)),
                (Tag.RawDataUniqueID, BYTE, 16, bytes(16)),
            ],
        )
    )
    found = {(tag.ifd, tag.code): tag for tag in frame.source_tags}
    main = [
        *("Make", "Model", "UniqueCameraModel", "Orientation", "XMP", "Copyright", "CameraSerialNumber", "LensInfo"),
        *("ColorMatrix1", "CalibrationIlluminant1", "CameraCalibration1", "ForwardMatrix1", "AsShotNeutral"),
        "BaselineExposure",
    ]
    raw = ["DefaultCropOrigin", "DefaultCropSize", "OpcodeList2", "OpcodeList3"]
    exif = ["ExposureTime", "FNumber", "PhotographicSensitivity", "FocalLength", "DateTimeOriginal", "LensModel"]
    expected = {(place, Tag[n]) for place, names in (("main", main), ("raw", raw), ("exif", exif)) for n in names}
    assert set(found) == expected

    serial = found["main", Tag.CameraSerialNumber]
    assert (serial.dtype, serial.count, serial.value) == (ASCII, 4, b"S12\0")
    assert found["main", Tag.Orientation].value == (1,)
    assert found["main", Tag.LensInfo].value == (24, 1, 70, 1, 28, 10, 4, 1)
    exposure = found["main", Tag.BaselineExposure]
    assert (exposure.dtype, exposure.count, exposure.value) == (SRATIONAL, 1, (1, 2))
    assert found["raw", Tag.OpcodeList2].value == opcodes


def test_maker_note_moves_only_where_that_is_safe(path):
    safe = [(Tag.MakerNoteSafety, SHORT, 1, 1)]
    tags = read(make_dng(path, MOSAIC, exif=EXIF, extra_main_tags=safe)).source_tags
    assert [tag.value for tag in tags if tag.code == Tag.MakerNote] == [b"secret"]


def test_opcode_list_1_stays_behind_when_the_borders_are_cut_off(path):
    extra = [(Tag.OpcodeList1, UNDEFINED, 4, opcode_list())]
    whole = read(make_dng(path, MOSAIC, extra_tags=extra))
    cut = read(make_dng(path, MOSAIC, extra_tags=extra, active_area=(2, 2, 8, 8)))
    assert [Tag.OpcodeList1 in {tag.code for tag in frame.source_tags} for frame in (whole, cut)] == [True, False]
