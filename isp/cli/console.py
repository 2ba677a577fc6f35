"""What commands write to standard error: log lines and a progress bar."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TextIO

COLOURS = {logging.DEBUG: "2", logging.INFO: "0", logging.WARNING: "33", logging.ERROR: "31"}
BAR_CHARACTERS = 24
CLEAR_LINE = "\r\x1b[2K"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person watches the stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether colours are welcome: on a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


class _Formatter(logging.Formatter):
    def __init__(self, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno == logging.INFO:
            return text
        level = record.levelname.lower()
        if self._colour:
            level = f"\x1b[{COLOURS.get(record.levelno, '0')}m{level}\x1b[0m"
        return f"{level}: {text}"


class _Handler(logging.StreamHandler[TextIO]):
    """Writes above the progress bar, if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_terminal(self.stream):
            self.stream.write(CLEAR_LINE)
        super().emit(record)


def set_up_logging(verbose: bool) -> None:
    """Sends this project's log to standard error: warnings and errors, or with `verbose` everything."""
    handler = _Handler(sys.stderr)
    handler.setFormatter(_Formatter(has_colour(sys.stderr)))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    for package in ("isp", "denoiser", "targets"):
        logging.getLogger(package).setLevel(logging.DEBUG if verbose else logging.WARNING)


class Progress:
    """A bar on standard error while a person watches it; a plain line per item where nobody does."""

    def __init__(self, total: int, *, stream: TextIO | None = None) -> None:
        self._total = total
        self._done = 0
        self._stream = stream or sys.stderr
        self._terminal = is_terminal(self._stream)
        self._began = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, doing: str, *, part: float = 0.0) -> None:
        """Says what goes on now; `part` of the current item (0 to 1) is behind us."""
        if not self._terminal:
            return
        share = min((self._done + part) / max(self._total, 1), 1.0)
        filled = round(share * BAR_CHARACTERS)
        elapsed_s = time.monotonic() - self._began
        line = f"{'█' * filled}{'░' * (BAR_CHARACTERS - filled)} {self._done}/{self._total} {elapsed_s:4.0f} s  {doing}"
        self._stream.write(CLEAR_LINE + line[: shutil.get_terminal_size().columns - 1])
        self._stream.flush()

    def finish_item(self, text: str) -> None:
        """Counts one item as done; `text` names it where no bar is drawn."""
        self._done += 1
        if self._terminal:
            self.show(text)
        elif self._total > 1:
            self._stream.write(f"[{self._done}/{self._total}] {text}\n")
            self._stream.flush()

    def clear(self) -> None:
        """Takes the bar away, so that other lines can be written."""
        if self._terminal:
            self._stream.write(CLEAR_LINE)
            self._stream.flush()


def os_error_text(error: OSError) -> str:
    """What the operating system refused, and for which file, as other messages put it."""
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename else what


def about(path: Path, message: str) -> str:
    """A message that names its file in full, and once."""
    if str(path) in message:
        return message
    if message.startswith(path.name):
        return f"{path}{message.removeprefix(path.name)}"
    return f"{path}: {message}"
