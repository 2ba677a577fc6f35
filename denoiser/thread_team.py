"""Threads that work on one thing together."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[int], None]


class ThreadTeam:
    """As many threads as it says, the caller's among them.

    They wait at queues, and nothing is made for each task: a tile may be done in a millisecond.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._tasks: list[SimpleQueue[Work | None]] = [SimpleQueue() for _ in range(1, size)]
        for number, tasks in enumerate(self._tasks, 1):
            arguments = (number, tasks, self._ended)
            threading.Thread(target=_serve, args=arguments, name=f"denoise-{number}", daemon=True).start()
            weakref.finalize(self, tasks.put, None)

    def together(self, work: Work) -> None:
        """Calls work(0) to work(size - 1), each in a thread of its own, and returns when all have returned, or raises
        what one of them raised, the caller's first. One call at a time."""
        for tasks in self._tasks:
            tasks.put(work)
        try:
            work(0)
        finally:
            errors = [self._ended.get() for _ in self._tasks]
        for error in errors:
            if error is not None:
                raise error


def _serve(number: int, tasks: SimpleQueue[Work | None], ended: SimpleQueue[BaseException | None]) -> None:
    while (work := tasks.get()) is not None:
        error = None
        try:
            work(number)
        except BaseException as raised:  # noqa: BLE001 - `together` raises it again
            error = raised
        del work  # and the frame that it holds
        ended.put(error)
