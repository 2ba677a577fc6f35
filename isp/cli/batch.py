"""Captures developed one after the other or in several processes; one that fails does not stop the rest."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

from isp.cli.console import Progress, os_error_text, set_up_logging
from isp.develop import Developed, OnStep, Settings, develop
from isp.errors import ConfigError, InputError, UserError

logger = logging.getLogger(__name__)

FAULT = 1
"""Exit code after an error that is not the user's, as Python itself gives it."""


@dataclass(frozen=True)
class Failed:
    """A capture that was skipped, why, and the exit code that stands for it."""

    source: Path
    target: Path
    reason: str
    exit_code: int


@dataclass(frozen=True)
class Task:
    source: Path
    target: Path


Result = Developed | Failed


def develop_all(tasks: Sequence[Task], settings: Settings, jobs: int, progress: Progress) -> Iterator[Result]:
    """Develops captures and gives each one's result as soon as it is there, in `jobs` processes (0: one
    per core). Raises ConfigError for fewer than 0 jobs."""
    if jobs < 0:
        raise ConfigError(f"--jobs {jobs}", expected="0 (one per core) or more")
    cores = os.cpu_count() or 1
    processes = min(jobs or cores, len(tasks))
    if processes <= 1:
        for task in tasks:
            yield _develop_one(task, settings, partial(_show, progress, task))
        return
    threads = max(1, cores // processes)
    # Libraries that the workers will load read these when they are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    verbose = logging.getLogger("isp").level <= logging.DEBUG
    # Not forked: the libraries' threads do not survive a fork.
    context = get_context("spawn")
    stop = context.Event()
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_prepare_worker, initargs=(threads, verbose, stop)
    ) as pool:
        try:
            waiting = _submitted(pool, tasks, settings)
            for future in as_completed(waiting):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    task = waiting[future]
                    reason = "a process was killed, most likely for lack of memory; use fewer --jobs"
                    yield Failed(task.source, task.target, reason, FAULT)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, tasks: Sequence[Task], settings: Settings) -> dict[Future[Result], Task]:
    """All tasks handed to the pool, which starts its processes now: they inherit that Ctrl-C is ignored,
    and so do not die noisily while they still import their libraries."""
    heeded = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return {pool.submit(_develop_in_worker, task, settings): task for task in tasks}
    finally:
        signal.signal(signal.SIGINT, heeded)


def _develop_one(task: Task, settings: Settings, on_step: OnStep | None) -> Result:
    try:
        return develop(task.source, task.target, settings, on_step)
    except UserError as error:
        return Failed(task.source, task.target, str(error), error.exit_code)
    except OSError as error:
        return Failed(task.source, task.target, os_error_text(error), InputError.exit_code)
    except MemoryError:
        return Failed(task.source, task.target, "not enough memory", FAULT)
    except Exception as error:  # a fault of ours or of a plug-in: shown in full, and the batch goes on
        logger.exception("%s: this is a fault of the program, not of the capture", task.source)
        return Failed(task.source, task.target, f"{type(error).__name__}: {error}", FAULT)


def _show(progress: Progress, task: Task, step: str, share: float) -> None:
    progress.show(f"{task.source.name}: {step}", part=share)


_stop: Event
"""In a worker: set once nobody waits for results any more."""


def _prepare_worker(threads: int, verbose: bool, stop: Event) -> None:
    # Ctrl-C reaches every process of the terminal. A worker heeds it only while it develops (see
    # `_develop_in_worker`), so that idle ones don't die noisily.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    global _stop
    _stop = stop
    set_up_logging(verbose)
    import cv2

    cv2.setNumThreads(threads)


def _develop_in_worker(task: Task, settings: Settings) -> Result:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _heed_stop()  # the pool hands out tasks in advance, and does not take them back
        return _develop_one(task, settings, lambda _step, _share: _heed_stop())
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _heed_stop() -> None:
    if _stop.is_set():
        raise KeyboardInterrupt
