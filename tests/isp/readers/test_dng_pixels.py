"""Pixels of DNGs: layouts, number types, active area, phases, LinearRaw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile

from isp.cfa import Cfa
from isp.errors import InputError
from isp.raw_frame import Rect
from isp.readers import read
from tests.isp.dng_maker import make_dng
from tests.isp.readers.lossless_jpeg import compress

RNG = np.random.default_rng(3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


@pytest.fixture
def mosaic() -> np.ndarray:
    return RNG.integers(0, 16384, (50, 70), dtype=np.uint16)


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"rows_per_strip": 7},
        {"tile": (16, 32)},
        {"byteorder": ">"},
        {"byteorder": ">", "tile": (16, 16)},
        {"compression": "deflate"},
        {"compression": "deflate", "rows_per_strip": 7},
        {"compression": "deflate", "predictor": 2, "rows_per_strip": 7},
        {"compression": "deflate", "tile": (32, 16)},
        {"raw_in_subifd": True},
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">", "raw_in_subifd": True, "rows_per_strip": 9},
    ],
)
def test_integer_pixels_are_exact_in_every_layout(path, mosaic, layout):
    frame = read(make_dng(path, mosaic, **layout))
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    assert frame.mosaic.dtype == np.dtype("=u2")


def test_uncompressed_integers_agree_with_libraw(path, mosaic):
    make_dng(path, mosaic, rows_per_strip=9)
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(read(path).mosaic, raw.raw_image)


@pytest.mark.parametrize("layout", [{}, {"byteorder": ">"}, {"tile": (16, 16)}, {"compression": "deflate"}])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_float_pixels_are_exact(path, layout, dtype):
    mosaic = RNG.normal(0.4, 0.3, (50, 70)).astype(dtype)
    frame = read(make_dng(path, mosaic, **layout))
    np.testing.assert_array_equal(frame.mosaic, mosaic.astype(np.float32))
    assert (frame.mosaic.dtype, frame.white) == (np.float32, 1.0)


def float_predicted(mosaic: np.ndarray) -> bytes:
    """Rows as Photoshop's TIFF technical note 3 stores them, written here anew."""
    rows = []
    for row in mosaic:
        big_endian = np.frombuffer(row.astype(">f4").tobytes(), np.uint8).reshape(-1, 4)
        planes = big_endian.T.ravel().astype(np.int64)
        rows.append(np.diff(planes, prepend=0).astype(np.uint8).tobytes())
    return b"".join(rows)


def test_floating_point_predictor_is_undone(path):
    import zlib

    mosaic = RNG.normal(0.4, 0.3, (40, 60)).astype(np.float32)
    packed = zlib.compress(float_predicted(mosaic))
    make_dng(path, mosaic)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tags = tiff.pages[0].tags
        where = tags["StripOffsets"].value[0]
        assert len(packed) <= mosaic.nbytes
        tags["StripByteCounts"].overwrite(len(packed))
        tags["Compression"].overwrite(8)
    data = bytearray(path.read_bytes())
    data[where : where + len(packed)] = packed
    path.write_bytes(data)
    set_tag(path, 282, 317, 3)  # XResolution, of no use here, becomes Predictor
    np.testing.assert_array_equal(read(path).mosaic, mosaic)


def set_tag(path: Path, old: int, code: int, value: int) -> None:
    """Turn the entry of tag `old` into a SHORT `code`."""
    with tifffile.TiffFile(path) as tiff:
        at = tiff.pages[0].tags[old].offset
    data = bytearray(path.read_bytes())
    data[at : at + 12] = np.array([code, 3, 1, 0, value, 0], "<u2").tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize("cfa", tuple(Cfa))
@pytest.mark.parametrize("area", [(0, 0, 50, 70), (2, 4, 48, 66), (3, 5, 49, 69), (1, 0, 50, 69), (0, 7, 49, 68)])
@pytest.mark.parametrize("subifd", [False, True])
def test_active_area_is_exact_and_the_phase_starts_there(path, mosaic, cfa, area, subifd):
    frame = read(make_dng(path, mosaic, cfa=cfa, active_area=area, raw_in_subifd=subifd))
    top, left, bottom, right = area
    np.testing.assert_array_equal(frame.mosaic, mosaic[top:bottom, left:right])
    assert (frame.cfa, frame.active_area) == (cfa, Rect(top, left, bottom, right))
    assert frame.mosaic.flags.c_contiguous


