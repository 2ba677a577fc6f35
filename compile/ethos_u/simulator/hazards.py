"""Operations that run at the same time must not touch the same bytes: looks for waits that are missing.

DMA and kernels (convolutions, pooling, elementwise operations) are two queues. Each works through its own in order,
and what a queue has not finished may still read or write when the other starts something. A wait says how many of a
queue's operations may be left unfinished, and no queue holds more than a few. How far a kernel may overtake the
kernel before it is for BLOCKDEP to say, and is not looked at.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from compile.ethos_u.simulator.errors import SimulationError
from compile.ethos_u.simulator.operations import Span


@dataclass(frozen=True)
class Accesses:
    """What one operation reads and writes; of feature maps everything from the first to the last byte."""

    reads: tuple[Span, ...]
    writes: tuple[Span, ...]

    def conflicts(self, other: Accesses) -> bool:
        return (
            _overlap(self.writes, other.reads)
            or _overlap(self.reads, other.writes)
            or _overlap(self.writes, other.writes)
        )


class Queues:
    """What may be unfinished: the latest operations of both queues, up to as many as a queue holds."""

    def __init__(self, dma_depth: int, kernel_depth: int) -> None:
        self._dma: deque[Accesses] = deque(maxlen=dma_depth)
        self._kernels: deque[Accesses] = deque(maxlen=kernel_depth)

    def start_dma(self, accesses: Accesses) -> None:
        _check(accesses, self._kernels, "KERNEL_WAIT")
        self._dma.append(accesses)

    def start_kernel(self, accesses: Accesses) -> None:
        _check(accesses, self._dma, "DMA_WAIT")
        self._kernels.append(accesses)

    def wait_for_dma(self, unfinished: int) -> None:
        _drop(self._dma, unfinished)

    def wait_for_kernels(self, unfinished: int) -> None:
        _drop(self._kernels, unfinished)


def _drop(queue: deque[Accesses], unfinished: int) -> None:
    while len(queue) > unfinished:
        queue.popleft()


def _check(accesses: Accesses, others: deque[Accesses], wait: str) -> None:
    if any(accesses.conflicts(other) for other in others):
        raise SimulationError("touches what an operation before it may not have finished with", expected=f"a {wait}")


def _overlap(some: tuple[Span, ...], others: tuple[Span, ...]) -> bool:
    return any(
        a.region == b.region and a.address < b.address + b.length and b.address < a.address + a.length
        for a in some
        for b in others
    )
