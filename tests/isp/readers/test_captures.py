"""Every real capture reads with the facts its makers state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rawpy

from isp.cfa import Cfa
from isp.noise.model import NoiseOrigin
from isp.raw_frame import Rect
from isp.readers import BayerDump, read

DNGS = ["canon550d*", "gopro*", "Captured_Images__dark*", "Captured_Images__image_0__*", "Captured_Images__image_10__*"]
TWELVE_BIT = BayerDump(width=1920, height=1080, cfa="BGGR", bits=12)
EIGHT_BIT = BayerDump(width=2592, height=1536, cfa="GRBG", bits=8, black=12.5)
DUMPS = {
    "infinite_isp_BlackImage_1920x1080_12bit_BGGR.raw": TWELVE_BIT,
    "infinite_isp_ColorChecker_1920x1080_12bit_BGGR.raw": TWELVE_BIT,
    "infinite_isp_Indoor1_2592x1536_8bit_GRBG.raw": EIGHT_BIT,
    "infinite_isp_Outdoor1_2592x1536_8bit_GRBG.raw": EIGHT_BIT,
    "nikon_DSC_1339_768x512_rggb_u16le.raw": BayerDump(width=768, height=512, cfa="RGGB", bits=14, black=600),
    "nokia_n900_raw_crop_1344x1968_10bit.png": BayerDump(cfa="GRBG", bits=10, white=959),
    "openisp_test_1920x1080_u16le.raw": BayerDump(width=1920, height=1080, cfa="RGGB", bits=12),
}


@pytest.fixture
def folder(shared: Path) -> Path:
    return shared / "data" / "raw"


def test_no_capture_is_left_out(folder):
    known = {path for pattern in DNGS for path in folder.glob(pattern)} | {folder / name for name in DUMPS}
    assert known == set(folder.iterdir())


@pytest.mark.parametrize("pattern", DNGS)
def test_dng_pixels_and_phase_agree_with_libraw(folder, pattern):
    (path,) = folder.glob(pattern)
    frame = read(path)
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(frame.mosaic, raw.raw_image_visible)
        assert "".join("RGBG"[c] for c in raw.raw_pattern.ravel()) == frame.cfa
        assert frame.white == raw.white_level
        assert set(raw.black_level_per_channel) == set(frame.black.pattern.ravel())


def test_canon(folder):
    frame = read(folder / "canon550d_magiclantern_colorchart.dng")
    assert (frame.cfa, frame.white, frame.mosaic.shape) == (Cfa.RGGB, 15000, (1156, 1734))
    np.testing.assert_array_equal(frame.black.pattern, np.full((2, 2), 2056))
    assert frame.active_area == Rect(26, 152, 1182, 1886)
    assert frame.default_crop == Rect(0, 0, 1156, 1734)
    assert (frame.make, frame.model, frame.baseline_exposure_ev) == ("Canon", "Canon EOS Kiss X4", 0)
    assert frame.as_shot_neutral == pytest.approx((1.0, 2.477, 1.462))
    assert len(frame.illuminants) == 1


def test_gopro(folder):
    frame = read(folder / "gopro_Hero6_GOPR0024.dng")
    assert (frame.cfa, frame.white, frame.mosaic.shape) == (Cfa.RGGB, 16383, (3000, 4000))
    np.testing.assert_array_equal(frame.black.pattern, np.zeros((2, 2)))
    assert frame.noise is not None
    assert frame.noise.origin is NoiseOrigin.TAG
    np.testing.assert_allclose(frame.noise.shot, 1.562e-4, rtol=1e-4)
    np.testing.assert_allclose(frame.noise.read, 4.88e-8, rtol=1e-4)
    assert [light.kelvin for light in frame.illuminants] == [2856, 5003]
    assert frame.orientation == 2
    assert frame.exposure.iso == 100
    # One map for each position of the mosaic, their gains rising from the middle to the corners
    assert sorted((m.area.top, m.area.left) for m in frame.gain_maps) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for m in frame.gain_maps:
        assert (m.row_pitch, m.column_pitch, m.opcode_list) == (2, 2, 2)
        rows, columns, _ = m.gains.shape
        assert m.gains[0, 0, 0] > m.gains[rows // 2, columns // 2, 0] >= 1


@pytest.mark.parametrize("pattern", [p for p in DNGS if p.startswith("Captured")])
def test_raspberry_pi(folder, pattern):
    (path,) = folder.glob(pattern)
    frame = read(path)
    assert (frame.cfa, frame.white, frame.mosaic.shape) == (Cfa.BGGR, 1023, (1088, 1456))
    np.testing.assert_array_equal(frame.black.pattern, np.full((2, 2), 60))
    assert frame.exposure.iso == 100


def test_dark_frame_lies_at_black(folder):
    (path,) = folder.glob("Captured_Images__dark*")
    frame = read(path)
    assert frame.mosaic.mean() == pytest.approx(frame.black.pattern.mean(), abs=1)


@pytest.mark.parametrize("name", DUMPS)
def test_dumps(folder, name):
    description = DUMPS[name]
    frame = read(folder / name, description)
    assert (frame.cfa, frame.white) == (description.cfa, description.white_dn)
    assert frame.mosaic.shape == (description.height or 1968, description.width or 1344)
    assert frame.mosaic.max() <= (1 << description.bits) - 1


@pytest.mark.parametrize("name", [n for n, d in DUMPS.items() if "Black" not in n])
def test_dumps_have_the_phase_they_are_described_with(folder, name):
    """The two greens differ less from each other than from red and blue."""
    frame = read(folder / name, DUMPS[name])
    assert frame.cfa is not None
    means = {c: [] for c in "RGB"}
    planes = {
        c: frame.mosaic[y::2, x::2].astype(np.float32)
        for c in ("R", "Gr", "Gb", "B")
        for y, x in [frame.cfa.position(c)]
    }
    assert set(means) == set("RGB")

    def distance(a: str, b: str) -> float:
        return float(np.abs(planes[a] - planes[b]).mean())

    assert distance("Gr", "Gb") < min(distance(g, c) for g in ("Gr", "Gb") for c in "RB")
