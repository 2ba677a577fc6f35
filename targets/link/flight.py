"""What is under way to the board and back: which requests are out, in what order, and how many bytes."""

from __future__ import annotations

from dataclasses import dataclass

from targets.link.frame import wire_bytes
from targets.link.transfer import Request


@dataclass
class Errand:
    """One request, and what has become of it."""

    request: Request
    answered: bool = False
    busy: bool = False
    copies: int = 0
    """Times that it was sent."""
    repeats: int = 0
    """Of these, the ones that a loss seems to have called for."""
    probed: bool = False
    """Something small was sent after it, to learn whether it is lost."""


@dataclass(frozen=True)
class Sent:
    """One transmission of a request."""

    errand: Errand
    copy: int
    """1 for the first."""
    at_s: float
    request_bytes: int
    reply_bytes: int
    """Bytes on the wire, as are those of the request."""


class Flight:
    """Transmissions by their sequence numbers, from the sending to the answer."""

    def __init__(self) -> None:
        self._under_way: dict[int, Sent] = {}
        """In the order of sending."""
        self._given_up: dict[int, Sent] = {}
        """Passed by a later answer: lost, or late."""

    def clear(self) -> None:
        self._under_way.clear()
        self._given_up.clear()

    def is_empty(self) -> bool:
        return not self._under_way

    def is_answered(self) -> bool:
        """Nobody waits for anything."""
        return all(sent.errand.answered for sent in self._under_way.values())

    def is_busy(self) -> bool:
        """The board is at work on one of them."""
        return any(sent.errand.busy for sent in self._under_way.values())

    def wire_bytes(self) -> int:
        return sum(sent.request_bytes + sent.reply_bytes for sent in self._under_way.values())

    def has_room(self, request: Request, window_bytes: int) -> bool:
        """There is always room for one."""
        requests = sum(sent.request_bytes for sent in self._under_way.values())
        replies = sum(sent.reply_bytes for sent in self._under_way.values())
        return self.is_empty() or (
            requests + wire_bytes(len(request.payload)) <= window_bytes
            # Else a slow cable would be busy for long with replies, and a lost one be missed late.
            and replies + wire_bytes(request.reply_payload_bytes) <= window_bytes
        )

    def add(self, sequence: int, sent: Sent) -> None:
        self._under_way[sequence] = sent

    def find(self, sequence: int) -> Sent | None:
        return self._under_way.get(sequence) or self._given_up.get(sequence)

    def remove(self, sequence: int) -> None:
        self._under_way.pop(sequence, None)

    def oldest(self) -> Errand:
        """The first that is not answered, of which there must be one."""
        return next(sent.errand for sent in self._under_way.values() if not sent.errand.answered)

    def give_up_before(self, sequence: int) -> list[Errand] | None:
        """An answer to that number has come: those sent before it are lost.

        Returns the ones of them that nobody has answered and of which no later copy is under way; None if nothing at
        all was lost.
        """
        if sequence not in self._under_way or sequence == next(iter(self._under_way)):
            return None
        passed = []
        for earlier in list(self._under_way):
            if earlier == sequence:
                break
            passed.append(self._under_way.pop(earlier))
            self._given_up[earlier] = passed[-1]
        still_out = [sent.errand for sent in self._under_way.values()]
        return [
            sent.errand
            for sent in passed
            if not sent.errand.answered and not any(sent.errand is other for other in still_out)
        ]
