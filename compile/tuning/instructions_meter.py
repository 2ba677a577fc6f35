"""Measures by instructions executed on an emulated core, for cores of which LLVM has no model that would do.

Every instruction counts the same: neither caches and wait states nor the core's pipelines are modelled.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from compile.cost.program_cost import executed_instructions
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning import candidate_program
from compile.tuning.bench import Bench
from targets.descriptions import Target


class InstructionsMeter:
    """Candidates in one program under an emulator. bench: what runs it. cache: folder for what is made once."""

    def __init__(self, target: Target, vectors: Vectors, bench: Bench, cache: Path) -> None:
        self._target, self._vectors, self._bench, self._cache = target, vectors, bench, cache

    @property
    def description(self) -> str:
        return f"instructions executed by a {self._target.cpu}, pipelines and caches not modelled"

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Instructions of one call."""
        bench = self._bench
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as folder:
            made = candidate_program.build(self._target, self._vectors, bench, kernel, tilings, Path(folder))
            found = executed_instructions(bench.command_prefix, made.path, [], bench.instruction_set, self._cache)
        return tuple(float(found[name]) for name in made.functions)
