"""GainMap opcodes of DNGs."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from isp.errors import InputError
from isp.raw_frame import Rect
from isp.readers import read
from tests.isp.dng_maker import gain_map_opcode, make_dng, opcode, opcode_list

MOSAIC = np.full((40, 60), 500, np.uint16)
GAINS = np.array([[1.5, 1.25, 1.75], [1.0, 1.125, 2.5]])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "capture.dng"


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("subifd", [False, True])
def test_gain_maps_of_both_lists(path, byteorder, subifd):
    """Opcodes are big-endian in files of either byte order; other opcodes lie between them."""
    per_position = [
        gain_map_opcode(GAINS * (1 + i), top=i // 2, left=i % 2, bottom=36, right=54, row_pitch=2, column_pitch=2)
        for i in range(4)
    ]
    after_demosaic = gain_map_opcode(
        np.stack([GAINS, GAINS * 2, GAINS * 3], axis=2), top=0, left=0, bottom=36, right=54, planes=3
    )
    frame = read(
        make_dng(
            path,
            MOSAIC,
            byteorder=byteorder,
            raw_in_subifd=subifd,
            active_area=(2, 3, 38, 57),
            opcode_list2=opcode_list(opcode(1, b"12345678"), *per_position),
            opcode_list3=opcode_list(after_demosaic, opcode(3, b"")),
        )
    )
    assert [m.opcode_list for m in frame.gain_maps] == [2, 2, 2, 2, 3]
    for i, found in enumerate(frame.gain_maps[:4]):
        assert found.area == Rect(i // 2, i % 2, 36, 54)
        assert (found.row_pitch, found.column_pitch, found.plane, found.planes) == (2, 2, 0, 1)
        np.testing.assert_allclose(found.gains[..., 0], GAINS * (1 + i))
        assert found.gains.dtype == np.float32
        assert (found.spacing_v, found.spacing_h, found.origin_v, found.origin_h) == (1, 0.5, 0, 0)
    last = frame.gain_maps[4]
    assert (last.planes, last.gains.shape) == (3, (2, 3, 3))
    np.testing.assert_allclose(last.gains[..., 2], GAINS * 3)


def test_order_of_vertical_and_horizontal(path):
    made = gain_map_opcode(
        GAINS,
        top=1,
        left=2,
        bottom=31,
        right=42,
        row_pitch=3,
        column_pitch=4,
        origin=(0.125, 0.25),
        spacing=(0.5, 0.375),
    )
    (found,) = read(make_dng(path, MOSAIC, opcode_list2=opcode_list(made))).gain_maps
    assert found.area == Rect(1, 2, 31, 42)
    assert (found.row_pitch, found.column_pitch) == (3, 4)
    assert (found.origin_v, found.origin_h, found.spacing_v, found.spacing_h) == (0.125, 0.25, 0.5, 0.375)


def test_areas_are_kept_within_the_frame(path):
    made = gain_map_opcode(GAINS, top=0, left=0, bottom=4000, right=6000)
    (found,) = read(make_dng(path, MOSAIC, opcode_list2=opcode_list(made))).gain_maps
    assert found.area == Rect(0, 0, 40, 60)


WHOLE = {"top": 0, "left": 0, "bottom": 40, "right": 60}
MAP = gain_map_opcode(GAINS, **WHOLE)


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0",
        struct.pack(">I", 2) + MAP,
        opcode_list(MAP)[:-1],
        struct.pack(">I", 0xFFFFFFFF) + MAP,
        opcode_list(opcode(9, b"1234")),
        opcode_list(opcode(9, MAP[16:-4])),
        opcode_list(gain_map_opcode(GAINS, **WHOLE, row_pitch=0)),
        opcode_list(gain_map_opcode(GAINS, **WHOLE, plane=1)),
        opcode_list(gain_map_opcode(GAINS, **WHOLE, spacing=(0, 0.5))),
        opcode_list(gain_map_opcode(GAINS * np.nan, **WHOLE)),
        opcode_list(gain_map_opcode(GAINS, top=50, left=0, bottom=40, right=60)),
    ],
)
def test_contradictions_are_refused(path, data):
    with pytest.raises(InputError, match="OpcodeList2"):
        read(make_dng(path, MOSAIC, opcode_list2=data))
