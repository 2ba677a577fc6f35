"""What a board prints on the port that the link uses: boot messages, log lines, and its last words."""

from __future__ import annotations

import logging
import re
from collections import deque
from collections.abc import Sequence

logger = logging.getLogger(__name__)

MOST_LINES = 1000
# A few bytes of a hurt frame may be printable by chance.
_SHORTEST_TEXT = 6
_LINE_ENDS = re.compile(rb"[\r\n]+")
_PRINTABLE_RUN = re.compile(rb"[\t\x20-\x7e]+")
_LAYOUT = str.maketrans("", "", "\t\r\n")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# What kernels, runtimes and C libraries say when they die: Linux, Zephyr ("FATAL ERROR"), ESP-IDF, TF-M, glibc.
_LAST_WORDS = re.compile(
    r"\b(FAULT|HardFault|Hard Fault|BusFault|UsageFault|MemManage|SecureFault|Guru Meditation|Oops|FATAL ERROR|"
    r"SIGILL|SIGSEGV|SIGBUS|SIGFPE|[Ii]llegal instruction|[Ss]egmentation fault|stack smashing|[Ss]tack overflow|"
    r"[Aa]ssertion .*failed|Unhandled [Ee]xception)\b|(?<![=\w])[Pp]anic\b(?!=)",
)


class Console:
    """The lines that a board has printed, as far as they could be told from hurt frames."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._last_words: list[str] = []

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(self._lines)

    @property
    def last_words(self) -> Sequence[str]:
        """The lines that read like a crash, and what followed them, since `begin_job`."""
        return self._last_words[:20]

    def begin_job(self) -> None:
        """What the board said of earlier troubles no longer counts."""
        self._last_words.clear()

    def add(self, debris: bytes) -> bool:
        """Takes the text out of bytes between frames; False if there was something else, too.

        Beside the remains of a frame only whole lines count as text, and last words wherever they are.
        """
        text = _text(debris)
        if text is not None and (len(text) >= _SHORTEST_TEXT or text.endswith("\n")):
            for each in text.splitlines():
                self._append(each)
            return True
        pieces = _LINE_ENDS.split(debris)
        for number, piece in enumerate(pieces):
            is_whole_line = 0 < number < len(pieces) - 1 and len(piece) >= _SHORTEST_TEXT
            if is_whole_line and (line := _text(piece)) is not None:
                self._append(line)
                continue
            for run in _PRINTABLE_RUN.findall(piece):
                if _LAST_WORDS.search(run.decode("ascii")):
                    self._append(run.decode("ascii"))
        return False

    def _append(self, text: str) -> None:
        line = _ESCAPE_SEQUENCE.sub("", text).strip()
        if not line:
            return
        self._lines.append(line)
        logger.info("board: %s", line)
        if self._last_words or _LAST_WORDS.search(line):
            self._last_words.append(line)


def _text(data: bytes) -> str | None:
    """The bytes as text; None if there is anything in them that is not printed."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    visible = _ESCAPE_SEQUENCE.sub("", text).translate(_LAYOUT)
    return text if visible.isprintable() else None
