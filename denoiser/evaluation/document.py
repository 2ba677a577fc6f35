"""An evaluation as JSON: every score, what was scored, and by which protocol."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from denoiser.evaluation.candidates import Candidate
from denoiser.evaluation.comparison import Comparison, Result
from denoiser.evaluation.data_set import DataSetScores, as_values
from denoiser.evaluation.rivals import PHOTOGRAPHS, RIVALS, measured_on, why_left_out
from denoiser.evaluation.scenes import PEDESTAL_DN, SEED, SHOTS, WHITE_DN, read_variance
from denoiser.evaluation.scores import DARK_BIAS_LIMITS, DARK_LEVEL

PACKAGES = ("fan-isp", "numpy", "opencv-python", "torch", "safetensors")

Value = dict[str, object]


def comparison_document(comparison: Comparison) -> Value:
    """Scores on photographs; PSNR in dB, dark bias in units of 1e-4 of full scale."""
    known = measured_on(comparison.noisy.levels)
    rivals: Value = {"rivals": [asdict(rival) for rival in RIVALS]} if known else {"rivals": []}
    if not known:
        rivals["rivals_left_out"] = why_left_out(comparison.noisy.levels)
    return {
        "source": {
            "kind": "photographs",
            "folder": str(comparison.folder),
            "photographs": [photograph.path.name for photograph in comparison.photographs],
            "recognised_as": PHOTOGRAPHS if known else None,
        },
        "protocol": {
            "seed": SEED,
            "pedestal_dn": PEDESTAL_DN,
            "white_dn": WHITE_DN,
            "dark_level": DARK_LEVEL,
            "levels": [
                {"shot": shot, "read": read_variance(shot), "dark_bias_limit": limit}
                for shot, limit in zip(SHOTS, DARK_BIAS_LIMITS, strict=True)
            ],
        },
        "noisy": _result(comparison.noisy),
        "models": [
            {**_candidate(candidate), **_result(result)}
            for candidate, result in zip(comparison.candidates, comparison.results, strict=True)
        ],
        **rivals,
        "versions": versions(),
    }


def data_set_document(scores: DataSetScores) -> Value:
    """Scores on captures; the names and units are those of the data set's score."""
    return {
        "source": {"kind": scores.kind, "folder": str(scores.folder)},
        "models": [
            {**_candidate(candidate), "scores": [as_values(row) for row in rows]}
            for candidate, rows in zip(scores.candidates, scores.rows, strict=True)
        ],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the scores."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # a checkout that isn't installed
            continue
    return found


def _candidate(candidate: Candidate) -> Value:
    return {"model": candidate.label, "networks": [asdict(network) for network in candidate.networks]}


def _result(result: Result) -> Value:
    return {
        "levels": [{"shot": shot, **asdict(score)} for shot, score in result.levels.items()],
        "mean": asdict(result.mean),
        "photographs": [
            {"photograph": scene.photograph, "shot": scene.shot, **asdict(scene.score)} for scene in result.scenes
        ],
    }
