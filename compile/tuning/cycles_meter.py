"""Measures by cycles on a core that is not at hand: blocks counted under QEMU, times LLVM's model of the core.

Caches are not modelled. See `compile.cost`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from compile.cost.program_cost import measure as cost_of_program
from compile.kernel_object import compile_kernels
from compile.row_kernels.kernel import C_PARAMETERS, RowKernel, Tiling, Vectors
from compile.tuning.workload import CANDIDATE, CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, candidates, workload
from compile.tvm_target import tvm_target
from targets.descriptions import Target
from targets.toolchain import Compiler

CYCLES_PER_INSTRUCTION = 0.25
"""Added for each instruction: the models know no instruction cache and no fetching, and so flatter long code."""


class CyclesMeter:
    """Candidates in one program under an emulator.

    command_prefix: what runs the target's programs here. core: whose cycles are counted. cache: folder for what
    is made once.
    """

    def __init__(
        self,
        target: Target,
        vectors: Vectors,
        compiler: Compiler,
        command_prefix: Sequence[str],
        core: str,
        cache: Path,
    ) -> None:
        self._target, self._vectors, self._compiler = target, vectors, compiler
        self._prefix, self._core, self._cache = tuple(command_prefix), core, cache

    @property
    def description(self) -> str:
        return (
            f"cycles of a {self._core} by llvm-mca and {CYCLES_PER_INSTRUCTION:g} for each instruction, "
            "caches not modelled"
        )

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Cycles of one call, and what is added for its instructions."""
        functions = candidates(kernel, self._vectors, tilings)
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as temporary:
            folder = Path(temporary)
            compiled = folder / "candidates.o"
            scratch_bytes = compile_kernels(functions, tvm_target(self._target), compiled).scratch_bytes
            source = folder / "main.c"
            source.write_text(_program(kernel, self._vectors, list(functions), scratch_bytes), encoding="utf-8")
            objects = self._compiler.compile_objects([source], [], folder)
            program = folder / "program"
            self._compiler.link_program([*objects, compiled], program)
            cost = cost_of_program(self._prefix, program, [], self._core, self._cache, CANDIDATE)
        costs = (cost.by_symbol[name] for name in functions)
        return tuple(each.cycles + CYCLES_PER_INSTRUCTION * each.instructions for each in costs)


def _program(kernel: RowKernel, vectors: Vectors, names: Sequence[str], scratch_bytes: int) -> str:
    """A C program that calls every candidate once, on zeros: no instruction here takes longer for other values."""
    sizes = workload(kernel, vectors)
    arrays = {
        "rows": ROWS_VALUES * sizes.rows.itemsize,
        "side": SIDE_VALUES * sizes.side.itemsize,
        "weights": sizes.weights_values * sizes.weights.itemsize,
        "out": sizes.out_values * sizes.out.itemsize,
        "scratch": scratch_bytes + 1,
    }
    offsets = ", ".join(map(str, ROW_OFFSETS))
    return "\n".join(
        [
            "#include <stdint.h>",
            *(f"extern int32_t {name}({C_PARAMETERS});" for name in names),
            *(f"static uint8_t {name}[{size}] __attribute__((aligned(64)));" for name, size in arrays.items()),
            "int main(void)",
            "{",
            *(f"    (void){name}(rows, {offsets}, side, weights, {CHUNKS}, out, scratch);" for name in names),
            "    return 0;",
            "}",
            "",
        ]
    )
