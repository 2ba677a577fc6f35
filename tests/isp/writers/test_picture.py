from __future__ import annotations

import io
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from isp.colour.colour_space import ColourSpace
from isp.colour.icc_profile import icc_profile
from isp.errors import ConfigError
from isp.raw_frame import Exposure, Rect
from isp.writers.picture import check_sample_type, cropped, oriented, picture_format, write_picture
from tests.isp.colour.captures import a_frame

FRAME = a_frame(
    make="Acme",
    model="One",
    orientation=6,
    exposure=Exposure(
        iso=400, time_s=1 / 250, aperture_f=2.8, focal_length_mm=35, taken="2024:05:06 07:08:09", lens="35 mm"
    ),
)
SPACES = [space.value for space in ColourSpace]


def a_picture(dtype=np.uint8, height=13, width=22):
    if dtype == np.float32:
        return np.random.default_rng(9).random((height, width, 3), dtype=np.float32)
    return np.random.default_rng(9).integers(0, np.iinfo(dtype).max, (height, width, 3), dtype=dtype, endpoint=True)


def chunks(png):
    found, at = [], 8
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack_from(">I", png, at + 8 + size)[0] == zlib.crc32(kind + data)
        found.append((kind.decode(), data))
        at += size + 12
    return found


def facts(exif_pages):
    """What every written picture must tell, from a tifffile page."""
    tags, exif = exif_pages.tags, exif_pages.tags["ExifTag"].value
    return {
        "Make": tags["Make"].value,
        "Model": tags["Model"].value,
        "Orientation": int(tags["Orientation"].value),
        "DateTime": tags["DateTime"].value,
        **{key: exif[key] for key in ("ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength", "LensModel")},
        "ColorSpace": exif["ColorSpace"],
    }


def expected_facts(space):
    return {
        "Make": "Acme",
        "Model": "One",
        "Orientation": 1,
        "DateTime": "2024:05:06 07:08:09",
        "ExposureTime": (1, 250),
        "FNumber": (280, 100),
        "ISOSpeedRatings": 400,
        "FocalLength": (3500, 100),
        "LensModel": "35 mm",
        "ColorSpace": 1 if space == "srgb" else 0xFFFF,
    }


# --- turning and cropping ----------------------------------------------------------------------------

STORED = np.array([[1, 2, 3], [4, 5, 6]])
UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_known_answer(orientation):
    stored = np.repeat(STORED[..., None], 3, axis=2)
    np.testing.assert_array_equal(oriented(stored, orientation)[..., 0], UPRIGHT[orientation])


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_agrees_with_pillow(orientation):
    stored = a_picture()
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(oriented(stored, orientation), np.asarray(ImageOps.exif_transpose(image)))


def test_crop_scales_with_a_half_size_picture():
    frame = a_frame(20, 40, default_crop=Rect(4, 6, 18, 38))
    full = a_picture(height=20, width=40)
    np.testing.assert_array_equal(cropped(full, frame), full[4:18, 6:38])
    np.testing.assert_array_equal(cropped(full[::2, ::2], frame), full[::2, ::2][2:9, 3:19])


def test_cropped_and_turned_pictures_are_written_as_they_look(tmp_path):
    frame = a_frame(20, 40, default_crop=Rect(2, 4, 12, 34), orientation=6)
    full = a_picture(height=20, width=40)
    write_picture(tmp_path / "a.png", oriented(cropped(full, frame), frame.orientation), "srgb", frame)
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert found.shape == (30, 10, 3)
    np.testing.assert_array_equal(found, np.rot90(full[2:12, 4:34], -1))


# --- PNG ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("space", SPACES)
def test_png(tmp_path, dtype, space):
    rgb, path = a_picture(dtype), tmp_path / "a.PNG"
    write_picture(path, rgb, space, FRAME)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[..., ::-1], rgb)

    found = chunks(path.read_bytes())
    kinds = [kind for kind, _ in found]
    assert kinds[0] == "IHDR"
    assert kinds[-1] == "IEND"
    colour = {kind: data for kind, data in found if kind in ("sRGB", "iCCP", "cICP")}
    assert all(kinds.index(kind) < kinds.index("IDAT") for kind in [*colour, "eXIf"])
    if space == "srgb":
        assert colour == {"sRGB": b"\0"}
    else:
        name, profile = colour["iCCP"].split(b"\0\0", 1)
        assert name.decode() == ColourSpace(space).display_name
        assert zlib.decompress(profile) == icc_profile(ColourSpace(space))
        assert colour["cICP"] == {"display_p3": b"\x0c\x0d\x00\x01", "linear": b"\x01\x08\x00\x01"}[space]
    with tifffile.TiffFile(io.BytesIO(dict(found)["eXIf"])) as exif:
        assert facts(exif.pages[0]) == expected_facts(space)
        assert exif.pages[0].tags["ExifTag"].value["PixelXDimension"] == 22


