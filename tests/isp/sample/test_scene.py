"""The procedural scene holds what a denoiser and a developer are judged by."""

from __future__ import annotations

import colour
import numpy as np
import pytest

from isp.sample import scene
from isp.sample.colour_chart import PATCHES_SRGB8, colour_chart, patches_linear
from isp.sample.lettering import _GLYPHS, lettering
from isp.sample.panels import dark_corner, ramps, siemens_star, still_life


@pytest.fixture(scope="module")
def rendered() -> np.ndarray:
    return scene.render()


def test_patches_agree_with_the_charts_published_chromaticities():
    chart = colour.CCS_COLOURCHECKERS["ColorChecker 2005"]
    xyz = colour.xyY_to_XYZ(np.array(list(chart.data.values())))
    d65 = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"]
    adapted = colour.chromatic_adaptation(xyz, colour.xy_to_XYZ(chart.illuminant), colour.xy_to_XYZ(d65))
    ours = colour.RGB_to_XYZ(patches_linear().reshape(24, 3), "sRGB")
    distance = colour.delta_E(colour.XYZ_to_Lab(adapted, d65), colour.XYZ_to_Lab(ours, d65), method="CIE 2000")
    # The maker's 8-bit values and the 2005 measurements differ by this much; cyan lies outside sRGB.
    assert np.median(distance) < 1.5
    assert distance.max() < 5


def test_chart_shows_every_patch_in_its_place():
    chart = colour_chart(400, 600)
    centres = chart[50 + 3 :: 100, 50 + 3 :: 100][:4, :6]
    np.testing.assert_allclose(centres, patches_linear(), rtol=1e-6)
    assert len(set(PATCHES_SRGB8)) == 24


def test_scene_is_finite_light_with_lights_beyond_white(rendered):
    assert rendered.shape == (scene.HEIGHT, scene.WIDTH, 3)
    assert rendered.dtype == np.float32
    assert np.isfinite(rendered).all()
    assert rendered.min() >= 0
    lamp = still_life(400, 400)
    assert (lamp.min(axis=2) > 1).mean() > 0.01
    assert rendered.max() > 4


def test_panels_fill_the_scene_without_overlap(rendered):
    taken = np.zeros((scene.HEIGHT, scene.WIDTH), int)
    for place, _ in scene.PANELS:
        taken[place.slices] += 1
    assert taken.max() == 1
    assert taken.mean() > 0.8


def test_edges_are_antialiased(rendered):
    star = next(place for place, panel in scene.PANELS if panel is siemens_star)
    green = rendered[star.slices][..., 1]
    between = (green > 0.15) & (green < 0.6)
    assert 0.05 < between.mean() < 0.6
    assert green[155:165, 155:165].std() < 0.1, "the star's centre is too fine to be seen"


def test_ramp_is_smooth_and_runs_beyond_white():
    grey = ramps(96, 1152)[10, :, 1]
    assert (np.diff(grey) >= 0).all()
    assert np.diff(grey).max() < 0.003
    assert grey[0] == 0
    assert grey[-1] > 1.2


def test_dark_panel_holds_detail_of_low_contrast():
    dark = dark_corner(608, 656)[..., 1]
    assert 0.01 < np.median(dark) < 0.05
    assert dark.max() < 0.2
    levels = dark[30:120, 40:600].max() / np.median(dark[30:120, 40:600])
    assert 2 < levels < 8


@pytest.mark.parametrize("letter", sorted(set(_GLYPHS) - {" "}))
def test_letters_have_ink_inside_their_cell_at_every_size(letter):
    large, small = lettering(letter, 96), lettering(letter, 24)
    assert large.shape == (128, 96)
    assert large.mean() == pytest.approx(small.mean(), rel=0.2)
    assert large.any()
    assert not large[0].any()
    assert not large[:, 0].any()


def test_different_letters_differ_and_unknown_ones_are_refused():
    masks = {letter: lettering(letter, 24).tobytes() for letter in _GLYPHS}
    assert len(set(masks.values())) == len(masks)
    with pytest.raises(KeyError):
        lettering("a", 24)
