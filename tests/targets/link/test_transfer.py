"""Uploads and downloads cover what they are to cover, however they are cut and whatever is given back."""

from __future__ import annotations

from itertools import cycle, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.link.frame import Frame
from targets.link.messages import REPLY, MalformedReplyError, Op, ReadRequest
from targets.link.transfer import Call, ChunkSize, Download, Request, Upload


def answered(request: Request, payload: bytes = b"") -> Frame:
    return Frame(request.op | REPLY, 0, 0, request.arg, payload)


@given(st.data())
def test_an_upload_brings_exactly_the_missing_blocks(data: st.DataObject) -> None:
    size, block = data.draw(st.integers(1, 5000)), data.draw(st.sampled_from([64, 256]))
    content = bytes(number % 251 for number in range(size))
    blocks = -(-size // block)
    missing = sorted(data.draw(st.sets(st.integers(0, blocks - 1))))
    there = {
        place for number in set(range(blocks)) - set(missing) for place in range(number * block, number * block + block)
    }
    task = Upload(content, block, missing)
    arrived: dict[int, int] = {}
    losses = data.draw(st.lists(st.booleans(), max_size=40))
    sizes = cycle(data.draw(st.lists(st.integers(50, 1500), min_size=1, max_size=8)))
    while request := task.take(next(sizes)):
        assert request.op is Op.WRITE
        assert request.arg % block == 0
        assert len(request.payload) % block == 0 or request.arg + len(request.payload) == size
        if losses and losses.pop():
            task.give_back(request)
        else:
            arrived |= dict(enumerate(request.payload, request.arg))
            task.accept(request, answered(request))
    assert arrived == {place: content[place] for place in range(size) if place not in there}


@given(st.data())
def test_a_download_is_whole(data: st.DataObject) -> None:
    content = bytes(number % 251 for number in range(data.draw(st.integers(1, 5000))))
    task = Download(77, len(content))
    losses = data.draw(st.lists(st.booleans(), max_size=40))
    sizes = cycle(data.draw(st.lists(st.integers(50, 1500), min_size=1, max_size=8)))
    while request := task.take(next(sizes)):
        read = ReadRequest.parse(request.payload)
        assert (read.job, read.count) == (77, request.reply_payload_bytes)
        if losses and losses.pop():
            task.give_back(request)
        else:
            task.accept(request, answered(request, content[request.arg : request.arg + read.count]))
    assert task.data == content


def test_a_read_of_another_size_is_refused() -> None:
    task = Download(1, 100)
    request = task.take(50)
    assert request
    with pytest.raises(MalformedReplyError, match="READ: 49 bytes, expected 50"):
        task.accept(request, answered(request, bytes(49)))


def test_a_call_is_sent_until_it_is_answered() -> None:
    request = Request(Op.STATS, 0)
    call = Call(request)
    assert call.take(1) is request
    assert call.take(1) is None
    call.give_back(request)
    assert call.take(1) is request
    call.accept(request, answered(request, b"x"))
    call.give_back(request)
    assert call.take(1) is None
    assert call.reply == answered(request, b"x")


def test_chunks_shrink_at_once_and_grow_slowly() -> None:
    chunk = ChunkSize()
    chunk.limit(2048)
    first = chunk.now_bytes
    chunk.lost()
    assert chunk.now_bytes == first // 2
    sizes = [chunk.now_bytes]
    for _ in range(100):
        chunk.arrived()
        sizes.append(chunk.now_bytes)
    assert sizes[-1] == 2048
    assert all(after in (before, 2 * before) for before, after in pairwise(sizes))
    for _ in range(100):
        chunk.lost()
    assert chunk.now_bytes == 128


def test_chunks_fit_a_small_board() -> None:
    chunk = ChunkSize()
    chunk.limit(100)
    chunk.lost()
    assert chunk.now_bytes == 100
