"""Against colour-demosaicing, away from the border, and properties that hold for each method."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isp.cfa import Cfa
from isp.demosaicing import bilinear, malvar2004, menon2007
from isp.demosaicing.half import half
from isp.demosaicing.tiles import demosaic_in_tiles

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import colour_demosaicing as oracle

METHODS = {
    "bilinear": (bilinear.bilinear, oracle.demosaicing_CFA_Bayer_bilinear, 2),
    "malvar": (malvar2004.malvar2004, oracle.demosaicing_CFA_Bayer_Malvar2004, 2),
    "menon": (menon2007.menon2007, oracle.demosaicing_CFA_Bayer_Menon2007, 12),
}
TILED = {
    "bilinear": (bilinear._interpolate, 1),
    "malvar": (malvar2004._interpolate, 1),
    "menon": (menon2007._interpolate, 6),
}


def picture(shape, seed=0):
    """Edges, gradients and noise, below black and above white as well."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    mosaic = 0.5 + 0.4 * np.sin(x * y / 90) + (x > y) * 0.2 + rng.normal(0, 0.1, shape)
    return mosaic.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("shape", [(60, 72), (61, 73), (150, 45)])
def test_agrees_with_colour_demosaicing(method, cfa, shape):
    ours, theirs, border = METHODS[method]
    mosaic = picture(shape)
    inside = (slice(border, -border), slice(border, -border))
    np.testing.assert_allclose(ours(mosaic, cfa)[inside], theirs(mosaic, cfa.value)[inside], atol=2e-6)


@pytest.mark.parametrize("method", TILED)
@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("tile", [(2, 6), (16, 20), (38, 64)])
def test_tile_size_does_not_show(method, cfa, tile):
    interpolate, margin = TILED[method]
    mosaic = picture((41, 53))
    whole = demosaic_in_tiles(mosaic, cfa, interpolate, margin)
    np.testing.assert_array_equal(demosaic_in_tiles(mosaic, cfa, interpolate, margin, tile), whole)


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=25, deadline=None)
@given(height=st.integers(2, 40), width=st.integers(2, 40), rows=st.integers(0, 1), columns=st.integers(0, 1))
def test_mirroring_at_the_border_continues_the_mosaic(method, height, width, rows, columns):
    """A mosaic that was mirrored beforehand gives the same picture within."""
    cfa = Cfa.RGGB.shifted(rows, columns)
    mosaic = picture((height, width))
    wide = np.pad(mosaic, 14, mode="reflect")
    ours = METHODS[method][0]
    np.testing.assert_allclose(ours(mosaic, cfa), ours(wide, cfa)[14:-14, 14:-14], atol=1e-6)


@pytest.mark.parametrize("method", ["bilinear", "malvar"])
def test_linear_in_the_mosaic(method):
    ours = METHODS[method][0]
    a, b = picture((30, 34), 1), picture((30, 34), 2)
    np.testing.assert_allclose(ours(a - 3 * b, Cfa.GRBG), ours(a, Cfa.GRBG) - 3 * ours(b, Cfa.GRBG), atol=1e-5)


def test_malvar_coefficients_are_the_papers():
    """Response to a single red pixel at the middle of a frame, in sixteenths."""
    mosaic = np.zeros((12, 12), np.float32)
    mosaic[6, 6] = 16
    red, green, blue = np.moveaxis(malvar2004.malvar2004(mosaic, Cfa.RGGB)[4:9, 4:9], 2, 0)
    assert red.tolist() == [[0, 0, 0, 0, 0], [0, 4, 8, 4, 0], [0, 8, 16, 8, 0], [0, 4, 8, 4, 0], [0, 0, 0, 0, 0]]
    assert green.tolist() == [[0, 0, -2, 0, 0], [0] * 5, [-2, 0, 8, 0, -2], [0] * 5, [0, 0, -2, 0, 0]]
    assert blue.tolist() == [[0, 0, -3, 0, 0], [0] * 5, [-3, 0, 12, 0, -3], [0] * 5, [0, 0, -3, 0, 0]]


@pytest.mark.parametrize("cfa", list(Cfa))
def test_menon_follows_edges(cfa):
    """Grey stripes of any brightness, one pixel wide, come back exactly, along rows and along columns."""
    stripes = np.random.default_rng(3).random((1, 40)).repeat(40, axis=0).astype(np.float32)
    for mosaic in (stripes, np.ascontiguousarray(stripes.T)):
        rgb = menon2007.menon2007(mosaic, cfa)
        np.testing.assert_allclose(rgb, mosaic[..., None].repeat(3, axis=2), atol=1e-6)


@pytest.mark.parametrize("cfa", list(Cfa))
def test_half_takes_each_block_as_a_pixel(cfa):
    mosaic = picture((131, 67))
    rgb = half(mosaic, cfa)
    assert rgb.shape == (65, 33, 3)
    block = mosaic[128:130, 64:66].ravel()
    measured = {channel: block[[i for i in range(4) if cfa.channels[i] == channel]].mean() for channel in range(3)}
    np.testing.assert_allclose(rgb[64, 32], [measured[0], measured[1], measured[2]], rtol=1e-6)


def test_a_mosaic_below_two_rows_is_refused():
    with pytest.raises(ValueError, match="at least 2 x 2"):
        malvar2004.malvar2004(np.zeros((1, 9), np.float32), Cfa.RGGB)
