"""Kernels in C that touch what the compiled ones touch, and compute next to nothing, so that a sanitizer sees it."""

from __future__ import annotations

from dataclasses import dataclass

from compile.model_tables import symbol
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.elementwise import RowElementwise
from compile.row_kernels.few_outputs import RowFewOutputs
from compile.row_kernels.kernel import COLUMNS, RowKernel
from compile.row_kernels.relax_operator import RowRelaxOperator
from compile.row_kernels.residual_block import RowBlock
from compile.row_kernels.restore import RowRestore
from compile.row_kernels.stabilise import RowStabilise

HEAD = "#include <stdint.h>\n"


@dataclass(frozen=True)
class Touch:
    """For each column x: of `rows` input rows the columns x * stride + first up to but not including x * stride + end,
    `pitch` values each; `side` values of the side's; what is written."""

    rows: int
    stride: int
    first: int
    end: int
    pitch: int
    side: int
    written: int


def touch(kernel: RowKernel) -> Touch:
    match kernel:
        case RowConvolution(side=1):
            around = (1, 1, 0, 1)
        case RowConvolution(side=2) | RowDepthwise(side=2):
            around = (2, 2, 0, 2)
        case RowElementwise():
            around = (1, 1, 0, 1)
        case RowStabilise() | RowRestore():
            around = (2 if isinstance(kernel, RowStabilise) else 1, 1, 0, 1)
        case RowRelaxOperator(window=window):
            around = (window.size, window.stride, window.origin, window.origin + window.size)
        case _:
            around = (3, 1, -1, 2)
    match kernel:
        case RowConvolution():
            values = (kernel.pitch, 0 if kernel.addend == "none" else kernel.outputs, kernel.outputs)
        case RowFewOutputs():
            values = (kernel.pitch, 0, kernel.outputs)
        case RowBlock():
            values = (kernel.channels, kernel.alignment.image_pitch if kernel.alignment else 0, kernel.channels)
        case RowElementwise():
            two = kernel.operation in {"add", "multiply"}
            values = (kernel.channels, kernel.channels if two else 0, kernel.channels)
        case RowDepthwise():
            values = (kernel.channels, 0, kernel.channels)
        case RowStabilise():
            values = (2, 0, kernel.channels)
        case RowRestore():
            values = (2, kernel.pitch, 2)
        case RowRelaxOperator(source_channels=(first, *second)):
            values = (first, second[0] if second else 0, kernel.channels)
        case _:
            raise TypeError(kernel)
    return Touch(*around, *values)


def source(kernel: RowKernel) -> str:
    """A kernel in C."""
    t = touch(kernel)
    # The answer's side begins at a row's first colour, so that its last values belong to the next column.
    side = min(t.side, 2) if isinstance(kernel, RowRestore) else t.side
    return f"""
int32_t {symbol(kernel)}(const void *rows_at, int32_t row0, int32_t row1, int32_t row2, const void *side_at,
                         const void *weights, int32_t chunks, void *out_at, void *scratch_at);
int32_t {symbol(kernel)}(const void *rows_at, int32_t row0, int32_t row1, int32_t row2, const void *side_at,
                         const void *weights, int32_t chunks, void *out_at, void *scratch_at)
{{
    const float *rows = rows_at, *side = side_at;
    float *out = out_at, *scratch = scratch_at;
    const int32_t row[3] = {{row0, row1, row2}};
    (void)weights;
    for (int32_t x = 0; x < chunks * {COLUMNS}; ++x) {{
        float sum = 0.0f;
        for (int32_t y = 0; y < {t.rows}; ++y)
            for (int32_t i = {t.first * t.pitch}; i < {t.end * t.pitch}; ++i)
                sum += rows[row[y] + x * {t.stride * t.pitch} + i] * (float)(1 + y);
        for (int32_t i = 0; i < {side}; ++i)
            sum += side[x * {max(t.side, 1)} + i];
        scratch[0] = sum * 0.05f;
        for (int32_t i = 0; i < {t.written}; ++i)
            out[x * {t.written} + i] = scratch[0] + (float)i;
    }}
    return 0;
}}
"""
