"""What a program costs on an Arm core, without the core: instructions executed, and cycles by a model of its pipelines.

The cost is deterministic, so that two versions of a kernel compare to a fraction of a percent on a busy machine.
**Caches are not modelled**, nor are memory and branch prediction: see `machine_cycles`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compile.cost import symbols
from compile.cost.block_counts import BlockCount, count_blocks
from compile.cost.instruction_set import InstructionSet
from compile.cost.machine_code import Kind, disassembled, kind_of
from compile.cost.machine_cycles import cycles_per_block, model_of
from compile.cost.symbols import FunctionTable

KERNELS = "fan_k_"
"""What the names of a bundle's kernels begin with."""


@dataclass(frozen=True)
class FunctionCost:
    """Instructions executed in one function, without those of what it calls, and their cycles."""

    instructions: int
    cycles: float


@dataclass(frozen=True)
class Cost:
    """Instructions executed and cycles, in all and in each function. Caches are not modelled."""

    instructions: int
    cycles: float
    by_symbol: Mapping[str, FunctionCost]


def measure(
    command_prefix: Sequence[str],
    program: Path,
    arguments: Sequence[str],
    core: str,
    cache: Path,
    symbols_prefix: str = KERNELS,
) -> Cost:
    """What a static program spends in the functions whose names begin with `symbols_prefix`, in one run.

    command_prefix: QEMU's emulator with its options, as for `count_blocks`. core: one of `machine_cycles.MODELS`.
    cache: folder for what is made once, made if there is none. Raises ToolchainError where QEMU, a C compiler or LLVM
    is missing or the program fails, ConfigError for a core that is not known.
    """
    functions = symbols.read(program)
    counted = count_blocks(command_prefix, program, arguments, cache, model_of(core).instruction_set)
    chosen = [block for block in counted if functions.name_at(block.address).startswith(symbols_prefix)]
    return cost_of(chosen, functions, core, cache)


def executed_instructions(
    command_prefix: Sequence[str], program: Path, arguments: Sequence[str], instruction_set: InstructionSet, cache: Path
) -> Mapping[str, int]:
    """Instructions that a static program executed in each of its functions, without those of what they call.

    Arguments as those of `measure`. Raises ToolchainError where QEMU or a C compiler is missing or the program fails.
    """
    functions = symbols.read(program)
    found: dict[str, int] = {}
    for block in count_blocks(command_prefix, program, arguments, cache, instruction_set):
        name = functions.name_at(block.address)
        found[name] = found.get(name, 0) + block.executed_instructions
    return found


def cost_of(blocks: Iterable[BlockCount], functions: FunctionTable, core: str, cache: Path) -> Cost:
    """The cost of executed blocks; arguments and errors as those of `measure`."""
    executed = list(blocks)
    cycles = cycles_per_block({block.code for block in executed}, core, cache)
    by_symbol: dict[str, FunctionCost] = {}
    for block in executed:
        name = functions.name_at(block.address)
        so_far = by_symbol.get(name, FunctionCost(0, 0.0))
        by_symbol[name] = FunctionCost(
            so_far.instructions + block.executed_instructions,
            so_far.cycles + cycles[block.code] * block.executions,
        )
    total_cycles = sum(cost.cycles for cost in by_symbol.values())
    return Cost(sum(cost.instructions for cost in by_symbol.values()), total_cycles, by_symbol)


def instruction_mix(blocks: Iterable[BlockCount]) -> Mapping[Kind, int]:
    """How many instructions of each kind were executed. Raises ToolchainError where LLVM is missing."""
    executed = list(blocks)
    texts = disassembled({block.code for block in executed})
    mix = dict.fromkeys(Kind, 0)
    for block in executed:
        for text in texts[block.code]:
            mix[kind_of(text)] += block.executions
    return mix
