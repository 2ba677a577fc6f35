"""Timings of interleaved rounds, compared round by round, and the table that shows them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

HEADER = (
    "| engine | version | cut into | max error | ms | GFLOP/s | of sgemm | time over compiled | peak MB | loaded MB |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Ratio:
    """A time over another of the same round: the median of the rounds, and the quartiles."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def paired_ratio(times_s: Sequence[float], base_s: Sequence[float]) -> Ratio:
    """Of times and those of the base, round by round. What slows a whole round down cancels out."""
    ratios = [time_s / of_base_s for time_s, of_base_s in zip(times_s, base_s, strict=True)]
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high)


@dataclass(frozen=True)
class Measurement:
    """One engine. cut: what the image was cut into. max_error: against float64; None for what denoises nothing.

    times_s: one for each round. peak_bytes: the process's largest resident set; loaded_bytes: of that, before the
    first run. flop: of one run, halos not counted.
    """

    title: str
    version: str
    cut: str
    max_error: float | None
    times_s: tuple[float, ...]
    flop: float
    peak_bytes: int
    loaded_bytes: int

    @property
    def median_s(self) -> float:
        return statistics.median(self.times_s)

    @property
    def gflop_per_s(self) -> float:
        return self.flop / self.median_s / 1e9


@dataclass(frozen=True)
class Absence:
    """An engine that was not timed, and why."""

    title: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Engines on one image with as many threads, in rounds in which each had its turn.

    sgemm, compiled: the yardstick, and what the others are compared with; None if it was not timed. others: further
    ways to run the compiled library. peers: the other engines.
    """

    image: str
    threads: int
    sgemm: Measurement | None
    compiled: Measurement | None
    others: tuple[Measurement, ...]
    peers: tuple[Measurement, ...]
    absent: tuple[Absence, ...]

    def ratio(self, one: Measurement) -> Ratio | None:
        """Its time over the compiled library's; more than 1 where the library is faster."""
        return None if self.compiled is None else paired_ratio(one.times_s, self.compiled.times_s)

    def fastest_peer(self) -> Measurement | None:
        return min(self.peers, key=lambda peer: peer.median_s, default=None)

    def table(self) -> str:
        """In Markdown, the fastest peer first, and a line with the verdict."""
        rounds = {len(one.times_s) for one in self._timed()}
        lines = [
            f"### {self.image}, {self.threads} thread{'s' * (self.threads > 1)}, "
            f"medians of {max(rounds, default=0)} rounds",
            "",
            HEADER,
            *(self._row(one) for one in self._timed()),
            *(f"| {one.title} | {one.reason} |" + " |" * 8 for one in self.absent),
        ]
        return "\n".join([*lines, "", self._verdict(), ""])

    def as_dict(self) -> dict[str, object]:
        """For machines: what was measured, and what follows from it."""

        def described(one: Measurement) -> dict[str, object]:
            ratio = self.ratio(one) if one is not self.sgemm else None
            derived = {"median_s": one.median_s, "gflop_per_s": one.gflop_per_s}
            return asdict(one) | derived | {"time_over_compiled": None if ratio is None else asdict(ratio)}

        return {
            "image": self.image,
            "threads": self.threads,
            "sgemm": None if self.sgemm is None else described(self.sgemm),
            "compiled": None if self.compiled is None else described(self.compiled),
            "others": [described(one) for one in self.others],
            "peers": [described(one) for one in self.peers],
            "absent": [asdict(one) for one in self.absent],
        }

    def _timed(self) -> list[Measurement]:
        first = [one for one in (self.sgemm, self.compiled) if one is not None]
        return [*first, *self.others, *sorted(self.peers, key=lambda peer: peer.median_s)]

    def _row(self, one: Measurement) -> str:
        share = "" if self.sgemm is None else f"{one.gflop_per_s / self.sgemm.gflop_per_s:.0%}"
        ratio = self.ratio(one) if one not in (self.sgemm, self.compiled) else None
        cells = (
            one.title,
            one.version,
            one.cut,
            "" if one.max_error is None else f"{one.max_error:.1e}",
            f"{1e3 * one.median_s:.2f}",
            f"{one.gflop_per_s:.1f}",
            share,
            "" if ratio is None else str(ratio),
            f"{one.peak_bytes / 1e6:.0f}",
            f"{one.loaded_bytes / 1e6:.0f}",
        )
        return f"| {' | '.join(cells)} |"

    def _verdict(self) -> str:
        fastest = self.fastest_peer()
        if fastest is None or self.compiled is None:
            return "Nothing to compare."
        return f"The fastest peer, {fastest.title}, takes {self.ratio(fastest)} times as long as the compiled library."
