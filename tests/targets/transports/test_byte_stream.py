"""A stream over descriptors: both ways at once, and its end."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from targets.transports.byte_stream import ByteStream


def test_reading_waits_no_longer_than_told() -> None:
    near, far = socket.socketpair()
    with near, far:
        stream = ByteStream(near.fileno(), near.fileno())
        began = time.monotonic()
        assert stream.read(0.1) == b""
        assert 0.09 < time.monotonic() - began < 1
        far.send(b"abc")
        assert stream.read(5) == b"abc"


def test_writing_goes_on_while_the_other_end_waits_to_be_read() -> None:
    near, far = socket.socketpair()
    size = 4_000_000

    def echo_everything() -> None:
        while data := far.recv(65536):
            far.sendall(data)

    with near, far:
        echo = threading.Thread(target=echo_everything, daemon=True)
        echo.start()
        stream = ByteStream(near.fileno(), near.fileno())
        sent = os.urandom(size)
        stream.write(sent)
        received = bytearray()
        while len(received) < size:
            received += stream.read(5)
        assert received == sent
        near.shutdown(socket.SHUT_RDWR)
        echo.join(5)


def test_the_end_is_an_error() -> None:
    near, far = socket.socketpair()
    with near:
        stream = ByteStream(near.fileno(), near.fileno())
        far.send(b"last")
        far.close()
        assert stream.read(1) == b"last"
        with pytest.raises(OSError, match="hung up"):
            stream.read(1)
        with pytest.raises(OSError):  # noqa: PT011 which one depends on the kind of descriptor
            stream.write(b"x" * 1000)
