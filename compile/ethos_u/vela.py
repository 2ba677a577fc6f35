"""Vela, Arm's compiler for Ethos-U: a TOSA graph to a command stream, and what it expects that to take.

Vela runs in a process of its own: it may end on a graph that it cannot compile, and it is sparing with reasons.

References
----------
Arm, Vela: `OPTIONS.md`, `PERFORMANCE.md` (estimates are within about 10 % of the hardware's cycles, it says there).
"""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from compile.network_graph import UnsupportedOperator
from targets.descriptions import Npu
from targets.toolchain import ToolchainError

CONFIGURATION = "Arm/vela.ini"
TIMEOUT_S = 600.0
_SHOWN_LINES = 4


@dataclass(frozen=True)
class Estimates:
    """What Vela works out; nobody has measured it.

    cycles: of one tile. clock_hz: of its system configuration. operators: that the NPU computes, of all.
    """

    cycles: int
    clock_hz: float
    macs: int
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    operators: int
    npu_operators: int


@dataclass(frozen=True)
class Place:
    """Where a tensor lies: bytes into a region."""

    region: int
    offset: int
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Compiled:
    """payload: what the driver is given, the command stream in it. weights: the constants, compressed. Regions are
    indices into the driver's base addresses; fast_bytes is 0 where the accelerator has no memory of its own. raw: the
    .npz as Vela wrote it."""

    payload: bytes
    weights: bytes
    weights_region: int
    scratch_bytes: int
    scratch_region: int
    fast_bytes: int
    fast_region: int
    input: Place
    output: Place
    estimates: Estimates
    raw: bytes


def installed() -> str:
    """Vela's version."""
    return version("ethos-u-vela")


def compiled(graph: bytes, npu: Npu, *, python: str = sys.executable, timeout_s: float = TIMEOUT_S) -> Compiled:
    """A TOSA graph for an NPU. python: the interpreter whose Vela it is.

    Raises UnsupportedOperator with what Vela says of a graph that it cannot compile for it, ToolchainError where Vela
    itself fails.
    """
    with tempfile.TemporaryDirectory(prefix="fan-vela-") as temporary:
        folder = Path(temporary)
        source = folder / "network.tosa"
        source.write_bytes(graph)
        said = _run(source, npu, folder, python, timeout_s)
        (raw,) = folder.glob("*.npz")
        (summary,) = folder.glob("*_summary_*.csv")
        with summary.open(newline="", encoding="utf-8") as rows:
            row = next(csv.DictReader(rows))
        estimates = _estimates(row, said)
        if estimates.npu_operators != estimates.operators:
            count = estimates.operators - estimates.npu_operators
            raise UnsupportedOperator(f"Vela leaves {count} operators to the CPU", expected="none")
        with np.load(raw) as content:
            return _read(content, estimates, raw.read_bytes())


def _run(source: Path, npu: Npu, folder: Path, python: str, timeout_s: float) -> str:
    command = [python, "-m", "ethosu.vela", str(source), "--output-dir", str(folder), "--output-format", "raw"]
    command += ["--accelerator-config", npu.accelerator, "--config", CONFIGURATION]
    command += ["--system-config", npu.system_configuration, "--memory-mode", npu.memory_mode]
    command += ["--arena-cache-size", str(npu.sram_bytes)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise ToolchainError(f"Vela: no result after {timeout_s:g} s") from error
    if done.returncode:
        reason = _reason(done.stdout + done.stderr)
        if re.search(r"not supported|unsupported", reason, re.IGNORECASE):
            raise UnsupportedOperator(f"{npu.accelerator}: {reason}", expected="what Vela can compile for it")
        raise ToolchainError(f"Vela ended with {done.returncode}: {reason}")
    return done.stdout


def _reason(said: str) -> str:
    """Why Vela gave up: what its compiler complains of, how it fell over, or the last lines of what it said."""
    if complaint := re.search(r"^RuntimeError: Compilation failed: (.*)", said, re.MULTILINE | re.DOTALL):
        return " ".join(complaint[1].split())
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if lines and re.match(r"\w+(Error|Exception): ", lines[-1]):
        return lines[-1]
    return " ".join(lines[-_SHOWN_LINES:])


def _estimates(row: dict[str, str], said: str) -> Estimates:
    def kibibytes(*names: str) -> int:
        return round(1024 * sum(float(row[name]) for name in names))

    counts = {kind: int(count) for kind, count in re.findall(r"^(CPU|NPU) operators = (\d+)", said, re.MULTILINE)}
    if counts.keys() != {"CPU", "NPU"}:
        raise ToolchainError(f"Vela {installed()} does not say how many operators the NPU computes")
    return Estimates(
        cycles=round(float(row["cycles_total"])),
        clock_hz=float(row["core_clock"]),
        macs=round(float(row["nn_macs"])),
        sram_bytes=kibibytes("sram_memory_used"),
        dram_bytes=kibibytes("dram_memory_used"),
        flash_bytes=kibibytes("on_chip_flash_memory_used", "off_chip_flash_memory_used"),
        operators=sum(counts.values()),
        npu_operators=counts["NPU"],
    )


def _read(content: NpzFile, estimates: Estimates, raw: bytes) -> Compiled:
    return Compiled(
        payload=content["cmd_data"].tobytes(),
        weights=content["weight_data"].tobytes(),
        weights_region=int(content["weight_region"]),
        scratch_bytes=int(content["scratch_size"]),
        scratch_region=int(content["scratch_region"]),
        fast_bytes=int(content["scratch_fast_size"]),
        fast_region=int(content["scratch_fast_region"]),
        input=_place(content, "input"),
        output=_place(content, "output"),
        estimates=estimates,
        raw=raw,
    )


def _place(content: NpzFile, kind: str) -> Place:
    (region,), (offset,), (shape,) = (content[f"{kind}_{part}"] for part in ("region", "offset", "shape"))
    return Place(int(region), int(offset), tuple(int(size) for size in shape[-4:]))
