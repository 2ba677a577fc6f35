"""A program that calls every tiling of a kernel once, for its instructions to be counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compile.kernel_object import compile_kernels
from compile.row_kernels.kernel import C_PARAMETERS, RowKernel, Tiling, Vectors
from compile.tuning.bench import Bench
from compile.tuning.workload import CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, candidates, workload
from compile.tvm_target import tvm_target
from targets.descriptions import Target


@dataclass(frozen=True)
class CandidateProgram:
    """path: of the program. functions: C names of the tilings, in their order."""

    path: Path
    functions: tuple[str, ...]


def build(
    target: Target, vectors: Vectors, bench: Bench, kernel: RowKernel, tilings: Sequence[Tiling], folder: Path
) -> CandidateProgram:
    """Builds the program in an empty folder. Raises ToolchainError."""
    functions = candidates(kernel, vectors, tilings)
    compiled = folder / "candidates.o"
    scratch_bytes = compile_kernels(functions, tvm_target(target), compiled).scratch_bytes
    source = folder / "main.c"
    source.write_text(_source(kernel, vectors, list(functions), scratch_bytes), encoding="utf-8")
    objects = bench.compiler.compile_objects([source], [], folder)
    program = folder / "program"
    bench.link([*objects, compiled], program)
    return CandidateProgram(program, tuple(functions))


def _source(kernel: RowKernel, vectors: Vectors, names: Sequence[str], scratch_bytes: int) -> str:
    """Calls on zeros: no instruction here takes longer for other values."""
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
            "int main(void);",
            "int main(void)",
            "{",
            *(f"    (void){name}(rows, {offsets}, side, weights, {CHUNKS}, out, scratch);" for name in names),
            "    return 0;",
            "}",
            "",
        ]
    )
