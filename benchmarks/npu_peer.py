"""ExecuTorch's Arm backend, in an environment of its own: the graph that it makes of a network of ours."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers.executorch_ethos_u import GRAPH, OUTCOME, EthosUJob
from compile.ethos_u import calibration
from compile.ethos_u.integer_graph import Precision
from compile.networks import SourceNetwork
from isp.errors import ConfigError
from targets.descriptions import Npu
from targets.toolchain import ToolchainError

ROOT = Path(__file__).parents[1]
PACKAGE = "executorch[ethos-u]"
CALIBRATION, JOB = "calibration.npy", "job.json"
TIMEOUT_S = 3600.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class PeerGraph:
    """graph: TOSA. delegates: in how many parts the network goes to the NPU. refused_as_it_is: what Vela says of the
    graph that ExecuTorch makes by itself; None where it compiles it. versions: of packages."""

    graph: bytes
    delegates: int
    refused_as_it_is: str | None
    versions: dict[str, str]


def family(npu: Npu) -> str:
    """Accelerators of the same family are given the same graph: the U65 that of the U55."""
    return "u85" if "u85" in npu.accelerator else "u55"


def graph(source: SourceNetwork, npu: Npu, precision: Precision, side_px: int, python: str, folder: Path) -> PeerGraph:
    """What ExecuTorch makes of a network for tiles of that side; made once and kept in a folder. Takes minutes.

    Raises ConfigError where that Python has no ExecuTorch, ToolchainError where it fails.
    """
    place = (folder / f"{source.member.sha256[:12]}-{family(npu)}-{precision}-{side_px}").resolve()
    if not (place / OUTCOME).exists():
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / CALIBRATION, np.concatenate(list(calibration.images(source.header.shot_range))))
        job = EthosUJob(
            weights=str(source.member.path.resolve()),
            calibration=str(place / CALIBRATION),
            folder=str(place),
            side=side_px // 2,
            precision=str(precision),
            accelerator=npu.accelerator,
            system_configuration=npu.system_configuration,
            memory_mode=npu.memory_mode,
            vela_options=(f"--arena-cache-size={npu.sram_bytes}",),
        )
        (place / JOB).write_text(json.dumps(asdict(job)), encoding="utf-8")
        _run(python, place / JOB)
    content = json.loads((place / OUTCOME).read_text(encoding="utf-8"))
    return PeerGraph(graph=(place / GRAPH).read_bytes(), **content)


def _run(python: str, job: Path) -> None:
    command = [python, "-m", "benchmarks.peers.executorch_ethos_u", str(job)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | _ONE_THREAD,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ConfigError(f"{python}: {error.strerror}", expected="the Python of the peers") from error
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"ExecuTorch: no result after {TIMEOUT_S:g} s") from error
    if done.returncode:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "without a word")
        if last.startswith("ModuleNotFoundError"):
            raise ConfigError(f"{python}: {last}", remedy=f"install {PACKAGE!r}, safetensors and pydantic there")
        raise ToolchainError(f"ExecuTorch ended with {done.returncode}: {last}")
