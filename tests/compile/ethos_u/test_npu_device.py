"""The stand-in for an NPU works on the memory that it is shown, and refuses what a driver must not ask of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from compile.ethos_u import npu_device
from compile.ethos_u.simulator.errors import SimulationError
from isp.errors import ConfigError, InputError

START = 0x60000000
NPU = "ethos-u55-256"
CONFIGURATION = 8  # 256 multiply-accumulates; product 0: U55


def payload(*commands: int, configuration: int = CONFIGURATION) -> bytes:
    words = [int.from_bytes(b"COP1", "little"), 0x00020001, configuration, 0, len(commands) << 16 | 2, *commands]
    return struct.pack(f"<{len(words)}I", *words)


def window(content: bytes, size_bytes: int = 4096) -> np.ndarray:
    memory = np.zeros(size_bytes, np.uint8)
    memory[: len(content)] = np.frombuffer(content, np.uint8)
    return memory


# Of Vela's ethos_u55_regs: a register's code, with bit 14 where its value is the next word, else above it.
STOP = 0x0000
COPY = (
    0x0130 | 1 << 16,  # DMA0_SRC_REGION
    0x0131 | 2 << 16,  # DMA0_DST_REGION
    *(0x4030, 16),  # DMA0_SRC
    *(0x4031, 32),  # DMA0_DST
    *(0x4032, 16),  # DMA0_LEN
    0x0010,  # DMA_START
    STOP | 0xFFFF << 16,
)
"""Copies 16 bytes from 16 on in region 1 to 32 on in region 2."""


@dataclass
class Uart:
    """What the firmware sends, and what it gets."""

    asked: io.BytesIO
    answered: bytearray = field(default_factory=bytearray)

    def read(self, count: int, /) -> bytes:
        return self.asked.read(count)

    def write(self, data: bytes, /) -> int:
        self.answered += data
        return len(data)

    def flush(self) -> None:
        pass


def served(
    memory: np.ndarray, payload_at: tuple[int, int], *regions: tuple[int, int], bell: int = npu_device.BELL
) -> bytes:
    head = struct.pack("<IIQQ", bell, len(regions), *payload_at)
    uart = Uart(io.BytesIO(head + b"".join(struct.pack("<QQ", *region) for region in regions)))
    npu_device.serve(NPU, uart, memory, START)
    return bytes(uart.answered)


def test_commands_read_and_write_the_memory_at_the_addresses_given() -> None:
    commands = payload(*COPY)
    memory = window(commands)
    memory[1024 + 16 : 1024 + 32] = np.arange(1, 17)
    regions = ((START, 0), (START + 1024, 64), (START + 2048, 64))
    assert served(memory, (START, len(commands)), *regions) == struct.pack("<IiI", npu_device.BELL, 0, 0)
    assert memory[2048 + 32 : 2048 + 48].tolist() == list(range(1, 17))
    assert not memory[2048 : 2048 + 32].any()


@pytest.mark.parametrize(
    ("place", "regions", "words"),
    [
        ((START - 16, 64), (), "the payload: 0x40 bytes at 0x5ffffff0"),
        ((START + 8, 64), (), "the payload: at 0x60000008; expected a multiple of 16"),
        ((START + 4064, 64), (), "the payload: 0x40 bytes at 0x60000fe0"),
        ((START, None), ((START, 0), (START + 4080, 32)), "region 1: 0x20 bytes at 0x60000ff0"),
        ((START, None), ((START, 0), (START + 1024, 24), (START + 2048, 64)), "region 1: 0x10…0x20 accessed"),
    ],
)
def test_what_lies_outside_is_an_error_in_words(
    place: tuple[int, int | None], regions: tuple[tuple[int, int], ...], words: str
) -> None:
    commands = payload(*COPY)
    answer = served(window(commands), (place[0], place[1] or len(commands)), *regions)
    bell, status, count = struct.unpack_from("<IiI", answer)
    assert (bell, status, count) == (npu_device.BELL, -1, len(answer) - 12)
    assert words.replace("…", "?") in answer[12:].decode("ascii")


def test_another_payload_than_its_own_is_refused() -> None:
    def invoked(content: bytes) -> Callable[[], None]:
        return lambda: npu_device.invoke(NPU, window(content), START, (START, len(content)), ())

    with pytest.raises(SimulationError, match="a payload for ethos-u55-128; expected ethos-u55-256"):
        invoked(payload(STOP, configuration=7))()
    with pytest.raises(InputError, match="no driver payload"):
        invoked(b"COP2" + payload(STOP)[4:])()
    with pytest.raises(SimulationError, match="another bell"):
        served(window(b""), (START, 16), bell=1)


def test_what_is_not_simulated_is_refused_before_anything_starts() -> None:
    paths = (Path("uart"), Path("memory"))
    assert npu_device.command(NPU, *paths, START)[-4:] == [NPU, "uart", "memory", "0x60000000"]
    with pytest.raises(ConfigError, match="no simulation of ethos-u85-256; expected ethos-u55-128"):
        npu_device.command("ethos-u85-256", *paths, START)
