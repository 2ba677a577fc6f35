"""Whatever a file's bytes are: a frame or one clear error, and no more memory than the file deserves."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp.errors import InputError
from isp.raw_frame import RawFrame
from isp.readers import read
from tests.isp.dng_maker import A_MATRIX, RATIONAL, SHORT, gain_map_opcode, make_dng, opcode_list
from tests.isp.readers.lossless_jpeg import compress

MOSAIC = np.random.default_rng(5).integers(0, 4096, (32, 48), dtype=np.uint16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


def refused(path: Path, words: str) -> str:
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_missing(path):
    refused(path, "cannot be opened: No such file")


def test_folder(tmp_path):
    (tmp_path / "folder.dng").mkdir()
    refused(tmp_path / "folder.dng", "is a folder")


def test_empty(path):
    path.write_bytes(b"")
    refused(path, "is empty")


@pytest.mark.parametrize(
    "content", [b"I", b"II*\0", b"MM\0*\0\0", b"Dear diary,\ntoday\n", b"\x89PNG\r\n\x1a\n" + bytes(99)]
)
def test_something_else_named_dng(path, content):
    path.write_bytes(content)
    refused(path, "capture.dng is not a TIFF or DNG file")


def test_unknown_ending(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("text")
    refused(path, "unknown ending")


def test_plain_tiff_named_dng(path):
    tifffile.imwrite(path, MOSAIC)
    refused(path, "not a DNG")


def test_dng_without_a_mosaic(path):
    make_dng(path, MOSAIC)
    overwrite(path, 262, 2)
    refused(path, "holds no mosaic")


def test_monochrome_and_other_mosaics(path):
    make_dng(path, MOSAIC, cfa=None)
    overwrite(path, 262, 34892)
    refused(path, "is monochrome")
    x_trans = (1, 1, 0, 1, 1, 2, 1, 1, 2, 1, 1, 0, 2, 0, 1, 0, 2, 1) * 2
    refused(make_dng(path, MOSAIC, cfa=x_trans, cfa_repeat=(6, 6)), "X-Trans")
    quad = (0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2)
    refused(make_dng(path, MOSAIC, cfa=quad, cfa_repeat=(4, 4)), "repeats every 4 x 4")
    refused(make_dng(path, MOSAIC, cfa=(3, 5, 4, 1)), "cyan, yellow, magenta")
    refused(make_dng(path, MOSAIC, cfa=(0, 1, 2, 1)), "mosaic of R, G, B, G")
    refused(make_dng(path, MOSAIC, cfa=(0, 1, 1)), "CFAPattern has 3 entries")


def overwrite(path: Path, code: int, value: int) -> None:
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags[code].overwrite(value)


@pytest.mark.parametrize("compression", [1, 7, 8, 34892])
@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (60_000, 400), (4_000_000_000, 32), (0, 32), (48, 0)])
def test_huge_or_no_declared_size_costs_no_memory(path, compression, width, height):
    make_dng(path, MOSAIC)
    for code, value in ((256, width), (257, height), (278, height or 1), (259, compression)):
        overwrite(path, code, value)
    tracemalloc.start()
    if compression == 34892 and width * height == 24_000_000:
        with pytest.raises(InputError):  # 3 kB of lossy JPEG could just make it: LibRaw decides
            read(path)
    else:
        refused(path, "declares")
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()


def test_more_pixels_than_any_sensor_has_are_refused_even_where_the_bytes_could_hold_them(path):
    make_dng(path, MOSAIC)
    where = path.stat().st_size
    for code, value in ((256, 60_000), (257, 60_000), (278, 60_000), (259, 34892), (273, where), (279, 1 << 23)):
        overwrite(path, code, value)
    with path.open("r+b") as file:
        file.truncate(where + (1 << 23))
    refused(path, "at most 600 megapixel")


def test_unknown_compression(path):
    make_dng(path, MOSAIC)
    overwrite(path, 259, 34712)
    refused(path, "compressed by method 34712")


def test_unsupported_numbers(path):
    refused(make_dng(path, MOSAIC.astype(np.uint32)), "32-bit integers")
    refused(make_dng(path, MOSAIC.astype(np.float64)), "64")
    refused(make_dng(path, MOSAIC.astype(np.int16)), "format")


def rich_dng(path: Path, compression: str | None = None) -> bytes:
    """A DNG with everything that has a parser."""
    gains = np.ones((3, 4))
    make_dng(
        path,
        MOSAIC,
        raw_in_subifd=True,
        black=[[64.5, 65], [66, 67]],
        black_delta_v=np.zeros(28),
        white=4000,
        linearization=range(4096),
        active_area=(3, 1, 31, 47),
        default_crop=(0, 0, 20, 20),
        colour_matrix2=A_MATRIX,
        illuminant2=17,
        noise_profile=(1e-4, 1e-7),
        opcode_list2=opcode_list(gain_map_opcode(gains, top=0, left=0, bottom=28, right=46)),
        tone_curve=[(0, 0), (0.5, 0.6), (1, 1)],
        exif=[(33434, RATIONAL, 1, (1, 100)), (34855, SHORT, 1, 100)],
        rows_per_strip=8,
        compression=compression,
    )
    return path.read_bytes()


def frame_or_error(path: Path) -> None:
    try:
        frame = read(path)
    except InputError:
        return
    assert isinstance(frame, RawFrame)
    assert frame.mosaic.size <= 8 * 50_000


@pytest.fixture(scope="module")
def valid(tmp_path_factory) -> dict[str | None, bytes]:
    path = tmp_path_factory.mktemp("valid") / "capture.dng"
    contents = {compression: rich_dng(path, compression) for compression in (None, "deflate")}
    make_dng(path, MOSAIC // 16, linearization=range(4096))
    compress(path, MOSAIC // 16)
    return contents | {"lossless jpeg": path.read_bytes()}


fuzz = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(data=st.data())
def test_truncated_anywhere(path, valid, data):
    content = valid[data.draw(st.sampled_from(list(valid)))]
    path.write_bytes(content[: data.draw(st.integers(1, len(content) - 1))])
    frame_or_error(path)


@fuzz
@given(data=st.data())
def test_corrupted_anywhere(path, valid, data):
    content = bytearray(valid[data.draw(st.sampled_from(list(valid)))])
    # Headers and directories lie at both ends: most changes go there
    at = st.one_of(
        st.integers(0, 1500), st.integers(len(content) - 600, len(content) - 1), st.integers(0, len(content) - 1)
    )
    for where in data.draw(st.lists(at, min_size=1, max_size=6)):
        content[where] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 0x7F, 0xFF])))
    path.write_bytes(bytes(content))
    tracemalloc.start()
    frame_or_error(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated_pixels_are_refused(path, keep):
    content = make_dng(path, MOSAIC).read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    refused(path, "truncated or corrupt")
