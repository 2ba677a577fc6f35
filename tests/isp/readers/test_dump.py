"""Plain Bayer dumps and their descriptions."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseOrigin
from isp.readers import BayerDump, Packing, is_raw_file, read, supported_suffixes
from isp.readers.dump_packing import row_bytes, unpack
from tests.isp.dng_maker import make_dng

RNG = np.random.default_rng(6)


def ten_bits(height: int = 6, width: int = 8) -> np.ndarray:
    return RNG.integers(0, 1024, (height, width), dtype=np.uint16)


def mipi_bytes(row: list[int], bits: int) -> bytes:
    """One row by the words of the CSI-2 specification, pixel by pixel."""
    low = bits - 8
    group = 8 // low
    out = bytearray()
    for start in range(0, len(row), group):
        pixels = row[start : start + group]
        pixels += [0] * (group - len(pixels))
        out += bytes(p >> low for p in pixels)
        out.append(sum((p & (1 << low) - 1) << (low * i) for i, p in enumerate(pixels)))
    return bytes(out)


def test_mipi_examples():
    """Known answers: RAW10 P1..P4 = 0x3FF, 0x001, 0x2AA, 0x000; RAW12 P1, P2 = 0xABC, 0x123."""
    raw10 = np.array([[0xFF, 0x00, 0xAA, 0x00, 0b00_10_01_11]], np.uint8)
    np.testing.assert_array_equal(unpack(raw10, Packing.MIPI_RAW10, 4), [[0x3FF, 0x001, 0x2AA, 0x000]])
    raw12 = np.array([[0xAB, 0x12, 0x3C]], np.uint8)
    np.testing.assert_array_equal(unpack(raw12, Packing.MIPI_RAW12, 2), [[0xABC, 0x123]])


@given(st.sampled_from([10, 12]), st.integers(2, 13), st.data())
def test_mipi_round_trip(bits, width, data):
    row = data.draw(st.lists(st.integers(0, (1 << bits) - 1), min_size=width, max_size=width))
    packing = Packing.MIPI_RAW10 if bits == 10 else Packing.MIPI_RAW12
    packed = np.frombuffer(mipi_bytes(list(row), bits), np.uint8)
    assert packed.size == row_bytes(packing, width)
    np.testing.assert_array_equal(unpack(packed[None].repeat(2, 0), packing, width), [row, row])


@pytest.mark.parametrize(
    ("packing", "bits"),
    [(Packing.U8, 8), (Packing.U16LE, 10), (Packing.U16BE, 10), (Packing.MIPI_RAW10, 10), (Packing.MIPI_RAW12, 12)],
)
@pytest.mark.parametrize(
    ("offset", "padding", "ends_early"), [(0, 0, False), (17, 0, False), (3, 5, False), (0, 7, True)]
)
def test_every_packing_with_stride_and_offset(tmp_path, packing, bits, offset, padding, ends_early):
    mosaic = RNG.integers(0, 1 << bits, (6, 10), dtype=np.uint16)
    match packing:
        case Packing.U8:
            rows = [bytes(row.astype(np.uint8)) for row in mosaic]
        case Packing.U16LE | Packing.U16BE:
            rows = [row.astype("<u2" if packing is Packing.U16LE else ">u2").tobytes() for row in mosaic]
        case _:
            rows = [mipi_bytes(row.tolist(), bits) for row in mosaic]
    content = b"\xee" * offset + b"".join(row + b"\xee" * padding for row in rows)
    path = tmp_path / "capture.raw"
    path.write_bytes(content[: len(content) - padding] if ends_early else content)
    description = BayerDump(
        width=10,
        height=6,
        cfa="GRBG",
        bits=bits,
        packing=packing,
        offset_bytes=offset,
        stride_bytes=len(rows[0]) + padding,
    )
    frame = read(path, description)
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    assert (frame.mosaic.dtype, frame.cfa, frame.white) == (np.uint16, Cfa.GRBG, (1 << bits) - 1)


def test_packing_defaults_to_bytes_for_8_bits_else_little_endian_words(tmp_path):
    path = tmp_path / "capture.bin"
    path.write_bytes(bytes(range(24)))
    eight = read(path, BayerDump(width=6, height=4, cfa="RGGB", bits=8))
    np.testing.assert_array_equal(eight.mosaic, np.arange(24).reshape(4, 6))
    ten_path = tmp_path / "ten.bin"
    mosaic = ten_bits()
    mosaic.astype("<u2").tofile(ten_path)
    np.testing.assert_array_equal(read(ten_path, BayerDump(width=8, height=6, cfa="RGGB", bits=10)).mosaic, mosaic)


def write_npy(path: Path, mosaic: np.ndarray) -> None:
    np.save(path, mosaic)


def write_cv2(path: Path, mosaic: np.ndarray) -> None:
    assert cv2.imwrite(str(path), mosaic)


def write_tiff(path: Path, mosaic: np.ndarray) -> None:
    tifffile.imwrite(path, mosaic)


def write_pgm(path: Path, mosaic: np.ndarray) -> None:
    height, width = mosaic.shape
    path.write_bytes(f"P5\n# sensor\n{width} {height}\n65535\n".encode() + mosaic.astype(">u2").tobytes())


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.npy", write_npy), ("a.png", write_cv2), ("a.tif", write_cv2), ("a.tiff", write_tiff), ("a.PGM", write_pgm)],
)
def test_files_that_know_their_size(tmp_path, name, write):
    mosaic = ten_bits()
    write(tmp_path / name, mosaic)
    frame = read(tmp_path / name, BayerDump(cfa="BGGR", bits=10))
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    assert (frame.mosaic.dtype, frame.cfa) == (np.uint16, Cfa.BGGR)
    with pytest.raises(InputError, match="has 8 x 6 pixels; expected 9 x 6"):
        read(tmp_path / name, BayerDump(cfa="BGGR", bits=10, width=9))


def test_float_array(tmp_path):
    mosaic = RNG.random((6, 8)).astype(np.float32)
    np.save(tmp_path / "a.npy", mosaic)
    frame = read(tmp_path / "a.npy", BayerDump(cfa="RGGB", bits=16, white=1.0))
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    assert (frame.mosaic.dtype, frame.white) == (np.float32, 1.0)


@pytest.mark.parametrize("array", [ten_bits(), ten_bits().T, ten_bits().astype(">u2"), ten_bits().astype(np.float16)])
def test_array_layouts(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    frame = read(tmp_path / "a.npy", BayerDump(cfa="RGGB", bits=10))
    np.testing.assert_array_equal(frame.mosaic, array)
    assert frame.mosaic.flags.c_contiguous


def test_levels_colour_and_noise(tmp_path):
    ten_bits().tofile(tmp_path / "a.raw")
    matrix = ((0.6, -0.1, 0), (-0.4, 1.2, 0.2), (0, 0.1, 0.6))
    common = {"width": 8, "height": 6, "cfa": "gbrg", "bits": 10}
    frame = read(
        tmp_path / "a.raw",
        BayerDump(
            **common,
            black=((60.5, 61), (62, 63)),
            white=1000,
            as_shot_neutral=(0.5, 1, 0.7),
            colour_matrix=matrix,
            noise_shot=1e-4,
            noise_read=2e-7,
        ),
    )
    assert (frame.cfa, frame.white, frame.as_shot_neutral) == (Cfa.GBRG, 1000, (0.5, 1, 0.7))
    np.testing.assert_array_equal(frame.black.pattern, [[60.5, 61], [62, 63]])
    np.testing.assert_array_equal(frame.illuminants[0].colour_matrix, matrix)
    assert frame.noise is not None
    assert (frame.noise.shot, frame.noise.read, frame.noise.origin) == ((1e-4,) * 3, (2e-7,) * 3, NoiseOrigin.USER)
    plain = read(tmp_path / "a.raw", BayerDump(**common, black=60.5))
    np.testing.assert_array_equal(plain.black.pattern, np.full((2, 2), 60.5))
    assert (plain.noise, plain.illuminants, plain.as_shot_neutral) == (None, (), None)


YAML = "width: 8\nheight: 6\ncfa: RGGB\nbits: 10\nblack: [[1, 2], [3, 4]]\npacking: u16be\n"


@pytest.mark.parametrize("name", ["capture.raw.yaml", "capture.yaml"])
def test_description_beside_the_dump(tmp_path, name):
    mosaic = ten_bits()
    mosaic.astype(">u2").tofile(tmp_path / "capture.raw")
    (tmp_path / name).write_text(YAML)
    frame = read(tmp_path / "capture.raw")
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    np.testing.assert_array_equal(frame.black.pattern, [[1, 2], [3, 4]])


def test_the_longer_name_and_the_given_description_win(tmp_path):
    ten_bits().tofile(tmp_path / "capture.raw")
    (tmp_path / "capture.yaml").write_text(YAML.replace("u16be", "u16le"))
    (tmp_path / "capture.raw.yaml").write_text(YAML.replace("u16be", "u16le").replace("RGGB", "GRBG"))
    assert read(tmp_path / "capture.raw").cfa is Cfa.GRBG
    assert read(tmp_path / "capture.raw", BayerDump(width=8, height=6, cfa="BGGR", bits=10)).cfa is Cfa.BGGR


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("width: [", "cannot be read as YAML"),
        ("just words", "holds no description"),
        (YAML + "wdith: 3\n", "unknown key 'wdith', did you mean 'width'"),
        (YAML.replace("bits: 10\n", ""), "yaml: the key 'bits' is missing$"),
        (YAML.replace("RGGB", "RGBW"), "cfa"),
        (YAML.replace("bits: 10", "bits: 40"), "bits"),
        (YAML.replace("u16be", "mipi_raw12"), "packing mipi_raw12 holds 12 bits, but bits is 10"),
        (YAML + "white: 3.5\n", "white 3.5 is not above black"),
        (YAML + "noise_shot: 1e-4\n", "belong together"),
        (YAML + "black: .nan\n", "black"),
        ("\xff".encode("latin-1").decode("latin-1") + "\0", "YAML"),
    ],
)
def test_wrong_descriptions(tmp_path, text, words):
    ten_bits().tofile(tmp_path / "capture.raw")
    (tmp_path / "capture.raw.yaml").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "capture.raw")
    assert "\n" not in str(caught.value)
    assert "capture.raw.yaml" in str(caught.value)


@pytest.mark.parametrize("size", [1, 95, 97, 4096])
def test_wrong_size_for_its_description(tmp_path, size):
    (tmp_path / "a.raw").write_bytes(bytes(size))
    with pytest.raises(InputError, match=f"has {size} bytes; expected 96 for 8 x 6 pixels as u16le"):
        read(tmp_path / "a.raw", BayerDump(width=8, height=6, cfa="RGGB", bits=10))


def test_huge_described_size_costs_no_memory(tmp_path):
    (tmp_path / "a.raw").write_bytes(bytes(96))
    with pytest.raises(InputError, match="has 96 bytes"):
        read(tmp_path / "a.raw", BayerDump(width=65_000, height=65_000, cfa="RGGB", bits=10))


def test_wrong_byte_order_or_bits(tmp_path):
    ten_bits().astype(">u2").tofile(tmp_path / "a.raw")
    with pytest.raises(InputError, match="for 10 bits; correct bits or packing"):
        read(tmp_path / "a.raw", BayerDump(width=8, height=6, cfa="RGGB", bits=10))


def test_incomplete_description(tmp_path):
    ten_bits().tofile(tmp_path / "a.raw")
    with pytest.raises(InputError, match="without width or height"):
        read(tmp_path / "a.raw", BayerDump(cfa="RGGB", bits=10, width=8))
    with pytest.raises(InputError, match="stride_bytes is 12; expected 16 or more"):
        read(tmp_path / "a.raw", BayerDump(cfa="RGGB", bits=10, width=8, height=6, stride_bytes=12))


@pytest.mark.parametrize("name", ["a.raw", "a.bin", "a.npy", "a.png", "a.tif", "a.pgm"])
def test_dump_without_description(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(96))
    size = "--width, --height, " if name in ("a.raw", "a.bin") else ""
    words = rf"plain dump without a description; expected {name}.yaml .* the options {size}--cfa and --bits-per-pixel$"
    with pytest.raises(InputError, match=words):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.png", "a.tif", "a.pgm"])
@pytest.mark.parametrize(
    "content", [b"x", b"text, long enough to hold a header", bytes(500), b"\x93NUMPY\x01\0\xff\xff{"]
)
def test_pictures_and_arrays_that_are_not(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"a\.\w+ is not a"):
        read(tmp_path / name, BayerDump(cfa="RGGB", bits=10))


def test_truncated_and_coloured_pictures(tmp_path):
    path = tmp_path / "a.png"
    write_cv2(path, np.zeros((6, 8, 3), np.uint16))
    with pytest.raises(InputError, match="one grey channel"):
        read(path, BayerDump(cfa="RGGB", bits=10))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError):
        read(path, BayerDump(cfa="RGGB", bits=10))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4), np.int32),
        np.array([["a"]]),
        np.zeros((1, 4), np.uint8),
        np.full((4, 4), np.nan),
    ],
)
def test_arrays_that_are_no_mosaics(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError):
        read(tmp_path / "a.npy", BayerDump(cfa="RGGB", bits=10))


def test_huge_declared_pictures_cost_no_memory(tmp_path):
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 60000 60000 65535\n" + bytes(100))
    with pytest.raises(InputError, match="declares 60000 x 60000"):
        read(path, BayerDump(cfa="RGGB", bits=10))


def test_a_dng_needs_no_description(tmp_path):
    path = make_dng(tmp_path / "a.dng", ten_bits())
    with pytest.raises(ConfigError, match="describes itself"):
        read(path, BayerDump(cfa="RGGB", bits=10))


def test_which_files_a_folder_scan_takes(tmp_path):
    names = ["a.dng", "A.DNG", "a.NEF", "a.raw", "a.bin", "a.png", "b.png", "a.npy", "a.txt", "a.png.yaml", "a.jpg"]
    for name in names:
        (tmp_path / name).touch()
    taken = {name for name in names if is_raw_file(tmp_path / name)}
    assert taken == {"a.dng", "A.DNG", "a.NEF", "a.raw", "a.bin", "a.png"}
    assert {".dng", ".nef", ".raw", ".npy", ".png"} <= supported_suffixes


def test_decoders_are_imported_only_when_needed():
    code = "import sys, isp.readers; print(*{'cv2', 'rawpy', 'tifffile', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize(
    ("name", "write"), [("a.npy", write_npy), ("a.png", write_cv2), ("a.tif", write_tiff), ("a.pgm", write_pgm)]
)
def test_corrupt_arrays_and_pictures_give_a_frame_or_one_error(tmp_path, name, write, data):
    path = tmp_path / name
    write(path, np.arange(48, dtype=np.uint16).reshape(6, 8))
    content = bytearray(path.read_bytes())
    for where in data.draw(st.lists(st.integers(0, min(len(content), 160) - 1), min_size=1, max_size=4)):
        content[where] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, len(content) - 1]))]))
    with contextlib.suppress(InputError):
        assert read(path, BayerDump(cfa="RGGB", bits=16)).mosaic.size < 1e6
