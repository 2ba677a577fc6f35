"""Camera RAWs by LibRaw. Synthetic DNGs stand in for them: what LibRaw reports is the same for both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from isp.cfa import Cfa
from isp.dng.tags import Tag
from isp.dng.tiff import TiffFile
from isp.errors import InputError
from isp.raw_frame import Rect
from isp.readers import read
from isp.readers.camera_raw import read_camera_raw
from tests.isp.dng_maker import D65_MATRIX, RATIONAL, SHORT, make_dng


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.nef"


@pytest.fixture
def mosaic() -> np.ndarray:
    return np.random.default_rng(4).integers(100, 4000, (40, 60), dtype=np.uint16)


@pytest.mark.parametrize("cfa", tuple(Cfa))
def test_black_is_mapped_from_colour_index_to_position(path, mosaic, cfa):
    make_dng(path, mosaic, cfa=cfa, black=[[11, 22], [33, 44]], white=4000, active_area=(2, 4, 36, 52))
    frame = read_camera_raw(path)
    assert frame.cfa is cfa
    np.testing.assert_array_equal(frame.black.pattern, [[11, 22], [33, 44]])
    np.testing.assert_array_equal(frame.mosaic, mosaic[2:36, 4:52])
    assert (frame.active_area, frame.white) == (Rect(2, 4, 36, 52), 4000)


def test_part_to_show_is_counted_from_the_active_area(path, mosaic):
    make_dng(path, mosaic, active_area=(2, 4, 36, 52), default_crop=(6, 8, 20, 30))
    assert read_camera_raw(path).default_crop == Rect(6, 8, 26, 38)


def test_names_and_exif_come_from_ifd_0_but_no_dng_codes(path, mosaic):
    """Others than DNG use those codes for offsets and private data."""
    make_dng(path, mosaic, exif=[(34855, SHORT, 1, 800)])
    with path.open("rb") as file:
        frame = read_camera_raw(path, TiffFile(path, file).first_directory())
    assert (frame.make, frame.model) == ("Maker", "Maker One")
    codes = {(tag.ifd, tag.code) for tag in frame.source_tags}
    assert codes == {("main", Tag.Make), ("main", Tag.Model), ("main", Tag.Orientation), ("exif", 34855)}


def test_truncated_pixels_are_refused(path, mosaic):
    content = make_dng(path, mosaic).read_bytes()
    path.write_bytes(content[:-700])
    with pytest.raises(InputError, match="LibRaw cannot decode"):
        read_camera_raw(path)


def test_pixels_outlive_the_decoder(path, mosaic):
    frame = read_camera_raw(make_dng(path, mosaic))
    assert frame.mosaic.base is None
    np.testing.assert_array_equal(frame.mosaic, mosaic)


def test_neutral_is_the_reciprocal_of_the_gains_with_green_1(path, mosaic):
    np.testing.assert_allclose(read_camera_raw(make_dng(path, mosaic)).as_shot_neutral, (0.5, 1, 0.6), rtol=1e-5)


def test_matrix_is_xyz_to_camera_under_d65(path, mosaic):
    """Of cameras that LibRaw knows by name."""
    frame = read_camera_raw(make_dng(path, mosaic, make="Canon", model="Canon EOS 550D"))
    (light,) = frame.illuminants
    assert light.kelvin == 6504
    # Adobe's figures for that model, which dng_maker takes too up to rounding
    camera_white = light.colour_matrix @ [0.9505, 1.0, 1.089]
    assert (camera_white > 0).all()
    np.testing.assert_allclose(
        light.colour_matrix,
        [[0.6941, -0.1164, -0.0857], [-0.3825, 1.1597, 0.2534], [-0.0416, 0.1540, 0.6039]],
        atol=1e-4,
    )


def test_unknown_camera_has_no_matrix(path, mosaic):
    assert read_camera_raw(make_dng(path, mosaic)).illuminants == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(path, mosaic, orientation):
    assert read_camera_raw(make_dng(path, mosaic, orientation=orientation)).orientation == orientation


def test_exposure(path, mosaic):
    exif = [
        (33434, RATIONAL, 1, (1, 250)),
        (33437, RATIONAL, 1, (28, 10)),
        (34855, SHORT, 1, 800),
        (37386, RATIONAL, 1, (35, 1)),
    ]
    exif.append((36867, 2, 20, "2024:05:06 07:08:09"))
    found = read_camera_raw(make_dng(path, mosaic, exif=exif)).exposure
    assert (found.iso, found.taken, found.lens) == (800, "2024:05:06 07:08:09", None)
    assert found.time_s == pytest.approx(1 / 250)
    assert found.aperture_f == pytest.approx(2.8)
    assert found.focal_length_mm == pytest.approx(35)
    assert read_camera_raw(make_dng(path, mosaic)).exposure.taken is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cfa": (1, 1, 0, 1, 1, 2, 1, 1, 2, 1, 1, 0, 2, 0, 1, 0, 2, 1) * 2, "cfa_repeat": (6, 6)}, "X-Trans"),
        ({"cfa": None}, "LibRaw"),
    ],
)
def test_other_mosaics_are_refused(path, mosaic, changes, words):
    with pytest.raises(InputError):
        read_camera_raw(make_dng(path, mosaic, **changes))


def test_a_dng_under_another_name_is_read_as_a_dng(path, mosaic):
    frame = read(make_dng(path, mosaic, black=[[64.5]]))
    assert frame.black.pattern[0, 0] == 64.5
    np.testing.assert_allclose(frame.illuminants[0].colour_matrix, D65_MATRIX, atol=1e-6)


@pytest.mark.parametrize("suffix", [".nef", ".cr3", ".raf", ".arw"])
@pytest.mark.parametrize(
    "content", [b"not a photograph at all " * 50, b"II*\0" + b"\x08\0\0\0" + bytes(4000), bytes(9000)]
)
def test_what_libraw_does_not_know_is_one_clear_error(tmp_path, suffix, content):
    path = tmp_path / f"capture{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"capture\.\w+"):
        read(path)
