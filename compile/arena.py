"""How much memory a network needs at run time; the same sum as `fan_arena_bytes` in firmware_hooks/src/fan.c."""

from __future__ import annotations

from compile.row_program import Ring, RowProgram, timing

ALIGNMENT_BYTES = 64
COLUMNS_MULTIPLE = 16


def arena_bytes(program: RowProgram, value_bytes: int, scratch_bytes: int, width_px: int) -> int:
    """Bytes for a mosaic of that width, whatever its height. value_bytes: of one feature."""

    def row_bytes(ring: Ring) -> int:
        columns = _rounded(width_px // 2 >> ring.scale, COLUMNS_MULTIPLE) + 2
        return columns * ring.channels * value_bytes

    capacity = timing(program).capacity
    rings = sum(_rounded(row_bytes(ring) * capacity[ring], ALIGNMENT_BYTES) for ring in program.rings)
    zeros = _rounded(max(map(row_bytes, program.rings)), ALIGNMENT_BYTES)
    return _rounded(scratch_bytes, ALIGNMENT_BYTES) + zeros + rings


def _rounded(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple
