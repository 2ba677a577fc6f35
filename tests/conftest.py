"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

_PACKAGES = ("isp", "denoiser", "targets")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with captures that are not part of the project; tests that need it skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"the captures in {folder} are not on this machine")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heeded() -> None:
    """Started as a background job of a shell, the tests and every command they start would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Commands set up logging for the whole process; what one test set must not reach the next."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in _PACKAGES}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
