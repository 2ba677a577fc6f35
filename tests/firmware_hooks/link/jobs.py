"""Tiles, what the stand-in of a library (stub_fan.c) makes of them, and replies with many fields."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from tests.firmware_hooks.link.programs import A, Host
from tests.firmware_hooks.link.wire import COMMIT, OK, STATS

HELLO_FIXED = struct.Struct("<HHIIIIIIQI16s")
STATISTICS = struct.Struct("<6I2Q")
WIDTH, HEIGHT = 32, 48
JOB = 0xCAFE


def texts(data: bytes) -> list[bytes]:
    found = []
    while data:
        found.append(data[1 : 1 + data[0]])
        assert len(found[-1]) == data[0]
        data = data[1 + data[0] :]
    return found


def tile(seed: int = 0, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (height, width)).astype(np.float32)


def expected(mosaic: np.ndarray, specialist: int, first_shot: float, read: float) -> bytes:
    """What becomes of it."""
    scaled = mosaic * np.float32(specialist + 1)
    return (scaled + np.float32(first_shot) - np.float32(read)).astype(np.float32).tobytes()


def upload(host: Host[A], data: bytes, job: int = JOB) -> None:
    assert host.open(job, data, zlib.crc32(data)).session_or_status == OK
    host.write_all(data)
    assert host.ask(COMMIT).session_or_status == OK


def statistics(host: Host[A]) -> tuple[int, ...]:
    """frames, bad CRC, malformed, overflows, duplicates, runs, peak arena bytes, memory bytes."""
    return STATISTICS.unpack(host.ask(STATS).payload)
