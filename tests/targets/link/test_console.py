"""Text between frames, and the last words of a board."""

from __future__ import annotations

import numpy as np
import pytest

from targets.link.console import Console
from targets.link.frame import Frame


def lines_of(debris: bytes) -> tuple[str, ...]:
    console = Console()
    console.add(debris)
    return console.lines


def test_lines_of_a_boot_log() -> None:
    text = b"\x1b[1;32mU-Boot 2024.01\x1b[0m\r\n\r\nDRAM:\t2 GiB \xc2\xb5SD\r\nraspberrypi login: "
    assert lines_of(text) == ("U-Boot 2024.01", "DRAM:\t2 GiB µSD", "raspberrypi login:")


def test_whole_lines_beside_the_remains_of_a_frame() -> None:
    console = Console()
    hurt = Frame(1, 2, 3, 4, bytes(range(256))).encode()[:-20].replace(b"\n", b"\xff")
    assert not console.add(hurt + b"\r\nlow battery\r\nhot core\r\n" + hurt)
    assert console.lines == ("low battery", "hot core")


def test_hurt_frames_of_pixels_are_not_taken_for_text() -> None:
    pixels = np.random.default_rng(1).random(250_000, dtype=np.float32).tobytes()
    console = Console()
    for start in range(0, len(pixels), 1000):
        assert not console.add(pixels[start : start + 1000].replace(b"\0", b"\1"))
    assert len(console.lines) <= 2
    assert not console.last_words


def test_a_few_printable_bytes_are_no_text() -> None:
    assert lines_of(b"?>@") == ()
    assert lines_of(b"ok\n") == ("ok",)


@pytest.mark.parametrize(
    "line",
    [
        "FAULT pc=0x1000 lr=0x2000",
        "HardFault at 0x00000010",
        "***** HardFault *****",
        "Kernel panic - not syncing: Attempted to kill init!",
        "Guru Meditation Error: Core 0 panic'ed (LoadProhibited)",
        "*** stack smashing detected ***: terminated",
        "Oops: 0000 [#1] SMP",
        "Illegal instruction (core dumped)",
        "qemu: uncaught target signal 4 (Illegal instruction) - core dumped",
        "ASSERTION FAIL [x] >>> ZEPHYR FATAL ERROR 4",
        "Segmentation fault",
        "assertion x > 0 failed",
    ],
)
def test_last_words(line: str) -> None:
    console = Console()
    console.add(b"before\n" + line.encode() + b"\nR0: 1234\n")
    assert console.last_words == [line, "R0: 1234"]
    console.begin_job()
    assert not console.last_words


@pytest.mark.parametrize(
    "line", ["Kernel command line: console=ttyS0 panic=10 oops=panic", "default settings", "no faults seen"]
)
def test_what_only_sounds_like_it(line: str) -> None:
    console = Console()
    console.add(line.encode() + b"\n")
    assert console.lines == (line,)
    assert not console.last_words


def test_last_words_behind_half_a_frame() -> None:
    console = Console()
    console.add(b"\xd7\x01\xff\xfe\x80\x90HardFault pc=0x1234")
    assert console.last_words == ["HardFault pc=0x1234"]


def test_lines_are_limited() -> None:
    console = Console()
    console.add(b"".join(b"line %d\n" % number for number in range(5000)))
    assert len(console.lines) == 1000
    assert console.lines[-1] == "line 4999"
