"""The tilings that are worth trying, and two ways to pick from them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import product

import tvm
from tvm import s_tir, tirx
from tvm.s_tir import meta_schedule
from tvm.tirx import PrimFunc
from tvm_ffi import structural_hash

from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling, Vectors, scheduled
from compile.tuning.workload import CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, workload

COLUMNS_CHOICES = tuple(n for n in range(1, COLUMNS + 1) if COLUMNS % n == 0)
BLOCKS_CHOICES = (1, 2, 3, 4, 5, 6)
UNROLLED_CHOICES = (2, 4, 8, 16)
MOST_SUMS = 32
"""In registers at once; no core has more vector registers."""
SEED = 1

Search = Callable[[RowKernel, Vectors, int], tuple[Tiling, ...]]
"""(kernel, vectors, how many) to tilings, all different."""


def tilings() -> tuple[Tiling, ...]:
    """All there are."""
    return tuple(
        Tiling(columns, blocks, unrolled)
        for columns, blocks, unrolled in product(COLUMNS_CHOICES, BLOCKS_CHOICES, UNROLLED_CHOICES)
        if columns * blocks <= MOST_SUMS
    )


def shuffled(kernel: RowKernel, vectors: Vectors, count: int) -> tuple[Tiling, ...]:
    """As many as asked for, in a random order that is always the same; all of them if there are no more."""
    order = list(tilings())
    random.Random(SEED).shuffle(order)
    return _distinct(kernel, vectors, order, count)


def by_meta_schedule(kernel: RowKernel, vectors: Vectors, count: int) -> tuple[Tiling, ...]:
    """As many as asked for, drawn by TVM's MetaSchedule from the same space."""
    space = tilings()

    def draw(schedule: s_tir.Schedule) -> None:
        chosen = schedule.sample_categorical(list(range(len(space))), [1 / len(space)] * len(space))
        kernel.tile(schedule, vectors, space[int(schedule.get(chosen))])

    module = tvm.IRModule({"main": _of_fixed_sizes(kernel, vectors).with_attr("global_symbol", "main")})
    context = meta_schedule.TuneContext(
        module,
        target=tvm.target.Target({"kind": "llvm", "num-cores": 1}),
        space_generator=meta_schedule.space_generator.ScheduleFn(draw, sch_rules=[], postprocs=[], mutator_probs={}),
        search_strategy=meta_schedule.search_strategy.ReplayFunc(),
        rand_state=SEED,
        num_threads=1,
        task_name=kernel.name,
    )
    drawn = 8 * count
    context.pre_tuning(max_trials=drawn, num_trials_per_iter=drawn, design_spaces=context.generate_design_space())
    candidates = context.generate_measure_candidates() or []
    context.post_tuning()
    return _distinct(kernel, vectors, [_drawn(candidate.sch, space) for candidate in candidates], count)


def _of_fixed_sizes(kernel: RowKernel, vectors: Vectors) -> PrimFunc:
    """The kernel for one workload: MetaSchedule knows arrays alone as arguments, of known sizes."""
    function = kernel.computation(vectors)
    rows, row0, row1, row2, side, _, chunks, _ = function.params
    sizes = workload(kernel, vectors)
    offsets = dict(zip((row0, row1, row2), ROW_OFFSETS, strict=True))
    numbers = {variable: tirx.const(value, "int32") for variable, value in {**offsets, chunks: CHUNKS}.items()}
    arrays = {
        rows: tirx.decl_buffer((ROWS_VALUES,), str(sizes.rows), "rows"),
        side: tirx.decl_buffer((SIDE_VALUES,), str(sizes.side), "side"),
    }
    return function.specialize({**numbers, **arrays})


def _drawn(schedule: s_tir.Schedule, space: tuple[Tiling, ...]) -> Tiling:
    (decision,) = schedule.trace.decisions.values()
    return space[int(decision)]


def _distinct(kernel: RowKernel, vectors: Vectors, order: Iterable[Tiling], count: int) -> tuple[Tiling, ...]:
    """The first `count` that lead to different code: of small kernels, many tilings are one."""
    seen: dict[int, Tiling] = {}
    for tiling in order:
        if len(seen) == count:
            break
        seen.setdefault(structural_hash(scheduled(kernel, vectors, tiling)), tiling)
    return tuple(seen.values())


SEARCHES: dict[str, Search] = {"shuffled": shuffled, "metaschedule": by_meta_schedule}
