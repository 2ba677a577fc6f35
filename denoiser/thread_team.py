"""Threads that work on one thing together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait


class ThreadTeam:
    """As many threads as it says, the caller's among them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._others = ThreadPoolExecutor(max(size - 1, 1), thread_name_prefix="denoise")

    def together(self, work: Callable[[int], None]) -> None:
        """Calls work(0) to work(size - 1), each in a thread of its own, and returns when all have returned, or raises
        what the first of them raised."""
        futures: list[Future[None]] = []
        try:
            futures += (self._others.submit(work, number) for number in range(1, self.size))
            work(0)
        finally:
            wait(futures)
        for future in futures:
            future.result()
