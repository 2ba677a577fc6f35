"""The typed requests and replies of the link, version 1 (docs/link.md); every size is checked before it is used."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar

from targets.core_features import CoreFeature


class Op(IntEnum):
    """What is asked of the board; a reply carries the same with `REPLY` set."""

    HELLO = 1
    BYE = 2
    DESCRIBE = 3
    OPEN = 4
    WRITE = 5
    QUERY = 6
    COMMIT = 7
    RUN = 8
    READ = 9
    STATS = 10
    ECHO = 11
    RESET = 12
    BAUD = 13


REPLY = 0x80


class Status(IntEnum):
    """How a request went."""

    OK = 0
    BUSY = 1
    """Of RUN: still at it, arg = rows done; the last reply is yet to come."""
    BAD_OP = 2
    BAD_ARGUMENT = 3
    BAD_STATE = 4
    """No job is open, or it is not committed: the board may have been reset."""
    BAD_CRC = 5
    NO_MEMORY = 6
    """arg = bytes there are."""
    MISSING = 7
    """Of COMMIT: blocks have not arrived."""
    RUN_FAILED = 8
    """arg = the library's fan_status."""
    TAKEN = 9
    """Another host has the board; payload: milliseconds after which it may be asked again."""
    UNSUPPORTED = 10
    BAD_VERSION = 11


class MalformedReplyError(Exception):
    """A reply that arrived whole, yet has not the size or the content of its kind."""


@dataclass(frozen=True)
class Hello:
    """What a board says of itself."""

    max_payload: int
    """Bytes of payload that a frame may carry."""
    block_bytes: int
    """Granularity of a job's upload."""
    window_bytes: int
    """Bytes of requests, as on the wire, that may be under way at a time."""
    abi: int
    """Version of the library's C interface."""
    boot_id: int
    """Another one after each start of the board."""
    tick_hz: int
    core_features: CoreFeature
    needed_features: CoreFeature
    memory_bytes: int
    """For input, output and arena together."""
    specialists: int
    bundle_id: bytes
    """See `targets.bundle.bundle_id`."""
    board: str
    core: str
    build: str
    """Version of the agent."""

    _FIXED: ClassVar = struct.Struct("<HHIIIIIIQI16s")

    @classmethod
    def parse(cls, payload: bytes) -> Hello:
        fixed = _unpack(cls._FIXED, payload, "HELLO", exact=False)
        max_payload, block, window, abi, boot, tick_hz, core, needed, memory, specialists, bundle_id = fixed
        board, rest = _string(payload[cls._FIXED.size :], "HELLO")
        core_name, rest = _string(rest, "HELLO")
        build, _ = _string(rest, "HELLO")
        # A window must take a frame with one block, and what frames add to it.
        if not 0 < block <= max_payload or window < block + 32 or tick_hz == 0:
            sizes = f"blocks of {block} bytes, payloads of {max_payload}, a window of {window}"
            raise MalformedReplyError(f"HELLO: {sizes}, {tick_hz} ticks a second")
        return cls(
            max_payload,
            block,
            window,
            abi,
            boot,
            tick_hz,
            CoreFeature(core),
            CoreFeature(needed),
            memory,
            specialists,
            bundle_id,
            board,
            core_name,
            build,
        )

    def pack(self) -> bytes:
        fixed = self._FIXED.pack(
            self.max_payload,
            self.block_bytes,
            self.window_bytes,
            self.abi,
            self.boot_id,
            self.tick_hz,
            self.core_features,
            self.needed_features,
            self.memory_bytes,
            self.specialists,
            self.bundle_id,
        )
        return fixed + b"".join(_packed_string(text) for text in (self.board, self.core, self.build))


@dataclass(frozen=True)
class SpecialistFacts:
    """What a board says of one of its specialists."""

    halo_px: int
    arena_bytes: int
    """For a tile of 64x64 px."""
    weights_sha256: bytes
    name: str

    _FIXED: ClassVar = struct.Struct("<IQ32s")

    @classmethod
    def parse(cls, payload: bytes) -> SpecialistFacts:
        halo_px, arena_bytes, weights_sha256 = _unpack(cls._FIXED, payload, "DESCRIBE", exact=False)
        name, _ = _string(payload[cls._FIXED.size :], "DESCRIBE")
        return cls(halo_px, arena_bytes, weights_sha256, name)

    def pack(self) -> bytes:
        return self._FIXED.pack(self.halo_px, self.arena_bytes, self.weights_sha256) + _packed_string(self.name)


