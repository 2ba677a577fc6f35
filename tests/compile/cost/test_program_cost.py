"""The cost of a program, function by function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from compile.cost.block_counts import count_blocks
from compile.cost.machine_code import Kind
from compile.cost.program_cost import instruction_mix, measure

pytestmark = pytest.mark.usefixtures("llvm")

PROGRAM = """
.macro kernel name, turns, products
.type \\name, %function
\\name:
    mov x0, #\\turns
1:
.rept \\products
    fmla v0.4s, v30.4s, v31.4s
    fmla v1.4s, v30.4s, v31.4s
    fmla v2.4s, v30.4s, v31.4s
    fmla v3.4s, v30.4s, v31.4s
    fmla v4.4s, v30.4s, v31.4s
    fmla v5.4s, v30.4s, v31.4s
    fmla v6.4s, v30.4s, v31.4s
    fmla v7.4s, v30.4s, v31.4s
.endr
    subs x0, x0, #1
    b.ne 1b
    ret
.size \\name, . - \\name
.endm
kernel fan_k_short, 100, 1
kernel fan_k_long, 200, 10
kernel other, 300, 1
.global _start
.type _start, %function
_start:
    bl fan_k_short
    bl fan_k_long
    bl other
    mov x8, #93
    svc #0
"""


def test_kernels_are_counted_exactly_and_nothing_else(
    assemble: Callable[..., Path], qemu: list[str], cache: Path
) -> None:
    program = assemble(PROGRAM)
    cost = measure(qemu, program, [], "cortex-a72", cache)
    counts = {name: function.instructions for name, function in cost.by_symbol.items()}
    assert counts == {"fan_k_short": 2 + 100 * (8 + 2), "fan_k_long": 2 + 200 * (80 + 2)}
    assert cost.instructions == sum(counts.values())
    assert cost.cycles == pytest.approx(sum(function.cycles for function in cost.by_symbol.values()))
    # One product of four lanes a cycle; the rest of the loop runs beside them.
    assert cost.by_symbol["fan_k_long"].cycles == pytest.approx(200 * 80, rel=0.03)
    assert measure(qemu, program, [], "cortex-a72", cache) == cost
    faster = measure(qemu, program, [], "cortex-a76", cache)
    assert faster.instructions == cost.instructions
    assert faster.cycles < 0.6 * cost.cycles


def test_another_prefix_chooses_other_functions(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    cost = measure(qemu, assemble(PROGRAM), [], "cortex-a55", cache, symbols_prefix="oth")
    assert {name: function.instructions for name, function in cost.by_symbol.items()} == {"other": 2 + 300 * 10}


def test_nothing_chosen_costs_nothing(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    cost = measure(qemu, assemble(PROGRAM), [], "cortex-a55", cache, symbols_prefix="none")
    assert (cost.instructions, cost.cycles, dict(cost.by_symbol)) == (0, 0, {})


def test_the_mix_has_every_instruction_once(assemble: Callable[..., Path], qemu: list[str], cache: Path) -> None:
    blocks = count_blocks(qemu, assemble(PROGRAM), [], cache)
    mix = instruction_mix(blocks)
    assert mix[Kind.FMA] == 100 * 8 + 200 * 80 + 300 * 8
    assert mix[Kind.BRANCH] == 100 + 200 + 300 + 3 + 3 + 1
    assert mix[Kind.LOAD] == mix[Kind.STORE] == 0
    assert sum(mix.values()) == sum(block.executed_instructions for block in blocks)
