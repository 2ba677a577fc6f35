"""Row kernels compiled for this machine and called from Python, with nothing but NaN around what they may read."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tvm.tirx import PrimFunc

from compile.kernel_object import compile_kernels
from compile.row_kernels.kernel import COLUMNS
from compile.tvm_target import tvm_target
from targets.descriptions import load

ALIGNMENT_BYTES = 64
"""Of the arena and of each layer's weights."""
MARGIN_BYTES = 1024
GUARD_BYTE = 0xA5


def c_compiler() -> str:
    found = shutil.which("gcc")
    if found is None:
        pytest.skip("gcc is not installed")
    return found


class Memory:
    """Values at an address that is aligned as much as asked for and no more, in the middle of NaN."""

    def __init__(self, values: np.ndarray, aligned_bytes: int = ALIGNMENT_BYTES) -> None:
        self._block = np.full(values.nbytes + 2 * MARGIN_BYTES + 2 * ALIGNMENT_BYTES, 0xFF, np.uint8)
        start = MARGIN_BYTES + -(self._block.ctypes.data + MARGIN_BYTES) % (2 * ALIGNMENT_BYTES)
        start += aligned_bytes % (2 * ALIGNMENT_BYTES)
        self.values = self._block[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
        self.values[:] = values
        self._before = self._block.copy()

    @property
    def address(self) -> int:
        return self.values.ctypes.data

    def untouched(self) -> bool:
        return bool((self._block == self._before).all())

    def untouched_around(self) -> bool:
        start = self.address - self._block.ctypes.data
        end = start + self.values.nbytes
        beside = np.r_[0:start, end : self._block.size]
        return bool((self._block[beside] == self._before[beside]).all())


@dataclass(frozen=True)
class CompiledHere:
    """Kernels of one object, and the scratch they need."""

    library: ctypes.CDLL
    scratch_bytes: int

    def call(
        self,
        name: str,
        *,
        rows: Memory,
        places: tuple[int, int, int],
        weights: Memory,
        chunks: int,
        out_shape: tuple[int, ...],
        out_type: str = "float32",
        side: Memory | None = None,
        side_offset: int = 0,
        out_aligned_bytes: int = ALIGNMENT_BYTES,
    ) -> np.ndarray:
        """What a kernel writes, having made sure that it writes nothing else. places: of the rows, in values."""
        function = getattr(self.library, name)
        pointer, number = ctypes.c_void_p, ctypes.c_int32
        function.argtypes = [pointer, number, number, number, pointer, pointer, number, pointer, pointer]
        function.restype = number
        side = side or Memory(np.zeros(1, np.float32))
        guard = np.frombuffer(bytes([GUARD_BYTE]) * 4, out_type)[0]
        out = Memory(np.full(out_shape, guard, out_type), out_aligned_bytes)
        scratch = Memory(np.full(self.scratch_bytes, 0xFF, np.uint8))
        status = function(
            *(rows.address, *places, side.address + side_offset, weights.address, chunks, out.address, scratch.address)
        )
        assert status == 0
        assert rows.untouched()
        assert side.untouched()
        assert weights.untouched()
        assert out.untouched_around()
        assert scratch.untouched_around()
        return out.values.copy()


def compiled_here(functions: Mapping[str, PrimFunc], folder: Path, *libraries: str) -> CompiledHere:
    """libraries: what the kernels may call, as options of the linker."""
    folder.mkdir(exist_ok=True)
    compiled = compile_kernels(functions, tvm_target(load("host")), folder / "kernels.o")
    library = folder / "kernels.so"
    command = [c_compiler(), "-shared", "-nostdlib", "-Wl,-z,defs", folder / "kernels.o", "-o", library, *libraries]
    subprocess.run(command, check=True)
    return CompiledHere(ctypes.CDLL(str(library)), compiled.scratch_bytes)


def scattered(rows: list[np.ndarray], first_column: int, aligned_bytes: int) -> tuple[Memory, tuple[int, int, int]]:
    """Rows [columns, channels] far from each other and not in order, with NaN between them; and where the column
    number `first_column` of each lies. Where there are fewer than three, the first stands for those missing."""
    spacing = -(-max(row.size for row in rows) // 32) * 32 + 32
    whole = np.full(spacing * (len(rows) + 1), np.nan, rows[0].dtype)
    places = []
    for number, row in enumerate(rows):
        start = spacing * ((number + 2) % len(rows))
        whole[start : start + row.size] = row.ravel()
        places.append(start + first_column * row.shape[-1])
    places += [places[0]] * (3 - len(places))
    return Memory(whole, aligned_bytes), (places[0], places[1], places[2])


def columns_of(chunks: int) -> int:
    return chunks * COLUMNS
