"""Cycles that a core needs for a basic block, by LLVM's models of its pipelines.

llvm-mca runs a block over and over on a model of the core's front end, execution units and latencies, and the
cycles of one turn are its cost. Every load hits the first-level cache there: **caches, memory and branch
prediction are not modelled**. Comparing code that does the same work on the same data is what it is good for.

LLVM has no model of its own for each core. Those of the Cortex-A53 and the Cortex-A55 are their own. The Cortex-A72
shares that of its predecessor, the Cortex-A57. LLVM gives the Cortex-A76 this one, too, though it has twice the
vector units; here the Neoverse N1, the same core made for servers, stands for it.

The models have faults. That of the Cortex-A55 begins two multiply-accumulates of 128 bits in a cycle, but one addition
of 128 bits, and lets a load of 128 bits pass in a cycle beside others: the core's two vector units and its path to
memory have 64 bits each. Its cycles are too few, the more so for code that loads much. That of the Cortex-A53 makes
a sum wait for its last product in full, which the core does not.

References
----------
LLVM's manual, "llvm-mca - LLVM Machine Code Analyzer".
"Arm Neoverse N1 Platform", Hot Chips 31, 2019: its relation to the Cortex-A76.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from compile.cost.block_counts import INSTRUCTION_BYTES
from compile.cost.machine_code import FEATURES, call_llvm, disassembled, llvm_tool, llvm_version
from isp.atomic import replacing
from isp.errors import ConfigError
from isp.registry import nearest
from targets.toolchain import ToolchainError

MODELS: Final[Mapping[str, str]] = {
    "cortex-a53": "cortex-a53",
    "cortex-a55": "cortex-a55",
    "cortex-a72": "cortex-a57",
    "cortex-a76": "neoverse-n1",
}
"""The cores whose cycles can be told, and LLVM's core that stands for each."""
_SIMULATED: Final = 1024
"""Instructions that one block is simulated for, so that filling and draining the pipeline hardly count."""
_TURNS: Final = (4, 128)
_BATCH: Final = 256
"""Blocks in one call of llvm-mca."""


def cycles_per_block(codes: Iterable[bytes], core: str, cache: Path) -> Mapping[bytes, float]:
    """Cycles of one execution of each basic block of A64 code, given by its bytes, in the middle of many.

    core: one of MODELS. cache: folder that keeps what was found, by LLVM's version; made if there is none.
    Raises ConfigError for another core, ToolchainError where LLVM's tools are missing.
    """
    if core not in MODELS:
        raise ConfigError(
            f"no model of the core {core!r}", expected=f"one of {', '.join(MODELS)}", remedy=nearest(core, MODELS)
        )
    tool = llvm_tool("llvm-mca")
    kept = cache / f"cycles-{MODELS[core]}-llvm-{llvm_version(tool)}.json"
    known: dict[str, float] = json.loads(kept.read_text(encoding="ascii")) if kept.exists() else {}
    wanted = {code: _key(code) for code in codes}
    missing = sorted(code for code, key in wanted.items() if key not in known)
    if missing:
        known |= {wanted[code]: cycles for code, cycles in _simulated(missing, tool, MODELS[core]).items()}
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(known), encoding="ascii")
    return {code: known[key] for code, key in wanted.items()}


def _key(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()[:32]


def _simulated(codes: list[bytes], tool: str, model: str) -> dict[bytes, float]:
    by_turns: dict[int, list[bytes]] = {}
    for code in codes:
        by_turns.setdefault(_turns(len(code) // INSTRUCTION_BYTES), []).append(code)
    texts = disassembled(codes)
    found: dict[bytes, float] = {}
    for turns, same in by_turns.items():
        for start in range(0, len(same), _BATCH):
            batch = same[start : start + _BATCH]
            totals = _total_cycles([texts[code] for code in batch], turns, tool, model)
            found |= {code: total / turns for code, total in zip(batch, totals, strict=True)}
    return found


def _turns(instructions: int) -> int:
    """How often a block is repeated: a power of two, so that there are few batches."""
    least, most = _TURNS
    return min(max(1 << (_SIMULATED // instructions).bit_length(), least), most)


def _total_cycles(blocks: list[tuple[str, ...]], turns: int, tool: str, model: str) -> list[int]:
    lines = []
    for number, instructions in enumerate(blocks):
        lines += [f"# LLVM-MCA-BEGIN {number}", *instructions, f"# LLVM-MCA-END {number}"]
    views = ["-json", "-all-views=false", "-summary-view"]
    ignored = "-skip-unsupported-instructions=lack-sched"
    options = ["-mtriple=aarch64", f"-mcpu={model}", FEATURES, ignored, f"-iterations={turns}", *views]
    out, _ = call_llvm([tool, *options], "\n".join(lines) + "\n")
    regions = json.loads(out)["CodeRegions"]
    cycles = {int(region["Name"]): int(region["SummaryView"]["TotalCycles"]) for region in regions}
    if sorted(cycles) != list(range(len(blocks))):
        raise ToolchainError(f"{tool} gave cycles of {len(cycles)} blocks", expected=f"those of {len(blocks)}")
    return [cycles[number] for number in range(len(blocks))]
