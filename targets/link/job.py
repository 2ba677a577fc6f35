"""A job: one tile's way to the board, through the library, and back.

It is a chain of requests that may each be repeated: OPEN, WRITE, COMMIT, RUN, READ. However far it got, it is taken up
again at its beginning: OPEN tells what is there already.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass

from targets.errors import LinkError
from targets.link.exchange import Exchange
from targets.link.messages import Hello, MalformedReplyError, Op, OpenRequest, RunReply, RunRequest
from targets.link.transfer import Download, Request, Upload


@dataclass(frozen=True)
class Job:
    """number: what the board knows it by, not 0. data: the tile's rows, little-endian float32, or an NPU's integers."""

    number: int
    request: RunRequest
    data: bytes

    @classmethod
    def of(cls, request: RunRequest, data: bytes, last_number: int) -> Job:
        """A job whose number follows from its content, so that another process can go on with it.

        last_number: of the job before. The same twice in a row has two numbers, so that the board does it twice.
        """
        number, other = struct.unpack_from("<II", hashlib.sha256(request.pack() + data).digest())
        number, other = number or 1, other or 2
        return cls(other if number == last_number else number, request, data)

    def work(self, exchange: Exchange, hello: Hello) -> tuple[RunReply, bytes]:
        """Goes through the chain, but for what the board has done already; gives the output's bytes.

        Raises what `Exchange.perform` raises, MalformedReplyError, and LinkError for an output of another CRC than the
        board's.
        """
        missing = self._missing_blocks(exchange, hello)
        if missing:
            exchange.perform(Upload(self.data, hello.block_bytes, missing))
        exchange.call(Request(Op.COMMIT, 0))
        reply = RunReply.parse(exchange.call(Request(Op.RUN, self.number, self.request.pack())).payload)
        # The integers that an NPU gives are fewer than those that it takes.
        fewest = 1 if self.request.asks_for_integers else len(self.data)
        if not fewest <= reply.output_bytes <= len(self.data):
            raise MalformedReplyError(f"RUN: an output of {reply.output_bytes} bytes for an input of {len(self.data)}")
        # A late reply to a process that was killed could be taken for one to this: unlikely, and not twice.
        for _ in range(2):
            download = Download(self.number, reply.output_bytes)
            exchange.perform(download)
            if zlib.crc32(download.data) == reply.output_crc32:
                return reply, bytes(download.data)
        raise LinkError(f"{hello.board}: the output that was read has not the CRC that RUN gave")

    def _missing_blocks(self, exchange: Exchange, hello: Hello) -> list[int]:
        blocks = -(-len(self.data) // hello.block_bytes)
        bitmap_bytes = -(-blocks // 8)
        request = OpenRequest(self.number, len(self.data), zlib.crc32(self.data))
        expected = min(bitmap_bytes, hello.max_payload)
        bitmap = bytearray(exchange.call(Request(Op.OPEN, 0, request.pack(), expected)).payload)
        while len(bitmap) < bitmap_bytes:
            more = exchange.call(Request(Op.QUERY, len(bitmap), b"", hello.max_payload)).payload
            if not more:
                raise MalformedReplyError(f"QUERY: a bitmap of {len(bitmap)} bytes for {blocks} blocks")
            bitmap += more
        return [block for block in range(blocks) if not bitmap[block // 8] >> block % 8 & 1]
