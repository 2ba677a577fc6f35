"""A pair of file descriptors (one for both ways, or a pipe each way) as a stream of bytes."""

from __future__ import annotations

import errno
import os
import select
import time

_PIECE_BYTES = 65536
_STALL_S = 10.0


class ByteStream:
    """Reads and writes without blocking; whoever made the descriptors closes them."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._early = bytearray()
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def read(self, timeout_s: float) -> bytes:
        """What has come; empty if nothing comes in that time. Raises OSError at the end of the stream."""
        if self._early:
            early = bytes(self._early)
            self._early.clear()
            return early
        if not select.select([self._read_fd], [], [], timeout_s)[0]:
            return b""
        return self._read_now()

    def write(self, data: bytes) -> None:
        """Sends all of it. Raises OSError if the other end is gone or takes nothing for ten seconds."""
        rest = memoryview(data)
        deadline = time.monotonic() + _STALL_S
        while rest:
            # The other end may wait for its own output to be read before it takes more.
            readable, writable, _ = select.select([self._read_fd], [self._write_fd], [], _STALL_S)
            if readable:
                self._early += self._read_now()
            if writable:
                try:
                    rest = rest[os.write(self._write_fd, rest) :]
                except BlockingIOError:
                    continue
                deadline = time.monotonic() + _STALL_S
            elif time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "the other end takes no bytes")

    def _read_now(self) -> bytes:
        try:
            data = os.read(self._read_fd, _PIECE_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the other end has hung up")
        return data
