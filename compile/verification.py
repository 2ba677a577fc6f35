"""Does a bundle compute what the float model computes? Its golden tiles, run on the target's instruction set.

Every tile goes through `runner.c`, linked with the bundle's library, natively or under an emulator; where there is no
operating system, `machine_verification` does the same. What fails leaves its evidence in the bundle's folder
`evidence`: the output, and the circumstances as text.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from compile.golden_run import GoldenRun, run_tile
from isp.atomic import replacing
from targets import golden, verdict
from targets.descriptions import Threshold
from targets.golden import GoldenTile
from targets.verdict import Measures, TileResult, judged

log = logging.getLogger(__name__)

EVIDENCE = "evidence"
TIMEOUT_S = 120.0

RunTile = Callable[[int, str, GoldenTile], GoldenRun]
"""Runs a tile by the specialist of that number, which must have that name."""


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
        return verdict.worst(self.results)

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
    command = (*command_prefix, str(runner.resolve()))

    def run(number: int, specialist: str, tile: GoldenTile) -> GoldenRun:
        return run_tile(command, number, specialist, tile, timeout_s=timeout_s)

    return verify_by(run, bundle, command, threshold)


def verify_by(run_tile: RunTile, bundle: Path, command: tuple[str, ...], threshold: Threshold) -> Verification:
    """As `verify`, by any way to run a tile. command: what the report says of it. Raises what `run_tile` raises."""
    sets = golden.read(bundle / golden.FOLDER)
    evidence = bundle / EVIDENCE
    if evidence.is_dir():
        shutil.rmtree(evidence)
    results = []
    for number, golden_set in enumerate(sets):
        for tile in golden_set.tiles:
            run = run_tile(number, golden_set.specialist, tile)
            result = judged(run, golden_set.specialist, tile, threshold)
            log.debug("%s, tile %s: %s", golden_set.specialist, tile.name, result.failure or "passes")
            if result.failure:
                _keep(evidence, f"{number}-{tile.name}", result.failure, run)
            results.append(result)
    return Verification(command, threshold, tuple(results))


def _keep(folder: Path, name: str, failure: str, run: GoldenRun) -> None:
    folder.mkdir(exist_ok=True)
    for suffix, content in ((".f32", run.written), (".txt", f"{failure}\n\n{run.evidence}".encode())):
        with replacing(folder / f"{name}{suffix}") as temporary:
            temporary.write_bytes(content)
