"""As `compile.ethos_u.npu_device`, but for one bit of what it leaves in memory."""

from __future__ import annotations

import sys

from compile.ethos_u import npu_device
from compile.ethos_u.simulator.accelerator import Accelerator
from compile.ethos_u.simulator.memory import Memory

SCRATCH = 1


def main() -> int:
    """arguments: region's offset of the byte, then those of `npu_device`."""
    offset = int(sys.argv[1])
    execute = npu_device.execute

    def flipped(accelerator: Accelerator, commands: bytes, memory: Memory) -> None:
        execute(accelerator, commands, memory)
        (byte,) = memory.load(SCRATCH, offset, 1)
        memory.store(SCRATCH, offset, bytes([byte ^ 1]))

    npu_device.execute = flipped  # type: ignore[attr-defined]
    return npu_device.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
