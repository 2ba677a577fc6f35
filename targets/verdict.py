"""Is what a device computes what the float model computes? One tile's output held against its reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Generic, TypeVar

import numpy as np

from isp.cli.table import aligned
from isp.psnr import psnr_db
from targets.descriptions import Threshold
from targets.golden import GoldenTile

_LEAST_RMS = 1e-10
_HEADER = ("specialist", "tile", "size", "shot", "max error", "RMS error", "PSNR", "noisy", "float", "target", "loss")


@dataclass(frozen=True)
class Measures:
    """How an output differs from the float reference, and both from the clean tile.

    max_error, rms_error: relative to full scale; of values beyond it, to the value itself. psnr_db: of the output
    against the reference, 200 where they are equal. noisy_psnr_db, reference_psnr_db, output_psnr_db: raw PSNR of
    the input, the reference and the output against the clean tile, clipped to [0, 1]. quality_loss_db: positive where
    the output is worse than the reference.
    """

    max_error: float
    rms_error: float
    psnr_db: float
    noisy_psnr_db: float
    reference_psnr_db: float
    output_psnr_db: float
    quality_loss_db: float


@dataclass(frozen=True)
class TileRun:
    """What came of one tile.

    output: float32 [height, width], None where there is none of that size; its values may be anything. arena_bytes,
    best_s: None where whatever ran the tile did not report them; best_s is the least time of a run by the clock of
    the machine that ran it. failure: why there is no output that could be judged, or why it cannot be trusted; ""
    where nothing is wrong.
    """

    output: np.ndarray | None
    arena_bytes: int | None
    best_s: float | None
    failure: str


@dataclass(frozen=True)
class TileResult:
    """One golden tile on the target.

    output, arena_bytes, best_s: as in `TileRun`. measures: None where there is no finite output. failure: what is
    wrong in one clear sentence, "" where nothing is.
    """

    specialist: str
    tile: GoldenTile
    output: np.ndarray | None
    measures: Measures | None
    arena_bytes: int | None
    best_s: float | None
    failure: str

    def as_dict(self) -> dict[str, object]:
        return {
            "specialist": self.specialist,
            "tile": self.tile.name,
            "width": self.tile.width,
            "height": self.tile.height,
            "shot": list(self.tile.shot),
            "read": list(self.tile.read),
            "arena_bytes": self.arena_bytes,
            "best_s": self.best_s,
            "measures": asdict(self.measures) if self.measures else None,
            "failure": self.failure or None,
        }


Result = TypeVar("Result", bound=TileResult)


@dataclass(frozen=True)
class Column(Generic[Result]):
    """A column that a table has besides the measures. cell: a result's text."""

    heading: str
    cell: Callable[[Result], str]


def judged(run: TileRun, specialist: str, tile: GoldenTile, threshold: Threshold) -> TileResult:
    """A tile's run held against its reference and the threshold."""
    failure, measures = run.failure, None
    if run.output is not None:
        strange = ~np.isfinite(run.output)
        if not strange.any():
            measures = measure(run.output, tile)
            failure = failure or _beyond(measures, threshold)
        elif not failure:
            row, column = np.argwhere(strange)[0]
            count = np.count_nonzero(strange)
            failure = f"{count} values of the output are not finite, the first in row {row}, column {column}"
    return TileResult(specialist, tile, run.output, measures, run.arena_bytes, run.best_s, failure)


def measure(output: np.ndarray, tile: GoldenTile) -> Measures:
    """output: float32 [height, width] of the tile, all finite."""
    reference = tile.reference.astype(np.float64)
    error = np.abs(output - reference) / np.maximum(1, np.abs(reference))
    rms = float(np.sqrt(np.square(error).mean()))
    noisy_db, reference_db, output_db = (psnr_db(part, tile.clean) for part in (tile.noisy, tile.reference, output))
    return Measures(
        max_error=float(error.max()),
        rms_error=rms,
        psnr_db=float(-20 * np.log10(max(rms, _LEAST_RMS))),
        noisy_psnr_db=noisy_db,
        reference_psnr_db=reference_db,
        output_psnr_db=output_db,
        quality_loss_db=reference_db - output_db,
    )


def worst(results: Sequence[TileResult]) -> Measures | None:
    """The worst of every measure, each from the tile where it is worst; None where nothing was measured."""
    measured = [result.measures for result in results if result.measures]
    if not measured:
        return None
    return Measures(
        max_error=max(m.max_error for m in measured),
        rms_error=max(m.rms_error for m in measured),
        psnr_db=min(m.psnr_db for m in measured),
        noisy_psnr_db=min(m.noisy_psnr_db for m in measured),
        reference_psnr_db=min(m.reference_psnr_db for m in measured),
        output_psnr_db=min(m.output_psnr_db for m in measured),
        quality_loss_db=max(m.quality_loss_db for m in measured),
    )


def table(
    results: Sequence[Result],
    limits: Threshold | None,
    columns: Sequence[Column[Result]] = (),
    notes: Sequence[str] = (),
) -> str:
    """The results for a terminal: a line per tile, notes, then what failed.

    limits: None where errors and loss are told, and something else decides. columns: what stands before the verdict.
    """
    header = (*_HEADER, *(column.heading for column in columns), "")
    rows = [header, *(_row(result, columns) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text_columns = {0, 1, len(header) - 1}
    cells = [
        [cell if column in text_columns else cell.rjust(widths[column]) for column, cell in enumerate(row)]
        for row in rows
    ]
    most_error = f", at most {limits.max_error:g}" if limits else ""
    most_loss = f"; loss at most {limits.quality_loss_db:g} dB" if limits else ""
    about = (
        f"  Errors are relative to full scale{most_error}. PSNR in dB: against the float reference,",
        f"  then of input, reference and output against the clean tile{most_loss}.",
        *notes,
    )
    failures = [
        f"  {result.specialist}, tile {result.tile.name}: {result.failure}" for result in results if result.failure
    ]
    return "\n".join([aligned(cells), *about, *failures])


def _row(result: Result, columns: Sequence[Column[Result]]) -> tuple[str, ...]:
    m = result.measures
    numbers: tuple[str, ...] = ("-",) * 7
    if m is not None:
        errors = (f"{m.max_error:.1e}", f"{m.rms_error:.1e}", f"{m.psnr_db:.1f}")
        quality = (f"{m.noisy_psnr_db:.2f}", f"{m.reference_psnr_db:.2f}", f"{m.output_psnr_db:.2f}")
        numbers = (*errors, *quality, f"{m.quality_loss_db:+.4f}")
    tile = result.tile
    facts = (result.specialist, tile.name, f"{tile.width}x{tile.height}", f"{tile.shot[1]:.1e}")
    verdict = "FAILS" if result.failure else "ok"
    return (*facts, *numbers, *(column.cell(result) for column in columns), verdict)


def _beyond(measures: Measures, threshold: Threshold) -> str:
    """What exceeds the threshold; "" where nothing does."""
    complaints = []
    if measures.max_error > threshold.max_error:
        complaints.append(f"max error {measures.max_error:.3g}, expected at most {threshold.max_error:g}")
    if measures.quality_loss_db > threshold.quality_loss_db:
        limit = f"expected at most {threshold.quality_loss_db:g} dB"
        complaints.append(f"quality loss {measures.quality_loss_db:.4f} dB, {limit}")
    return "; ".join(complaints)
