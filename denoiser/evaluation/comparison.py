"""Several denoisers on the same noisy photographs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from denoiser.evaluation.candidates import Candidate
from denoiser.evaluation.crops import SHOTS_SHOWN, CropRow, Spot, crop_row
from denoiser.evaluation.scenes import Photograph, scenes_of
from denoiser.evaluation.scores import Score, by_level, mean, score
from isp.cli.console import Progress


@dataclass(frozen=True)
class SceneScore:
    """Score of one photograph at one noise level."""

    photograph: str
    shot: float
    score: Score


@dataclass(frozen=True)
class Result:
    """Scores of one denoiser, or of the noisy input itself."""

    label: str
    scenes: tuple[SceneScore, ...]

    @property
    def levels(self) -> Mapping[float, Score]:
        """Mean over the photographs at each noise level, keyed by shot noise."""
        return by_level((scene.shot, scene.score) for scene in self.scenes)

    @property
    def mean(self) -> Score:
        """Mean over the levels."""
        return mean(self.levels.values())


@dataclass(frozen=True)
class Comparison:
    """results: one for each candidate, in their order."""

    folder: Path
    photographs: tuple[Photograph, ...]
    candidates: tuple[Candidate, ...]
    noisy: Result
    results: tuple[Result, ...]
    crops: tuple[CropRow, ...]


def compare(
    folder: Path, photographs: Sequence[Photograph], candidates: Sequence[Candidate], spots: Iterable[Spot]
) -> Comparison:
    """Denoises every photograph at every level by every candidate; says on stderr which is done.

    spots: parts of the photographs to keep as pictures.
    """
    noisy: list[SceneScore] = []
    scores: dict[str, list[SceneScore]] = {candidate.label: [] for candidate in candidates}
    rows: dict[tuple[Spot, float], CropRow] = {}
    wanted = list(spots)
    with Progress(len(photographs)) as progress:
        for photograph in photographs:
            for scene in scenes_of(photograph):
                progress.show(f"{photograph.path.name}, shot noise {scene.shot:.1e}")
                noisy.append(SceneScore(photograph.path.name, scene.shot, score(scene.noisy, scene)))
                outputs = {
                    c.label: c.denoise(scene.noisy.copy(), scene.cfa, scene.shot, scene.read) for c in candidates
                }
                for label, output in outputs.items():
                    scores[label].append(SceneScore(photograph.path.name, scene.shot, score(output, scene)))
                if scene.shot in SHOTS_SHOWN:
                    here = [spot for spot in wanted if spot.photograph == photograph]
                    rows.update({(spot, scene.shot): crop_row(spot, scene, outputs) for spot in here})
            progress.finish_item(photograph.path.name)
    return Comparison(
        folder,
        tuple(photographs),
        tuple(candidates),
        Result("noisy input", tuple(noisy)),
        tuple(Result(label, tuple(rows)) for label, rows in scores.items()),
        tuple(rows[spot, shot] for spot in wanted for shot in SHOTS_SHOWN),
    )
