"""ICC profiles of the colour spaces in which pictures are written.

Matrix/TRC display profiles, version 4.2: ICC.1:2010 (ISO 15076-1), chapters 7, 8.4 and 10.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

import numpy as np

from isp.colour.chromaticity import D50_XYZ, D65_XY, bradford_adaptation, rgb_to_xyz, xy_to_xyz
from isp.colour.colour_space import ColourSpace, Transfer

_VERSION_4_2 = 0x04200000
_CREATED = (2025, 1, 1, 0, 0, 0)
"""Fixed, so that equal pictures are equal files."""
_HEADER_BYTES = 128
_ID_AT = slice(84, 100)


def icc_profile(space: ColourSpace) -> bytes:
    """The profile of `space`, a complete ICC file."""
    chad = bradford_adaptation(xy_to_xyz(D65_XY), D50_XYZ)
    colorants = chad @ rgb_to_xyz(space.primaries, D65_XY)
    curve = _parametric_curve(space.transfer)
    elements = {
        b"desc": _text(space.display_name),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": _xyz(D50_XYZ),
        b"chad": b"sf32" + bytes(4) + _fixed(chad.ravel()),
        b"rXYZ": _xyz(colorants[:, 0]),
        b"gXYZ": _xyz(colorants[:, 1]),
        b"bXYZ": _xyz(colorants[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = _tag_table(elements)
    header = bytearray(_header(_HEADER_BYTES + len(table) + len(data)))
    # The identifier is taken over the profile with the fields that may change set to 0, as they are.
    header[_ID_AT] = hashlib.md5(header + table + data, usedforsecurity=False).digest()
    return bytes(header) + table + data


def _header(size: int) -> bytes:
    return struct.pack(
        ">I4xI4s4s4s6H4s4x4x4x4x8xI12s4x16x28x",
        size,
        _VERSION_4_2,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *_CREATED,
        b"acsp",
        0,  # perceptual intent
        _fixed(D50_XYZ),
    )


def _tag_table(elements: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """The tag table and the element data that follows it; equal elements are stored once."""
    start = _HEADER_BYTES + 4 + 12 * len(elements)
    offsets: dict[bytes, int] = {}
    data = b""
    table = struct.pack(">I", len(elements))
    for signature, element in elements.items():
        if element not in offsets:
            offsets[element] = start + len(data)
            data += element + bytes(-len(element) % 4)
        table += struct.pack(">4sII", signature, offsets[element], len(element))
    return table, data


def _parametric_curve(transfer: Transfer) -> bytes:
    """From the encoded value to linear light."""
    kinds: dict[Transfer, tuple[int, tuple[float, ...]]] = {
        Transfer.LINEAR: (0, (1.0,)),
        Transfer.SRGB: (3, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)),
    }
    kind, coefficients = kinds[transfer]
    return b"para" + bytes(4) + struct.pack(">H2x", kind) + _fixed(coefficients)


def _text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: Iterable[float]) -> bytes:
    """Numbers as s15Fixed16, big-endian."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)
