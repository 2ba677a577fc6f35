"""How a result came about, as JSON: enough to make it again and to tell whether it was."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from isp.atomic import replacing
from isp.noise.model import NoiseModel
from isp.pipeline import Pipeline
from isp.stage import Signal

LIBRARIES = ("numpy", "opencv-python", "rawpy", "tifffile", "torch")

Timings = tuple[tuple[str, float], ...]
"""(step, seconds), in the order in which they ran."""


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(pipeline: Pipeline) -> dict[str, str]:
    """Versions of Python, of the packages whose stages run, and of the libraries below them."""
    found = {"python": platform.python_version()}
    for step in pipeline.steps:
        found[step.source.package] = step.source.version
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def noise_value(noise: NoiseModel | None) -> dict[str, object] | None:
    """A noise model for JSON."""
    if noise is None:
        return None
    return {"shot": list(noise.shot), "read": list(noise.read), "origin": noise.origin.name.lower()}


def sidecar_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def write_sidecar(target: Path, source: Path, pipeline: Pipeline, signal: Signal, timings: Timings) -> None:
    """Writes `target`.json. Its "pipeline" is a pipeline file's content with every default spelled out,
    "decisions" what stages chose by the data. signal: what the last stage left."""
    content = {
        "source": {"path": str(source), "sha256": sha256(source)},
        "result": {"path": str(target), "sha256": sha256(target)},
        "pipeline": pipeline.resolved(),
        "origins": {step.name: step.source.origin for step in pipeline.steps},
        "noise": noise_value(signal.noise),
        "decisions": dict(signal.decisions),
        "timings_s": {name: round(time_s, 6) for name, time_s in timings},
        "versions": versions(pipeline),
        "machine": {"system": platform.platform(), "processor": platform.machine()},
    }
    with replacing(sidecar_path(target)) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
