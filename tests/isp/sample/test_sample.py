"""The sample that ships: it is what its maker makes, and its tags tell the truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rawpy

from isp.colour.dng_colour import balanced_camera_to_srgb
from isp.dng.tags import Tag
from isp.dng.tiff import Ifd, TiffFile
from isp.raw_frame import RawFrame
from isp.readers import read
from isp.sample import SAMPLE, maker, scene
from isp.sample.colour_chart import colour_chart, patches_linear

_OFFSETS = {Tag.StripOffsets, Tag.SubIFDs, Tag.ExifIFD}


def _directories(tiff: TiffFile) -> list[Ifd]:
    main = tiff.first_directory()
    return [main, *main.children(Tag.SubIFDs), *main.children(Tag.ExifIFD)]


@pytest.fixture(scope="module")
def remade(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sample") / "sample.dng"
    assert maker.main([str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def sample() -> RawFrame:
    return read(SAMPLE)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    return maker.clean_mosaic()


def test_is_what_the_maker_makes(remade, sample):
    with SAMPLE.open("rb") as shipped_file, remade.open("rb") as made_file:
        shipped, made = (_directories(TiffFile(p, f)) for p, f in ((SAMPLE, shipped_file), (remade, made_file)))
        assert len(shipped) == len(made) == 3
        for one, other in zip(shipped, made, strict=True):
            assert one.entries.keys() == other.entries.keys()
            for code, entry in one.entries.items():
                if code not in _OFFSETS:
                    assert entry.raw() == other.entries[code].raw(), entry.name
    again = read(remade).mosaic
    # Rows may differ where another machine's arithmetic rounds the other way.
    assert (again == sample.mosaic).all(axis=1).mean() > 0.9
    assert abs(again.astype(float).mean() - sample.mosaic.mean()) < 0.5


def test_noise_profile_is_true(sample, clean):
    assert sample.noise is not None
    black = float(sample.black.pattern[0, 0])
    linear = (sample.mosaic.astype(np.float64) - black) / (sample.white - black)
    error = linear - clean
    for low, high in ((0, 0.01), (0.01, 0.03), (0.03, 0.1), (0.1, 0.3), (0.3, 0.6)):
        inside = (clean >= low) & (clean < high)
        expected = sample.noise.variance(clean[inside], 1).mean()
        assert error[inside].var() == pytest.approx(expected, rel=0.03)
        assert abs(error[inside].mean()) < 4 * np.sqrt(expected / inside.sum())


def test_states_what_it_is(sample):
    assert (sample.make, sample.model) == ("Simulated", "Sample sensor")
    assert sample.cfa is maker.CFA
    assert (sample.height, sample.width) == (scene.HEIGHT, scene.WIDTH)
    assert sample.white == maker.WHITE_DN
    np.testing.assert_array_equal(sample.black.pattern, np.full((2, 2), maker.BLACK_DN))
    assert sample.noise is not None
    np.testing.assert_allclose(sample.noise.shot, maker.SHOT)
    np.testing.assert_allclose(sample.noise.read, maker.READ)
    assert sample.exposure.iso == 6400
    assert sample.exposure.lens
    assert SAMPLE.stat().st_size < 2.1e6


def test_matrix_and_neutral_bring_back_the_charts_colours(sample, clean):
    place = next(place for place, panel in scene.PANELS if panel is colour_chart)
    height, width = place.height // 4, place.width // 6
    camera = np.zeros((4, 6, 3))
    for row, column in np.ndindex(4, 6):
        top, left = place.top + row * height + height // 2, place.left + column * width + width // 2
        patch = clean[(top - 8) // 2 * 2 : top + 8, (left - 8) // 2 * 2 : left + 8]
        for channel in range(3):
            at = [divmod(i, 2) for i, c in enumerate(sample.cfa.channels) if c == channel]
            camera[row, column, channel] = np.mean([patch[y::2, x::2].mean() for y, x in at])
    gains = tuple(1 / np.array(sample.as_shot_neutral))
    srgb = camera * gains @ balanced_camera_to_srgb(gains, sample.illuminants).T
    np.testing.assert_allclose(srgb, patches_linear(), atol=0.01)


def test_libraw_develops_it_in_the_charts_colours():
    with rawpy.imread(str(SAMPLE)) as raw:
        picture = raw.postprocess(use_camera_wb=True, no_auto_bright=True, gamma=(1, 1), output_bps=16) / 65535
    grey = picture[276:330, 200:250].mean(axis=(0, 1))  # the third grey patch
    np.testing.assert_allclose(grey, patches_linear()[3, 2], atol=0.02)
    red = picture[200:250, 200:250].mean(axis=(0, 1))
    np.testing.assert_allclose(red, patches_linear()[2, 2], atol=0.03)


def test_maker_is_a_command(tmp_path):
    path = tmp_path / "made.dng"
    command = [sys.executable, "-m", "isp.sample.maker", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}\n"
    assert path.stat().st_size == SAMPLE.stat().st_size
