"""Captures developed one after the other or in several processes; one that fails does not stop the rest."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from isp.cli.console import Progress, set_up_logging
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
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_prepare_worker, initargs=(threads, verbose)
    ) as pool:
        waiting = {pool.submit(_develop_in_worker, task, settings): task for task in tasks}
        try:
            for future in as_completed(waiting):
                try:
                    yield future.result()
                except BrokenProcessPool:
                    task = waiting[future]
                    reason = "a process was killed, most likely for lack of memory; use fewer --jobs"
                    yield Failed(task.source, task.target, reason, FAULT)
        finally:
            pool.shutdown(cancel_futures=True)


def _develop_one(task: Task, settings: Settings, on_step: OnStep | None) -> Result:
    try:
        return develop(task.source, task.target, settings, on_step)
    except UserError as error:
        return Failed(task.source, task.target, str(error), error.exit_code)
    except OSError as error:
        return Failed(task.source, task.target, str(error), InputError.exit_code)
    except MemoryError:
        return Failed(task.source, task.target, "not enough memory", FAULT)
    except Exception as error:  # a fault of ours or of a plug-in: shown in full, and the batch goes on
        logger.exception("%s: this is a fault of the program, not of the capture", task.source)
        return Failed(task.source, task.target, f"{type(error).__name__}: {error}", FAULT)


def _show(progress: Progress, task: Task, step: str, share: float) -> None:
    progress.show(f"{task.source.name}: {step}", part=share)


def _prepare_worker(threads: int, verbose: bool) -> None:
    # Ctrl-C reaches every process of the terminal. A worker heeds it only while it develops (see
    # `_develop_in_worker`), so that idle ones don't die noisily.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_up_logging(verbose)
    import cv2

    cv2.setNumThreads(threads)


def _develop_in_worker(task: Task, settings: Settings) -> Result:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _develop_one(task, settings, None)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
