"""Does a bundle compute what the float model computes? Its golden tiles, run on the target's instruction set.

Every tile goes through `runner.c`, linked with the bundle's library, natively or under an emulator. What fails leaves
its evidence in the bundle's folder `evidence`: the output, and the circumstances as text.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from compile import golden
from compile.golden import GoldenTile
from compile.golden_run import GoldenRun, run_tile
from denoiser.evaluation.scores import psnr_db
from isp.atomic import replacing
from isp.cli.table import aligned
from targets.descriptions import Threshold

log = logging.getLogger(__name__)

GOLDEN = "golden"
EVIDENCE = "evidence"
TIMEOUT_S = 120.0
_LEAST_RMS = 1e-10


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
class TileResult:
    """One golden tile on the target.

    output: float32 [height, width], None where there is none of that size. measures: None where there is no finite
    output. arena_bytes, best_s: as the runner reports them, None where it did not; best_s is processor time. failure:
    what is wrong in one clear sentence, "" where nothing is.
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


@dataclass(frozen=True)
class Verification:
    """Results of all golden tiles of a bundle. command: what ran them, but for the arguments of each tile."""

    command: tuple[str, ...]
    threshold: Threshold
    results: tuple[TileResult, ...]

    @property
    def failures(self) -> tuple[TileResult, ...]:
        return tuple(result for result in self.results if result.failure)

    @property
    def passes(self) -> bool:
        return bool(self.results) and not self.failures

    @property
    def worst(self) -> Measures | None:
        """The worst of every measure, each from the tile where it is worst; None where nothing was measured."""
        measured = [result.measures for result in self.results if result.measures]
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

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        worst = self.worst
        return {
            "passes": self.passes,
            "command": list(self.command),
            "threshold": asdict(self.threshold),
            "worst": asdict(worst) if worst else None,
            "tiles": [result.as_dict() for result in self.results],
        }


def verify(
    bundle: Path, command_prefix: Sequence[str], runner: Path, threshold: Threshold, *, timeout_s: float = TIMEOUT_S
) -> Verification:
    """Runs every golden tile of a bundle and measures what comes out.

    command_prefix: what runs programs for the target here, an emulator and its options, or nothing. runner: `runner.c`
    linked with the bundle's library. threshold: the target's, for the bundle's precision. timeout_s: of one tile.
    Raises InputError for golden tiles that cannot be used, ConfigError where the runner or the emulator cannot be
    started; whatever else goes wrong is a result's failure.
    """
    sets = golden.read(bundle / GOLDEN)
    evidence = bundle / EVIDENCE
    if evidence.is_dir():
        shutil.rmtree(evidence)
    command = (*command_prefix, str(runner.resolve()))
    results = []
    for number, golden_set in enumerate(sets):
        for tile in golden_set.tiles:
            run = run_tile(command, number, golden_set.specialist, tile, timeout_s=timeout_s)
            result = judged(run, golden_set.specialist, tile, threshold)
            log.debug("%s, tile %s: %s", golden_set.specialist, tile.name, result.failure or "passes")
            if result.failure:
                _keep(evidence, f"{number}-{tile.name}", result.failure, run)
            results.append(result)
    return Verification(command, threshold, tuple(results))


def judged(run: GoldenRun, specialist: str, tile: GoldenTile, threshold: Threshold) -> TileResult:
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


def table(verification: Verification) -> str:
    """The results for a terminal: a line per tile, then what failed."""
    header = (
        "specialist",
        "tile",
        "size",
        "shot",
        "max error",
        "RMS error",
        "PSNR",
        "noisy",
        "float",
        "target",
        "loss",
    )
    rows = [(*header, ""), *map(_row, verification.results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text_columns = {0, 1, len(header)}
    cells = [
        [cell if column in text_columns else cell.rjust(widths[column]) for column, cell in enumerate(row)]
        for row in rows
    ]
    limits = verification.threshold
    notes = (
        f"  Errors are relative to full scale, at most {limits.max_error:g}. PSNR in dB: against the float reference,",
        f"  then of input, reference and output against the clean tile; loss at most {limits.quality_loss_db:g} dB.",
    )
    failures = [f"  {result.specialist}, tile {result.tile.name}: {result.failure}" for result in verification.failures]
    return "\n".join([aligned(cells), *notes, *failures])


def _row(result: TileResult) -> tuple[str, ...]:
    m = result.measures
    numbers: tuple[str, ...] = ("-",) * 7
    if m is not None:
        errors = (f"{m.max_error:.1e}", f"{m.rms_error:.1e}", f"{m.psnr_db:.1f}")
        quality = (f"{m.noisy_psnr_db:.2f}", f"{m.reference_psnr_db:.2f}", f"{m.output_psnr_db:.2f}")
        numbers = (*errors, *quality, f"{m.quality_loss_db:+.4f}")
    tile = result.tile
    facts = (result.specialist, tile.name, f"{tile.width}x{tile.height}", f"{tile.shot[1]:.1e}")
    return (*facts, *numbers, "FAILS" if result.failure else "ok")


def _beyond(measures: Measures, threshold: Threshold) -> str:
    """What exceeds the threshold; "" where nothing does."""
    complaints = []
    if measures.max_error > threshold.max_error:
        complaints.append(f"max error {measures.max_error:.3g}, expected at most {threshold.max_error:g}")
    if measures.quality_loss_db > threshold.quality_loss_db:
        limit = f"expected at most {threshold.quality_loss_db:g} dB"
        complaints.append(f"quality loss {measures.quality_loss_db:.4f} dB, {limit}")
    return "; ".join(complaints)


def _keep(folder: Path, name: str, failure: str, run: GoldenRun) -> None:
    folder.mkdir(exist_ok=True)
    for suffix, content in ((".f32", run.written), (".txt", f"{failure}\n\n{run.evidence}".encode())):
        with replacing(folder / f"{name}{suffix}") as temporary:
            temporary.write_bytes(content)
