"""Measures by time on this machine: all candidates in turn, many rounds, medians."""

from __future__ import annotations

import ctypes
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compile.kernel_object import compile_kernels
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning.workload import CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, candidates, workload
from compile.tvm_target import tvm_target
from targets.descriptions import Target
from targets.toolchain import Compiler

ROUNDS = 15
ROUND_S = 0.001
"""Time that one candidate runs for in a round."""
ALIGNMENT = 64


class HostMeter:
    """Kernels for this machine, compiled into one library and timed against each other."""

    def __init__(self, target: Target, vectors: Vectors, compiler: Compiler) -> None:
        self._target, self._vectors, self._compiler = target, vectors, compiler

    @property
    def description(self) -> str:
        return f"time on {self._target.cpu}, medians of {ROUNDS} interleaved rounds"

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Median seconds of one call."""
        functions = candidates(kernel, self._vectors, tilings)
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as temporary:
            compiled, library = Path(temporary) / "candidates.o", Path(temporary) / "candidates.so"
            scratch_bytes = compile_kernels(functions, tvm_target(self._target), compiled).scratch_bytes
            self._compiler.link_shared([compiled], library)
            loaded = ctypes.CDLL(str(library))
            calls = [_Call(loaded[name], kernel, self._vectors, scratch_bytes) for name in functions]
            repetitions = [max(1, round(ROUND_S / call.seconds(3))) for call in calls]
            rounds = [[call.seconds(n) for call, n in zip(calls, repetitions, strict=True)] for _ in range(ROUNDS)]
        return tuple(statistics.median(column) for column in zip(*rounds, strict=True))


class _Call:
    """A kernel bound to arrays of its workload."""

    def __init__(self, function: ctypes._NamedFuncPointer, kernel: RowKernel, vectors: Vectors, scratch: int) -> None:
        sizes = workload(kernel, vectors)
        self._arrays = [
            _random(ROWS_VALUES, sizes.rows),
            _random(SIDE_VALUES, sizes.side),
            _random(sizes.weights_values, sizes.weights),
            _random(sizes.out_values, sizes.out),
            _random(scratch + 1, np.dtype(np.uint8)),
        ]
        rows, side, weights, out, scratch_place = (ctypes.c_void_p(array.ctypes.data) for array in self._arrays)
        offsets = [ctypes.c_int32(offset) for offset in ROW_OFFSETS]
        self._arguments = (rows, *offsets, side, weights, ctypes.c_int32(CHUNKS), out, scratch_place)
        self._function = function

    def seconds(self, repetitions: int) -> float:
        """Of one call, over as many."""
        began = time.perf_counter()
        for _ in range(repetitions):
            self._function(*self._arguments)
        return (time.perf_counter() - began) / repetitions


def _random(count: int, dtype: np.dtype) -> np.ndarray:
    """Small positive values, aligned as in an arena."""
    memory = np.zeros(count * dtype.itemsize + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    array = memory[start : start + count * dtype.itemsize].view(dtype)
    array[:] = np.random.default_rng(0).uniform(0.1, 1, count)
    return array
