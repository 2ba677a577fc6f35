from __future__ import annotations

import hashlib
import io
import struct

import colour
import numpy as np
import pytest
from PIL import Image, ImageCms

from isp.colour.colour_space import ColourSpace
from isp.colour.icc_profile import icc_profile

D50 = (0.9642, 1.0, 0.8249)


def tags(profile):
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count)]
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def fixed(data):
    return np.frombuffer(data, ">i4") / 65536


@pytest.mark.parametrize("space", list(ColourSpace))
def test_header(space):
    profile = icc_profile(space)
    assert struct.unpack_from(">I", profile)[0] == len(profile)
    assert profile[8:12] == bytes((4, 0x20, 0, 0))
    assert profile[12:24] == b"mntrRGB XYZ "
    assert profile[36:40] == b"acsp"
    np.testing.assert_allclose(fixed(profile[68:80]), D50, atol=1e-4)
    without_id = profile[:84] + bytes(16) + profile[100:]
    assert profile[84:100] == hashlib.md5(without_id).digest()


@pytest.mark.parametrize("space", list(ColourSpace))
def test_elements(space):
    profile = icc_profile(space)
    found = tags(profile)
    assert set(found) == {
        b"desc",
        b"cprt",
        b"wtpt",
        b"chad",
        *(c + t for c in (b"r", b"g", b"b") for t in (b"XYZ", b"TRC")),
    }
    assert all(struct.unpack_from(">4sII", profile, 132 + 12 * i)[1] % 4 == 0 for i in range(len(found)))
    assert found[b"desc"][28:].decode("utf-16-be") == space.display_name
    colorants = np.stack([fixed(found[c + b"XYZ"][8:]) for c in (b"r", b"g", b"b")])
    np.testing.assert_allclose(colorants.sum(axis=0), D50, atol=1e-4)
    np.testing.assert_allclose(fixed(found[b"chad"][8:]).reshape(3, 3) @ [0.95046, 1.0, 1.08906], D50, atol=2e-4)


def test_srgb_colorants_are_the_published_ones():
    """The colorants of the ICC's own sRGB profile."""
    found = tags(icc_profile(ColourSpace.SRGB))
    np.testing.assert_allclose(fixed(found[b"rXYZ"][8:]), [0.43607, 0.22249, 0.01392], atol=1e-4)
    np.testing.assert_allclose(fixed(found[b"gXYZ"][8:]), [0.38515, 0.71687, 0.09708], atol=1e-4)
    np.testing.assert_allclose(fixed(found[b"bXYZ"][8:]), [0.14307, 0.06061, 0.71410], atol=3e-4)


@pytest.mark.parametrize("space", list(ColourSpace))
def test_littlecms_converts_to_srgb_as_colour_science_does(space):
    pixels = np.random.default_rng(4).integers(40, 216, (16, 16, 3), dtype=np.uint8)
    if space is ColourSpace.LINEAR:
        expected = colour.cctf_encoding(pixels / 255, "sRGB")
    else:
        name = {"srgb": "sRGB", "display_p3": "Display P3"}[space.value]
        expected = colour.RGB_to_RGB(pixels / 255, name, "sRGB", apply_cctf_decoding=True, apply_cctf_encoding=True)
    ours = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(space)))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    found = ImageCms.profileToProfile(Image.fromarray(pixels), ours, ImageCms.createProfile("sRGB"), intent)
    assert np.abs(np.asarray(found) - expected.clip(0, 1) * 255).max() < 2.5
