"""The steps that every template schedules in the same way."""

from __future__ import annotations

from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from compile.row_kernels.kernel import largest_divisor


def tile_stage(schedule: s_tir.Schedule, stage: SBlockRV, at: LoopRV | None, blocks: int) -> LoopRV:
    """A finished stage [columns, blocks, lanes], computed at a loop: register tiles of `blocks` vectors.

    Returns the loop over those tiles, at which the sums that feed the stage are computed.
    """
    if at is not None:
        schedule.compute_at(stage, at, preserve_unit_loops=True)
    column, block, lane = schedule.get_loops(stage)[-3:]
    group, inner = schedule.split(block, [None, blocks])
    schedule.reorder(group, inner, column, lane)
    _in_registers(schedule, column, inner, lane)
    return group


def accumulate(
    schedule: s_tir.Schedule, total: SBlockRV, inputs: SBlockRV, at: LoopRV, lanes: int, unrolled: int
) -> None:
    """A sum [columns, blocks, lanes] over taps and channels, or channels alone, held in registers.

    inputs: the stage that it sums, its last axis channels. As many channels as `unrolled` says are written out; where
    these are whole vectors they are loaded as such and used lane by lane, as cores multiply best.
    """
    schedule.compute_at(total, at, preserve_unit_loops=True)
    column, block, lane, *taps, channel = _inner_loops(schedule, total)
    step = largest_divisor(int(schedule.get(channel).extent), unrolled)
    many, few = schedule.split(channel, [None, step])
    schedule.reorder(*taps, many, few, block, column, lane)
    if step % lanes == 0:
        outside = len(schedule.get_loops(total)) - 4
        schedule.compute_at(inputs, many, preserve_unit_loops=True)
        *around, channels = schedule.get_loops(inputs)[outside:]
        vectors, input_lane = schedule.split(channels, [None, lanes])
        for loop in (*around, vectors):
            schedule.unroll(loop)
        schedule.vectorize(input_lane)
    else:
        schedule.compute_inline(inputs)
    schedule.unroll(few)
    _in_registers(schedule, column, block, lane)
    _start_from_zero(schedule, total, (*taps, many)[0])


def accumulate_taps(schedule: s_tir.Schedule, total: SBlockRV, at: LoopRV) -> None:
    """A sum [columns, blocks, lanes] over the taps of a depthwise kernel, one block at a time."""
    schedule.compute_at(total, at, preserve_unit_loops=True)
    column, block, lane, *taps = _inner_loops(schedule, total)
    schedule.reorder(block, *taps, column, lane)
    for tap in taps:
        schedule.unroll(tap)
    _in_registers(schedule, column, block, lane)
    _start_from_zero(schedule, total, taps[0])


def _inner_loops(schedule: s_tir.Schedule, total: SBlockRV) -> list[LoopRV]:
    """The loops over what a sum makes and sums over, without those around the place it is computed at."""
    axes = len(schedule.get(total).iter_vars)
    return list(schedule.get_loops(total))[-axes:]


def _start_from_zero(schedule: s_tir.Schedule, total: SBlockRV, before: LoopRV) -> None:
    initial = schedule.decompose_reduction(total, before)
    column, block, lane = schedule.get_loops(initial)[-3:]
    _in_registers(schedule, column, block, lane)


def finish_vectors(schedule: s_tir.Schedule, stage: SBlockRV, columns: int) -> LoopRV:
    """The last stage [columns, blocks, lanes] of a kernel without products; returns the loop over chunks."""
    column, block, lane = schedule.get_loops(stage)
    chunk, few = schedule.split(column, [None, columns])
    schedule.reorder(chunk, block, few, lane)
    schedule.vectorize(lane)
    schedule.unroll(block)
    schedule.unroll(few)
    return chunk


def _in_registers(schedule: s_tir.Schedule, column: LoopRV, block: LoopRV, lane: LoopRV) -> None:
    schedule.vectorize(lane)
    schedule.unroll(column)
    schedule.unroll(block)
