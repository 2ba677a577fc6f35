"""Executes a command stream, operation after operation, over a memory.

The accelerator overlaps operations as far as waits and block dependencies allow. Here each ends before the next
starts, which is what a correct stream amounts to; `hazards` refuses one whose waits are missing.
"""

from __future__ import annotations

from compile.ethos_u.simulator import convolution, elementwise, pooling, snapshots
from compile.ethos_u.simulator.accelerator import Accelerator
from compile.ethos_u.simulator.command_stream import Operate, Operation, SetRegister, decode
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.hazards import Accesses, Queues
from compile.ethos_u.simulator.memory import Memory
from compile.ethos_u.simulator.operations import Convolution, DepthwiseConvolution, Transfer
from compile.ethos_u.simulator.register_file import RegisterFile

WITHOUT_PARAMETER = (Operation.CONV, Operation.DEPTHWISE)


def execute(accelerator: Accelerator, command_stream: bytes, memory: Memory) -> None:
    """Leaves the results in `memory`. A SimulationError says at which operation it happened."""
    registers = RegisterFile()
    queues = Queues(accelerator.dma_depth, accelerator.kernel_depth)
    memory.take_accesses()
    started = 0
    for command in decode(command_stream):
        if isinstance(command, SetRegister):
            registers.set(command)
            continue
        started += command.operation not in (Operation.DMA_WAIT, Operation.KERNEL_WAIT)
        try:
            _start(accelerator, registers, memory, command)
            _queue(queues, memory.take_accesses(), command)
        except SimulationError as error:
            located = f"operation {started} ({command.operation.name}): {error.found}"
            raise type(error)(located, expected=error.expected, remedy=error.remedy) from error


def _start(accelerator: Accelerator, registers: RegisterFile, memory: Memory, command: Operate) -> None:
    if command.operation in WITHOUT_PARAMETER and command.parameter:
        raise UnmodelledError(f"parameter {command.parameter:#06x}")
    match command.operation:
        case Operation.CONV:
            encoded = snapshots.encoded_weights(registers, accelerator.cores)
            convolution.convolve(memory, accelerator, Convolution(snapshots.windowed(registers), encoded))
        case Operation.DEPTHWISE:
            encoded = snapshots.encoded_weights(registers, accelerator.cores)
            operation = DepthwiseConvolution(snapshots.windowed(registers), encoded)
            convolution.convolve_depthwise(memory, accelerator, operation)
        case Operation.POOL:
            pooling.pool(memory, snapshots.pooling(registers, command.parameter))
        case Operation.ELEMENTWISE:
            elementwise.combine(memory, snapshots.elementwise(registers, command.parameter))
        case Operation.DMA_START:
            copy(memory, snapshots.transfer(registers, command.parameter))
        case Operation.DMA_WAIT | Operation.KERNEL_WAIT:
            pass
        case _:
            raise UnmodelledError(command.operation.name)


def _queue(queues: Queues, accesses: Accesses, command: Operate) -> None:
    match command.operation:
        case Operation.DMA_START:
            queues.start_dma(accesses)
        case Operation.DMA_WAIT:
            queues.wait_for_dma(command.parameter)
        case Operation.KERNEL_WAIT:
            queues.wait_for_kernels(command.parameter)
        case _:
            queues.start_kernel(accesses)


def copy(memory: Memory, transfer: Transfer) -> None:
    source, destination = transfer.source, transfer.destination
    content = memory.load(source.region, source.address, source.length)
    memory.store(destination.region, destination.address, content)