# --- JPEG --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", SPACES)
def test_jpeg(tmp_path, space):
    smooth = cv2.GaussianBlur(a_picture(height=64, width=96), (0, 0), 4)
    path = tmp_path / "a.jpeg"
    write_picture(path, smooth, space, FRAME)
    with Image.open(path) as image:
        assert np.abs(np.asarray(image).astype(int) - smooth).max() <= 6
        assert image.info["icc_profile"] == icc_profile(ColourSpace(space))
        assert {layer[1:3] for layer in image.layer} == {(1, 1)}, "chroma is not subsampled"
        block = image.info["exif"].removeprefix(b"Exif\0\0")
    with tifffile.TiffFile(io.BytesIO(block)) as exif:
        assert facts(exif.pages[0]) == expected_facts(space)


def test_jpeg_quality_counts(tmp_path):
    for quality in (40, 95):
        write_picture(tmp_path / f"{quality}.jpg", a_picture(height=64, width=64), "srgb", FRAME, jpeg_quality=quality)
    assert (tmp_path / "40.jpg").stat().st_size < 0.7 * (tmp_path / "95.jpg").stat().st_size


# --- TIFF --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("space", SPACES)
def test_tiff(tmp_path, dtype, space):
    rgb, path = a_picture(dtype), tmp_path / "a.tif"
    write_picture(path, rgb, space, FRAME)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        np.testing.assert_array_equal(page.asarray(), rgb)
        assert page.photometric.name == "RGB"
        assert bytes(page.tags["InterColorProfile"].value) == icc_profile(ColourSpace(space))
        assert facts(page) == expected_facts(space)


def test_pictures_may_be_views(tmp_path):
    turned = a_picture(np.uint16).swapaxes(0, 1)[::-1]
    for name in ("a.png", "a.tif"):
        write_picture(tmp_path / name, turned, "srgb", FRAME)
        found = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED)[..., ::-1]
        np.testing.assert_array_equal(found, turned)


# --- metadata ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_s", "fraction"), [(1 / 8000, (1, 8000)), (0.0125, (1, 80)), (0.3, (3, 10)), (30.0, (30, 1))]
)
def test_exposure_time_reads_as_cameras_write_it(tmp_path, time_s, fraction):
    write_picture(tmp_path / "a.tif", a_picture(), "srgb", a_frame(exposure=Exposure(time_s=time_s)))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].tags["ExifTag"].value["ExposureTime"] == fraction


def test_nothing_is_made_up_for_a_file_that_tells_nothing(tmp_path):
    write_picture(tmp_path / "a.tif", a_picture(), "srgb", a_frame())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        tags = tiff.pages[0].tags
        assert "Make" not in tags
        assert "DateTime" not in tags
        assert not {"ExposureTime", "FNumber", "ISOSpeedRatings"} & set(tags["ExifTag"].value)


def test_equal_pictures_are_equal_files(tmp_path):
    for name in ("a.png", "a.jpg", "a.tif"):
        write_picture(tmp_path / name, a_picture(), "display_p3", FRAME)
        first = (tmp_path / name).read_bytes()
        write_picture(tmp_path / name, a_picture(), "display_p3", FRAME)
        assert (tmp_path / name).read_bytes() == first


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_exiftool_finds_no_fault(tmp_path, name):
    write_picture(tmp_path / name, a_picture(), "display_p3", FRAME)
    done = subprocess.run(
        ["exiftool", "-validate", "-warning", "-s3", "-a", str(tmp_path / name)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "OK"


# --- errors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.bmp", "a", "a.dng"])
def test_unknown_suffix(name):
    with pytest.raises(ConfigError, match=r"unknown kind of picture .*expected \.png, \.jpg, \.jpeg, \.tif, \.tiff"):
        picture_format(Path(name))


@pytest.mark.parametrize(("name", "dtype"), [("a.jpg", np.uint16), ("a.png", np.float32), ("a.tif", np.float64)])
def test_samples_that_the_format_cannot_hold(tmp_path, name, dtype):
    with pytest.raises(ConfigError, match=r"cannot hold .* set output_encoding\.bits"):
        check_sample_type(tmp_path / name, np.dtype(dtype))
    with pytest.raises(ConfigError, match="cannot hold"):
        write_picture(tmp_path / name, np.zeros((2, 2, 3), dtype), "linear", FRAME)
    assert not list(tmp_path.iterdir())


def test_a_picture_too_wide_for_a_jpeg(tmp_path):
    with pytest.raises(ConfigError, match=r"a JPEG cannot hold 65501 x 1 pixels.*write PNG or TIFF"):
        write_picture(tmp_path / "a.jpg", np.zeros((1, 65501, 3), np.uint8), "srgb", FRAME)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_missing_folder(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be written: No such file or directory; give a folder that exists"):
        write_picture(tmp_path / "none" / name, a_picture(), "srgb", FRAME)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, name):
    path = tmp_path / name
    path.write_bytes(b"old")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ConfigError, match="No space left on device"):
        write_picture(path, a_picture(), "srgb", FRAME)
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"old"
