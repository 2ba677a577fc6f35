"""As `compile.ethos_u.npu_device`, but for one bit of what it leaves in memory."""

from __future__ import annotations

import sys

from compile.ethos_u import npu_device
from compile.ethos_u.simulator.accelerator import Accelerator
from compile.ethos_u.simulator.machine import execute
from compile.ethos_u.simulator.memory import Memory

SCRATCH = 1


def main() -> int:
    """arguments: region's offset of the byte, then those of `npu_device`."""
    offset = int(sys.argv[1])

    def flipped(accelerator: Accelerator, command_stream: bytes, memory: Memory) -> None:
        execute(accelerator, command_stream, memory)
        (byte,) = memory.load(SCRATCH, offset, 1)
        memory.store(SCRATCH, offset, bytes([byte ^ 1]))

    npu_device.__dict__["execute"] = flipped
    return npu_device.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
