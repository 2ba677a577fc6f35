"""How long to wait for a reply: the retransmission timer of TCP, with a floor that learns.

V. Paxson et al., RFC 6298, "Computing TCP's Retransmission Timer"; the floor is far below its second, since requests
are idempotent and asking twice does no harm. R. Ludwig and M. Meyer, RFC 3522 (Eifel), for telling that it was in vain.
"""

from __future__ import annotations

_FIRST_TIMEOUT_S = 0.25
_FIRST_FLOOR_S = 0.02
_HIGHEST_FLOOR_S = 0.5
_FORGETTING = 0.98
_LONGEST_TIMEOUT_S = 1.0
_BITS_A_BYTE = 10


class RoundTrip:
    """Estimate of the time from a request to its reply."""

    def __init__(self) -> None:
        self._mean_s: float | None = None
        self._deviation_s = 0.0
        self._floor_s = _FIRST_FLOOR_S
        self._seen_bytes_per_s = 0.0

    def sample(self, round_trip_s: float, bytes_carried: int) -> None:
        """A reply came so long after its request; meanwhile the cable carried at least so many bytes."""
        if self._mean_s is None:
            self._mean_s, self._deviation_s = round_trip_s, round_trip_s / 2
        else:
            self._deviation_s += (abs(round_trip_s - self._mean_s) - self._deviation_s) / 4
            self._mean_s += (round_trip_s - self._mean_s) / 8
        # A machine that was busy for a while is not busy for ever.
        self._floor_s = max(_FORGETTING * self._floor_s, _FIRST_FLOOR_S)
        if round_trip_s > 0:
            self._seen_bytes_per_s = max(self._seen_bytes_per_s, bytes_carried / round_trip_s)

    def asked_in_vain(self) -> None:
        """A request was repeated although its reply was on its way."""
        self._floor_s = min(2 * self._floor_s, _HIGHEST_FLOOR_S)

    def timeout_s(self, tries: int) -> float:
        """Time to wait before a request is sent again that was sent in vain so many times."""
        first = _FIRST_TIMEOUT_S if self._mean_s is None else max(self._mean_s + 4 * self._deviation_s, self._floor_s)
        return min(first * 2**tries, _LONGEST_TIMEOUT_S)

    def wire_s(self, bytes_under_way: int, baud: int | None) -> float:
        """Time that bytes take at that rate, of which a pseudo terminal and a USB serial port know nothing."""
        if baud is None:
            return 0.0
        return bytes_under_way / max(baud / _BITS_A_BYTE, self._seen_bytes_per_s)
