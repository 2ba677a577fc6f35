"""What a bundle's golden tiles came to on a board: results, the board, its link, as JSON and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from targets import npu_check, verdict
from targets.descriptions import Threshold
from targets.npu_bundle import AnyBundle, NpuBundle
from targets.verdict import Column, Measures, TileResult

_NPU_NOTES = (
    "  Integers: the NPU's answer against the bundle's, which must be equal. Border: how far the mosaic lies from what",
    f"  they stand for, in steps of the network's input, at most {npu_check.BORDER_STEPS:g}.",
)


@dataclass(frozen=True)
class BoardFacts:
    """What the board says of itself. url: where it was found. features: what its core can do."""

    url: str
    board: str
    core: str
    build: str
    abi: int
    bundle_id: str
    features: str
    tick_hz: int
    memory_bytes: int


@dataclass(frozen=True)
class LinkQuality:
    """How the link did. transfer_s: of the tiles' wall time, what the board did not compute. round_trip_s: of a few
    bytes. dropped_frames: the board's own count of those that were damaged."""

    bytes_sent: int
    bytes_received: int
    retransmits: int
    bad_frames: int
    reconnects: int
    resets: int
    dropped_frames: int
    baud: int | None
    round_trip_s: float
    transfer_s: float


@dataclass(frozen=True)
class Validation:
    """Results of a bundle's golden tiles on a board. best_s of a result is by the board's clock.

    threshold: None for an NPU, whose integers are compared. peak_arena_bytes: as the board counts. warnings: what does
    not change the verdict, yet should be known. console: what the board said between frames.
    """

    bundle: AnyBundle
    board: BoardFacts
    threshold: Threshold | None
    results: tuple[TileResult, ...]
    link: LinkQuality
    peak_arena_bytes: int
    warnings: tuple[str, ...]
    console: tuple[str, ...]

    @property
    def failures(self) -> tuple[TileResult, ...]:
        return tuple(result for result in self.results if result.failure)

    @property
    def passes(self) -> bool:
        return bool(self.results) and not self.failures

    @property
    def worst(self) -> Measures | None:
        return verdict.worst(self.results)

    @property
    def npu_columns(self) -> tuple[Column[TileResult], ...]:
        """What tables say of an NPU; nothing where there is none."""
        return npu_check.COLUMNS if isinstance(self.bundle, NpuBundle) else ()

    @property
    def megapixels_per_s(self) -> float | None:
        """Throughput over all tiles, halos included, by the board's clock; None where it stood still."""
        timed_s = sum(result.best_s or 0.0 for result in self.results)
        pixels = sum(result.tile.width * result.tile.height for result in self.results if result.best_s)
        return pixels / timed_s / 1e6 if timed_s else None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        worst, manifest = self.worst, self.bundle.manifest
        return {
            "passes": self.passes,
            "bundle": {
                "folder": str(self.bundle.folder),
                "target": manifest.target,
                "precision": str(manifest.precision),
                "family": manifest.family,
            },
            "board": asdict(self.board),
            "threshold": asdict(self.threshold) if self.threshold else None,
            "worst": asdict(worst) if worst else None,
            "megapixels_per_s": self.megapixels_per_s,
            "peak_arena_bytes": self.peak_arena_bytes,
            "link": asdict(self.link),
            "warnings": list(self.warnings),
            "console": list(self.console),
            "tiles": [{**result.as_dict(), "megapixels_per_s": speed_of(result)} for result in self.results],
        }


def speed_of(result: TileResult) -> float | None:
    """Megapixels in a second, by the board's clock; None where it tells nothing."""
    return result.tile.width * result.tile.height / result.best_s / 1e6 if result.best_s else None


def table(validation: Validation) -> str:
    """The results for a terminal: a line per tile, what failed, then the board, its speed, memory and link."""
    columns = (
        Column[TileResult]("time", lambda result: f"{1e3 * result.best_s:.1f} ms" if result.best_s else "-"),
        Column[TileResult]("MP/s", lambda result: f"{speed:.3g}" if (speed := speed_of(result)) else "-"),
        *validation.npu_columns,
    )
    board, link, speed = validation.board, validation.link, validation.megapixels_per_s
    manifest = validation.bundle.manifest
    baud = f", {link.baud} baud" if link.baud else ""
    lines = [
        verdict.table(validation.results, validation.threshold, columns, _NPU_NOTES if validation.npu_columns else ()),
        "",
        f"  board   {board.board} at {board.url}, its core has {board.features}; agent by {board.build}",
        f"  bundle  {validation.bundle.folder}: {manifest.target} {manifest.precision}, {board.bundle_id[:12]}",
        f"  speed   {f'{speed:.3g} MP/s' if speed else 'unknown'}, by the board's clock",
        f"  memory  {validation.peak_arena_bytes:,} bytes of arena at the most, of {board.memory_bytes:,} for all",
        f"  link    {link.bytes_sent:,} bytes there, {link.bytes_received:,} back, {link.retransmits} sent again, "
        f"{link.reconnects} reconnects, round trip {1e3 * link.round_trip_s:.1f} ms{baud}",
        *(f"  warning: {warning}" for warning in validation.warnings),
    ]
    return "\n".join(lines)
