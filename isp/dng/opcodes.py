"""Opcode lists of DNG files (DNG specification 1.7.1, chapter 7); of the opcodes, GainMap (9).

A list is big-endian whatever its file is: a count, then for each opcode its id, the DNG version that
brought it, flags, the length of its parameters, and these.
"""

from __future__ import annotations

import struct

import numpy as np

from isp.errors import InputError
from isp.raw_frame import GainMap, Rect

GAIN_MAP = 9
_OPCODE_HEAD = struct.Struct(">4I")
_GAIN_MAP_HEAD = struct.Struct(">10I4dI")


def gain_maps(data: bytes, opcode_list: int, height: int, width: int, planes: int) -> tuple[GainMap, ...]:
    """The GainMaps of an opcode list, for a frame of `height` x `width` pixels with `planes` planes.

    opcode_list: the list's number, 2 or 3. Areas count from the frame's top left. Raises InputError
    for a list that contradicts itself.
    """
    maps = []
    for identity, body in _opcodes(data, opcode_list):
        if identity == GAIN_MAP:
            maps.append(_gain_map(body, opcode_list, height, width, planes))
    return tuple(maps)


def _opcodes(data: bytes, opcode_list: int) -> list[tuple[int, bytes]]:
    """(id, parameters) of each opcode."""
    if len(data) < 4:
        raise InputError(f"OpcodeList{opcode_list} has {len(data)} bytes", expected="at least 4")
    (count,) = struct.unpack_from(">I", data)
    found: list[tuple[int, bytes]] = []
    at = 4
    for _ in range(min(count, len(data) // _OPCODE_HEAD.size + 1)):
        if at + _OPCODE_HEAD.size > len(data):
            raise InputError(f"OpcodeList{opcode_list} ends after {len(found)} of its {count} opcodes")
        identity, _version, _flags, length = _OPCODE_HEAD.unpack_from(data, at)
        at += _OPCODE_HEAD.size
        if at + length > len(data):
            raise InputError(f"OpcodeList{opcode_list}: opcode {identity} is longer than the list")
        found.append((identity, data[at : at + length]))
        at += length
    return found


def _gain_map(body: bytes, opcode_list: int, height: int, width: int, frame_planes: int) -> GainMap:
    where = f"a GainMap of OpcodeList{opcode_list}"
    if len(body) < _GAIN_MAP_HEAD.size:
        raise InputError(f"{where} has {len(body)} bytes", expected=f"at least {_GAIN_MAP_HEAD.size}")
    fields = _GAIN_MAP_HEAD.unpack_from(body)
    top, left, bottom, right, plane, planes, row_pitch, column_pitch, rows, columns = fields[:10]
    spacing_v, spacing_h, origin_v, origin_h = fields[10:14]
    map_planes: int = fields[14]
    expected_bytes = _GAIN_MAP_HEAD.size + 4 * rows * columns * map_planes
    if rows * columns * map_planes == 0 or len(body) < expected_bytes:
        raise InputError(f"{where} of {rows}x{columns}x{map_planes} gains has {len(body)} bytes")
    gains = np.frombuffer(body, ">f4", rows * columns * map_planes, _GAIN_MAP_HEAD.size).astype(np.float32)
    geometry = np.array([spacing_v, spacing_h, origin_v, origin_h])
    if not (np.isfinite(gains).all() and np.isfinite(geometry).all()):
        raise InputError(f"{where} holds numbers that are not finite")
    if (rows > 1 and spacing_v <= 0) or (columns > 1 and spacing_h <= 0):
        raise InputError(f"{where} steps by {spacing_v} and {spacing_h}", expected="steps above 0")
    area = Rect(top, left, min(bottom, height), min(right, width))
    if area.height <= 0 or area.width <= 0 or 0 in (row_pitch, column_pitch, planes) or plane >= frame_planes:
        raise InputError(
            f"{where} covers rows {top} to {bottom} by {row_pitch}, columns {left} to {right} by {column_pitch}, "
            f"planes {plane} to {plane + planes}",
            expected=f"a part of the {width}x{height} frame with {frame_planes} planes",
        )
    return GainMap(
        area=area,
        plane=plane,
        planes=min(planes, frame_planes - plane),
        row_pitch=row_pitch,
        column_pitch=column_pitch,
        gains=gains.reshape(rows, columns, map_planes),
        origin_v=origin_v,
        origin_h=origin_h,
        spacing_v=spacing_v,
        spacing_h=spacing_h,
        opcode_list=opcode_list,
    )
