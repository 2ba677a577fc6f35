"""Measures by cycles on a core that is not at hand: blocks counted under QEMU, times LLVM's model of the core.

Caches are not modelled. See `compile.cost`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from compile.cost.program_cost import measure as cost_of_program
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning import candidate_program
from compile.tuning.bench import Bench
from compile.tuning.workload import CANDIDATE
from targets.descriptions import Target

CYCLES_PER_INSTRUCTION = 0.25
"""Added for each instruction: the models know no instruction cache and no fetching, and so flatter long code."""


class CyclesMeter:
    """Candidates in one program under an emulator.

    bench: what runs the target's programs here. core: whose cycles are counted. cache: folder for what is made once.
    """

    def __init__(self, target: Target, vectors: Vectors, bench: Bench, core: str, cache: Path) -> None:
        self._target, self._vectors, self._bench = target, vectors, bench
        self._core, self._cache = core, cache

    @property
    def description(self) -> str:
        return (
            f"cycles of a {self._core} by llvm-mca and {CYCLES_PER_INSTRUCTION:g} for each instruction, "
            "caches not modelled"
        )

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Cycles of one call, and what is added for its instructions."""
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as folder:
            made = candidate_program.build(self._target, self._vectors, self._bench, kernel, tilings, Path(folder))
            cost = cost_of_program(self._bench.command_prefix, made.path, [], self._core, self._cache, CANDIDATE)
        costs = (cost.by_symbol[name] for name in made.functions)
        return tuple(each.cycles + CYCLES_PER_INSTRUCTION * each.instructions for each in costs)