@pytest.mark.parametrize("cfa", tuple(Cfa))
def test_phase_agrees_with_libraw(path, mosaic, cfa):
    make_dng(path, mosaic, cfa=cfa, active_area=(2, 4, 48, 66))
    with rawpy.imread(str(path)) as raw:
        assert "".join("RGBG"[c] for c in raw.raw_pattern.ravel()) == read(path).cfa


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("area", [None, (3, 5, 33, 45)])
@pytest.mark.parametrize("table", [None, (np.arange(1 << 14) + 9) // 2])
def test_packed_integers_are_unpacked_and_linearised_once(path, bits, area, table):
    """Bits packed most significant first, as TIFF says; rows fill whole bytes."""
    mosaic = RNG.integers(0, 1 << bits, (36, 56), dtype=np.uint16)
    every_bit = (mosaic[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    packed = np.packbits(every_bit.reshape(36, -1), axis=1).astype(np.uint8)
    make_dng(path, mosaic, bits=bits, active_area=area, linearization=table)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        where = tiff.pages[0].tags["StripOffsets"].value[0]
        tiff.pages[0].tags["StripByteCounts"].overwrite(packed.nbytes)
    data = bytearray(path.read_bytes())
    data[where : where + packed.nbytes] = packed.tobytes()
    path.write_bytes(data)
    top, left, bottom, right = area or (0, 0, 36, 56)
    frame = read(path)
    linear = mosaic if table is None else table[mosaic]
    np.testing.assert_array_equal(frame.mosaic, linear[top:bottom, left:right])
    assert frame.white == (1 << bits) - 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_linear_raw_has_three_colours_and_no_phase(path, dtype):
    picture = RNG.integers(0, 255, (30, 40, 3)).astype(dtype)
    black = None if dtype is np.float32 else [[[1, 2.5, 3]]]
    frame = read(make_dng(path, picture, cfa=None, black=black, active_area=(1, 2, 29, 39)))
    np.testing.assert_array_equal(frame.mosaic, picture[1:29, 2:39])
    assert frame.cfa is None
    assert frame.mosaic.dtype == (np.float32 if dtype is np.float32 else np.uint16)
    assert frame.black.pattern.shape == (1, 1, 3)
    np.testing.assert_array_equal(frame.black.pattern, [[[0, 0, 0]]] if black is None else black)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return (200 + 3 * y + 2 * x + RNG.integers(0, 40, (height, width))).astype(np.uint16)


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32)}])
@pytest.mark.parametrize("area", [(0, 0, 48, 64), (3, 5, 47, 62)])
@pytest.mark.parametrize("table", [None, (np.arange(4096) * 3 + 7) // 2])
def test_lossless_jpeg_is_decoded_and_linearised_once(path, layout, area, table):
    """LibRaw decodes it, and applies the LinearizationTable itself; margins stay odd."""
    mosaic = smooth(48, 64)
    make_dng(path, mosaic, cfa="GBRG", active_area=area, linearization=table, **layout)
    compress(path, mosaic)
    frame = read(path)
    top, left, bottom, right = area
    linear = mosaic if table is None else table[mosaic]
    np.testing.assert_array_equal(frame.mosaic, linear[top:bottom, left:right])
    assert frame.cfa is Cfa.GBRG


def test_truncated_lossless_jpeg_is_refused(path):
    mosaic = smooth(48, 64)
    make_dng(path, mosaic)
    compress(path, mosaic)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or corrupt"):
        read(path)


def test_lossless_jpeg_in_strips_is_refused_because_libraw_garbles_it(path, mosaic):
    make_dng(path, mosaic, rows_per_strip=10)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(7)
    with pytest.raises(InputError, match="lossless JPEG in 5 strips"):
        read(path)


def test_default_crop_is_in_pixels_of_the_mosaic_and_kept_within(path, mosaic):
    area = (3, 5, 49, 69)
    assert read(make_dng(path, mosaic, active_area=area)).default_crop is None
    assert read(make_dng(path, mosaic, active_area=area, default_crop=(2, 3, 40, 50))).default_crop == Rect(
        2, 3, 42, 53
    )
    assert read(make_dng(path, mosaic, active_area=area, default_crop=(2, 3, 99, 99))).default_crop == Rect(
        2, 3, 46, 64
    )
    with pytest.raises(InputError, match="default crop"):
        read(make_dng(path, mosaic, active_area=area, default_crop=(46, 0, 10, 10)))


@pytest.mark.parametrize("area", [(0, 0, 51, 70), (5, 0, 5, 70), (9, 0, 8, 70), (0, 70, 50, 71), (4, 4, 5, 9)])
def test_active_area_outside_the_frame_or_too_small_is_refused(path, mosaic, area):
    with pytest.raises(InputError, match=r"ActiveArea|at least 2 x 2"):
        read(make_dng(path, mosaic, active_area=area))
