"""Work for an exchange: one request, or a range of bytes that is cut into requests as it goes.

What was lost goes back and is cut anew: frames shrink where the cable is bad (`ChunkSize`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from targets.link.frame import Frame
from targets.link.messages import MalformedReplyError, Op, ReadRequest

_LEAST_CHUNK_BYTES = 128
_FIRST_CHUNK_BYTES = 1024
_CLEAN_FRAMES = 8


@dataclass(frozen=True)
class Request:
    op: Op
    arg: int
    payload: bytes = b""
    reply_payload_bytes: int = 0
    """That its reply will have, as far as that is known: long replies take their time on the wire."""


class Task(Protocol):
    """Requests that may be under way together; done when `take` gives none and none is under way."""

    def take(self, most_bytes: int) -> Request | None:
        """The next request, with at most so many bytes of payload to or from the board."""
        ...

    def give_back(self, request: Request) -> None:
        """It, or its reply, was lost."""
        ...

    def accept(self, request: Request, reply: Frame) -> None:
        """It was answered with OK; perhaps after it was given back."""
        ...


class ChunkSize:
    """Bytes of payload a frame: halved at a loss, doubled after a few frames without one.

    It settles where about one frame in eight is lost, near what is best for a header of 12 bytes.
    """

    def __init__(self) -> None:
        self.most_bytes = _FIRST_CHUNK_BYTES
        self.now_bytes = _FIRST_CHUNK_BYTES
        self._clean_frames = 0

    def limit(self, most_bytes: int) -> None:
        """Sets what the board can take."""
        self.most_bytes = most_bytes
        self.now_bytes = min(self.now_bytes, most_bytes)

    def arrived(self) -> None:
        self._clean_frames += 1
        if self._clean_frames >= _CLEAN_FRAMES:
            self._clean_frames = 0
            self.now_bytes = min(2 * self.now_bytes, self.most_bytes)

    def lost(self) -> None:
        self._clean_frames = 0
        self.now_bytes = max(self.now_bytes // 2, min(_LEAST_CHUNK_BYTES, self.most_bytes))


class Call:
    """One request."""

    def __init__(self, request: Request) -> None:
        self._todo: Request | None = request
        self.reply: Frame | None = None

    def take(self, most_bytes: int) -> Request | None:  # noqa: ARG002 one request cannot be cut
        request, self._todo = self._todo, None
        return request

    def give_back(self, request: Request) -> None:
        if self.reply is None:
            self._todo = request

    def accept(self, request: Request, reply: Frame) -> None:  # noqa: ARG002 there is but one
        self._todo = None
        self.reply = reply


class Upload:
    """WRITEs of the blocks of a job's input that the board has not yet."""

    def __init__(self, data: bytes, block_bytes: int, missing_blocks: Iterable[int]) -> None:
        self._data = data
        self._block_bytes = block_bytes
        self._todo = deque(_runs(missing_blocks))

    def take(self, most_bytes: int) -> Request | None:
        if not self._todo:
            return None
        first, stop = self._todo.popleft()
        end = min(stop, first + max(1, most_bytes // self._block_bytes))
        if end < stop:
            self._todo.appendleft((end, stop))
        start_byte = first * self._block_bytes
        return Request(Op.WRITE, start_byte, self._data[start_byte : end * self._block_bytes])

    def give_back(self, request: Request) -> None:
        first = request.arg // self._block_bytes
        self._todo.appendleft((first, first - -len(request.payload) // self._block_bytes))

    def accept(self, request: Request, reply: Frame) -> None:
        pass  # the board knows what it has


class Download:
    """READs of a job's output."""

    def __init__(self, job: int, size_bytes: int) -> None:
        self._job = job
        self.data = bytearray(size_bytes)
        self._todo = deque([(0, size_bytes)])

    def take(self, most_bytes: int) -> Request | None:
        if not self._todo:
            return None
        start, stop = self._todo.popleft()
        end = min(stop, start + most_bytes)
        if end < stop:
            self._todo.appendleft((end, stop))
        return Request(Op.READ, start, ReadRequest(self._job, end - start).pack(), end - start)

    def give_back(self, request: Request) -> None:
        self._todo.appendleft((request.arg, request.arg + request.reply_payload_bytes))

    def accept(self, request: Request, reply: Frame) -> None:
        if len(reply.payload) != request.reply_payload_bytes:
            raise MalformedReplyError(f"READ: {len(reply.payload)} bytes, expected {request.reply_payload_bytes}")
        self.data[request.arg : request.arg + len(reply.payload)] = reply.payload


def _runs(blocks: Iterable[int]) -> list[tuple[int, int]]:
    """Rising numbers as ranges: first, and one beyond the last."""
    runs: list[tuple[int, int]] = []
    for block in blocks:
        if runs and runs[-1][1] == block:
            runs[-1] = (runs[-1][0], block + 1)
        else:
            runs.append((block, block + 1))
    return runs