@dataclass(frozen=True)
class HelloRequest:
    host_id: int
    """Not 0; the same for as long as a process works with the board."""
    release_other: int = 0

    _FIXED: ClassVar = struct.Struct("<QB")

    def pack(self) -> bytes:
        return self._FIXED.pack(self.host_id, self.release_other)

    @classmethod
    def parse(cls, payload: bytes) -> HelloRequest:
        return cls(*_unpack(cls._FIXED, payload, "HELLO"))


@dataclass(frozen=True)
class OpenRequest:
    job: int
    """Not 0."""
    size_bytes: int
    crc32: int

    _FIXED: ClassVar = struct.Struct("<III")

    def pack(self) -> bytes:
        return self._FIXED.pack(self.job, self.size_bytes, self.crc32)

    @classmethod
    def parse(cls, payload: bytes) -> OpenRequest:
        return cls(*_unpack(cls._FIXED, payload, "OPEN"))


@dataclass(frozen=True)
class RunRequest:
    """Noise and size of the tile that was uploaded; see `targets.link.client.Board.run`.

    0 x 0: it is what an NPU's network takes, and the answer is to be what it gives; see `Board.run_integers`.
    """

    specialist: int
    shot: tuple[float, float, float]
    read: tuple[float, float, float]
    width: int
    height: int

    @property
    def asks_for_integers(self) -> bool:
        return self.width == 0 and self.height == 0

    _FIXED: ClassVar = struct.Struct("<I6fII")

    def pack(self) -> bytes:
        return self._FIXED.pack(self.specialist, *self.shot, *self.read, self.width, self.height)

    @classmethod
    def parse(cls, payload: bytes) -> RunRequest:
        specialist, sr, sg, sb, rr, rg, rb, width, height = _unpack(cls._FIXED, payload, "RUN")
        return cls(specialist, (sr, sg, sb), (rr, rg, rb), width, height)


@dataclass(frozen=True)
class RunReply:
    ticks: int
    """Time of the library's work alone, in the board's ticks."""
    arena_bytes: int
    output_crc32: int
    output_bytes: int

    _FIXED: ClassVar = struct.Struct("<QQII")

    @classmethod
    def parse(cls, payload: bytes) -> RunReply:
        return cls(*_unpack(cls._FIXED, payload, "RUN"))

    def pack(self) -> bytes:
        return self._FIXED.pack(self.ticks, self.arena_bytes, self.output_crc32, self.output_bytes)


@dataclass(frozen=True)
class ReadRequest:
    job: int
    count: int

    _FIXED: ClassVar = struct.Struct("<IH")

    def pack(self) -> bytes:
        return self._FIXED.pack(self.job, self.count)

    @classmethod
    def parse(cls, payload: bytes) -> ReadRequest:
        return cls(*_unpack(cls._FIXED, payload, "READ"))


@dataclass(frozen=True)
class BoardStatistics:
    """The board's own view of the link and its memory, since its start."""

    frames_ok: int
    frames_bad_crc: int
    frames_malformed: int
    overflows: int
    """Frames longer than any may be: two that ran together, mostly."""
    duplicates: int
    """WRITEs of blocks that were there."""
    runs: int
    peak_arena_bytes: int
    memory_bytes: int

    _FIXED: ClassVar = struct.Struct("<6I2Q")

    @classmethod
    def parse(cls, payload: bytes) -> BoardStatistics:
        return cls(*_unpack(cls._FIXED, payload, "STATS"))

    def pack(self) -> bytes:
        return self._FIXED.pack(
            self.frames_ok,
            self.frames_bad_crc,
            self.frames_malformed,
            self.overflows,
            self.duplicates,
            self.runs,
            self.peak_arena_bytes,
            self.memory_bytes,
        )


def taken_wait_s(payload: bytes) -> float:
    """Of a TAKEN reply: seconds after which the board may be asked again."""
    return struct.unpack("<I", payload)[0] / 1000 if len(payload) == 4 else 1.0


def _unpack(fixed: struct.Struct, payload: bytes, name: str, *, exact: bool = True) -> tuple[Any, ...]:
    if len(payload) < fixed.size or (exact and len(payload) > fixed.size):
        raise MalformedReplyError(f"{name}: {len(payload)} bytes of payload, expected {fixed.size}")
    return fixed.unpack_from(payload)


def _string(data: bytes, name: str) -> tuple[str, bytes]:
    """The string at the front (one byte of length, UTF-8), and what follows."""
    if not data or len(data) < 1 + data[0]:
        raise MalformedReplyError(f"{name}: a string is cut short")
    end = 1 + data[0]
    return data[1:end].decode("utf-8", errors="replace"), data[end:]


def _packed_string(text: str) -> bytes:
    encoded = text.encode()[:255]
    return bytes([len(encoded)]) + encoded
