"""An Ethos-U as a program of its own: stands in for the NPU of an emulated board.

    python -m compile.ethos_u.npu_device ethos-u55-256 UART MEMORY START

UART is a Unix socket where the firmware rings, MEMORY the file that holds the machine's memory from START on.
The firmware's side and the protocol are `firmware_hooks/ports/cmsdk/npu_device.c`. As an NPU does, the device reads
commands and constants from that memory and leaves its results there.
"""

from __future__ import annotations

import mmap
import socket
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.compiled_network import unwrapped
from compile.ethos_u.simulator.accelerator import ACCELERATORS, accelerator_named
from compile.ethos_u.simulator.errors import SimulationError
from compile.ethos_u.simulator.machine import execute
from compile.ethos_u.simulator.memory import Memory, Region
from isp.errors import ConfigError, InputError, UserError

BELL = 0x3155504E
REGIONS_MOST = 8
ALIGNMENT = 16
DONE, FAILED = 0, -1
CONNECT_PATIENCE_S = 10.0
_HEAD = struct.Struct("<IIQQ")
_REGION = struct.Struct("<QQ")
_ANSWER = struct.Struct("<IiI")


Place = tuple[int, int]
"""Address and bytes."""


class Stream(Protocol):
    """Bytes both ways."""

    def read(self, count: int, /) -> bytes: ...
    def write(self, data: bytes, /) -> int: ...
    def flush(self) -> None: ...


def command(accelerator: str, uart: Path, memory: Path, start: int) -> list[str]:
    """See `targets.npu_devices.DeviceCommand`."""
    if accelerator not in ACCELERATORS:
        raise ConfigError(f"no simulation of {accelerator}", expected=", ".join(sorted(ACCELERATORS)))
    return [sys.executable, "-m", "compile.ethos_u.npu_device", accelerator, str(uart), str(memory), hex(start)]


def invoke(accelerator: str, window: NDArray[np.uint8], start: int, payload: Place, regions: Sequence[Place]) -> None:
    """Executes a payload for the driver on the memory `window`, whose first byte has the address `start`.

    Raises InputError for a payload that is none, SimulationError for one of
    another accelerator, for what lies outside the memory, and for whatever commands must not do.
    """
    content = _seen(window, start, "the payload", *payload).tobytes()
    compiled_for, commands = unwrapped(Path("payload"), content)
    if compiled_for != accelerator:
        raise SimulationError(f"a payload for {compiled_for}", expected=accelerator)
    found = {}
    for number, (address, size_bytes) in enumerate(regions):
        if size_bytes:
            bytes_ = _seen(window, start, f"region {number}", address, size_bytes)
            # Who wrote what, and what is constant, memory does not tell.
            found[number] = Region(bytes_, np.ones(size_bytes, np.bool_), is_constant=False)
    execute(accelerator_named(accelerator), commands, Memory(found))


def _seen(window: NDArray[np.uint8], start: int, what: str, address: int, size_bytes: int) -> NDArray[np.uint8]:
    first = address - start
    if first < 0 or first + size_bytes > len(window):
        raise SimulationError(
            f"{what}: {size_bytes:#x} bytes at {address:#x}", expected=f"within {start:#x}…{start + len(window):#x}"
        )
    if address % ALIGNMENT:
        raise SimulationError(f"{what}: at {address:#x}", expected=f"a multiple of {ALIGNMENT}")
    return window[first : first + size_bytes]


def serve(accelerator: str, uart: Stream, window: NDArray[np.uint8], start: int) -> None:
    """Answers until the other end hangs up. What fails is told to the firmware, in words."""
    while len(head := uart.read(_HEAD.size)) == _HEAD.size:
        bell, count, address, size_bytes = _HEAD.unpack(head)
        if bell != BELL or count > REGIONS_MOST:
            raise SimulationError("the firmware rang another bell")
        regions = [_REGION.unpack(uart.read(_REGION.size)) for _ in range(count)]
        status, words = DONE, b""
        try:
            invoke(accelerator, window, start, (address, size_bytes), regions)
        except (SimulationError, InputError) as error:
            status, words = FAILED, f"{accelerator}: {error}".encode("ascii", "replace")
        uart.write(_ANSWER.pack(BELL, status, len(words)) + words)
        uart.flush()


def _connected(path: Path) -> socket.socket:
    """As soon as the emulator listens."""
    deadline = time.monotonic() + CONNECT_PATIENCE_S
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return connection


def main(arguments: Sequence[str]) -> int:
    accelerator, path, memory, start = arguments
    try:
        with Path(memory).open("r+b") as file, _connected(Path(path)) as connection:
            window = np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8)
            serve(accelerator, connection.makefile("rwb"), window, int(start, 0))
    except ConnectionResetError:
        return 0
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
