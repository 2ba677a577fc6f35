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

The Cortex-M33 shares the model of the Cortex-M4. To both a load of several registers takes as long as one of a single
register. The Cortex-M7's is not used: it lets twelve instructions of a load and two independent multiply-accumulates in
turn take 24 cycles, and 13 those of ten that begin with both of their loads, where the core begins two in a cycle.

References
----------
LLVM's manual, "llvm-mca - LLVM Machine Code Analyzer".
"Arm Neoverse N1 Platform", Hot Chips 31, 2019: its relation to the Cortex-A76.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compile.cost.instruction_set import A64, T32, InstructionSet
from compile.cost.machine_code import call_llvm, disassembled, llvm_tool, llvm_version
from isp.atomic import replacing
from isp.errors import ConfigError
from isp.registry import nearest
from targets.toolchain import ToolchainError


@dataclass(frozen=True)
class Model:
    """core: LLVM's, whose model it is."""

    core: str
    instruction_set: InstructionSet


MODELS: Final[Mapping[str, Model]] = {
    "cortex-a53": Model("cortex-a53", A64),
    "cortex-a55": Model("cortex-a55", A64),
    "cortex-a72": Model("cortex-a57", A64),
    "cortex-a76": Model("neoverse-n1", A64),
    "cortex-m4": Model("cortex-m4", T32),
    "cortex-m33": Model("cortex-m33", T32),
    "cortex-m55": Model("cortex-m55", T32),
}
"""The cores whose cycles can be told, and what stands for each."""
_UNTIMED: Final = re.compile(r"(dls|dlstp|wls|wlstp|le|letp|lctp|vmrs)\b")
"""Of T32's low-overhead loops, mostly, which after the first turn hardly take time: the models have no times for
these, and here they take none."""
_SIMULATED: Final = 1024
"""Instructions that one block is simulated for, so that filling and draining the pipeline hardly count."""
_TURNS: Final = (4, 128)
_BATCH: Final = 256
"""Blocks in one call of llvm-mca."""


def model_of(core: str) -> Model:
    """What stands for a core. Raises ConfigError for one that is not of MODELS."""
    if core not in MODELS:
        raise ConfigError(
            f"no model of the core {core!r}", expected=f"one of {', '.join(MODELS)}", remedy=nearest(core, MODELS)
        )
    return MODELS[core]


def cycles_per_block(codes: Iterable[bytes], core: str, cache: Path) -> Mapping[bytes, float]:
    """Cycles of one execution of each basic block, given by its bytes, in the middle of many.

    core: one of MODELS. cache: folder that keeps what was found, by LLVM's version; made if there is none.
    Raises ConfigError for another core, ToolchainError where LLVM's tools are missing.
    """
    model, tool = model_of(core), llvm_tool("llvm-mca")
    kept = cache / f"cycles-{model.core}-llvm-{llvm_version(tool)}.json"
    known: dict[str, float] = json.loads(kept.read_text(encoding="ascii")) if kept.exists() else {}
    wanted = {code: _key(code) for code in codes}
    missing = sorted(code for code, key in wanted.items() if key not in known)
    if missing:
        known |= {wanted[code]: cycles for code, cycles in _simulated(missing, tool, model).items()}
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(known), encoding="ascii")
    return {code: known[key] for code, key in wanted.items()}


def _key(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()[:32]


def _simulated(codes: list[bytes], tool: str, model: Model) -> dict[bytes, float]:
    texts = {
        code: tuple(text for text in all_texts if not _UNTIMED.match(text))
        for code, all_texts in disassembled(codes, model.instruction_set).items()
    }
    by_turns: dict[int, list[bytes]] = {}
    for code in (code for code in codes if texts[code]):
        by_turns.setdefault(_turns(len(model.instruction_set.instructions(code))), []).append(code)
    found = dict.fromkeys(codes, 0.0)
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


def _total_cycles(blocks: list[tuple[str, ...]], turns: int, tool: str, model: Model) -> list[int]:
    lines = []
    for number, instructions in enumerate(blocks):
        lines += [f"# LLVM-MCA-BEGIN {number}", *instructions, f"# LLVM-MCA-END {number}"]
    views = ["-json", "-all-views=false", "-summary-view"]
    ignored = "-skip-unsupported-instructions=lack-sched"
    known = [f"-mtriple={model.instruction_set.triple}", f"-mattr={model.instruction_set.features}"]
    options = [*known, f"-mcpu={model.core}", ignored, f"-iterations={turns}", *views]
    out, _ = call_llvm([tool, *options], "\n".join(lines) + "\n")
    regions = json.loads(out)["CodeRegions"]
    cycles = {int(region["Name"]): int(region["SummaryView"]["TotalCycles"]) for region in regions}
    if sorted(cycles) != list(range(len(blocks))):
        raise ToolchainError(f"{tool} gave cycles of {len(cycles)} blocks", expected=f"those of {len(blocks)}")
    return [cycles[number] for number in range(len(blocks))]
