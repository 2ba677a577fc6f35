"""Any operator that Relax can lower itself, on rows: what there is no template for.

Slower than a template, for nothing of it is scheduled but where it lies. The arithmetic is Relax's own: its
legalisation is given a stand-in for the block builder, and what it would make a function of becomes a tensor expression
on rows.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import tvm
import tvm_ffi
from tvm import relax, s_tir, te, tirx
from tvm.tirx import PrimFunc

from compile.network_graph import Window
from compile.row_kernels.kernel import COLUMNS, Operands, Tiling, Vectors, filled, operands
from compile.row_kernels.stages import finish_vectors

LEGALISATION = "FLegalize"
"""Relax's name for the attribute of an operator that says how to lower it."""


@dataclass(frozen=True)
class RowRelaxOperator:
    """call: of the operator, without padding; its variables are the sources, [1, C, H, W], in their order, the rest are
    constants. The first source is `rows`, a second one `side`. window: what it sees of the first. source_channels,
    channels: from one pixel to the next, of the sources and of what it makes, whole vectors."""

    call: relax.Call = field(compare=False)
    window: Window
    source_channels: tuple[int, ...]
    channels: int
    name: str = field(init=False)
    """Tells calls apart by their text and the shapes of their constants."""

    def __post_init__(self) -> None:
        text = "|".join([self.call.script(), *(str(array.shape) for array in self._arrays)])
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        operator = self.call.op.name.removeprefix("relax.").replace(".", "_")
        widths = "_".join(map(str, self.source_channels))
        object.__setattr__(self, "name", f"{operator}_{digest}_c{widths}_o{self.channels}")

    @property
    def packed(self) -> np.ndarray:
        """The constants that are arrays, one after the other, flat float32."""
        return np.concatenate([np.zeros(0, np.float32), *(array.ravel() for array in self._arrays)])

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        constants = (each.value.numpy() for each in self.call.args if isinstance(each, tvm.ir.GenericConst))
        return tuple(constant.astype(np.float32) for constant in constants if constant.ndim)

    def computation(self, vectors: Vectors) -> PrimFunc:
        lanes = filled(self.channels, vectors.lanes)
        a = operands(sum(array.size for array in self._arrays), vectors.values)
        result = _lowered(self.call, self._tensors(a, vectors))
        used = int(self.call.ty.shape[1])

        def value(x: te.Var, block: te.Var, lane: te.Var) -> tirx.Expr:
            channel = block * lanes + lane
            made = result[0, te.min(channel, used - 1), 0, x].astype(vectors.values)
            return tirx.Select(channel < used, made, tirx.const(0, vectors.values))

        return a.function(te.compute((a.chunks * COLUMNS, self.channels // lanes, lanes), value, name="out"))

    def _tensors(self, a: Operands, vectors: Vectors) -> dict[relax.Expr, te.Tensor | tirx.Expr]:
        """What the call's operands are here."""
        found: dict[relax.Expr, te.Tensor | tirx.Expr] = {}
        sources, offset = 0, 0
        for operand in self.call.args:
            if operand in found:
                continue
            if not isinstance(operand, tvm.ir.GenericConst):
                found[operand] = self._source(a, operand, sources)
                sources += 1
            elif operand.value.numpy().ndim == 0:
                found[operand] = tirx.const(operand.value.numpy().item(), vectors.values)
            else:
                shape = operand.value.numpy().shape
                found[operand] = te.compute(shape, _flat(a.weights, shape, offset), name="constant")
                offset += math.prod(shape)
        return found

    def _source(self, a: Operands, variable: relax.Var, index: int) -> te.Tensor:
        channels, pitch = int(variable.ty.shape[1]), self.source_channels[index]
        if index:
            shape = (1, channels, 1, a.chunks * COLUMNS)
            return te.compute(shape, lambda _n, c, _y, x: a.side[x * pitch + c], name="second")
        window = self.window
        shape = (1, channels, window.size, (a.chunks * COLUMNS - 1) * window.stride + window.size)
        return te.compute(
            shape, lambda _n, c, y, x: a.rows[a.row_at(y) + (x + window.origin) * pitch + c], name="first"
        )

    def tile(self, schedule: s_tir.Schedule, _vectors: Vectors, tiling: Tiling) -> None:
        out = schedule.get_sblock("out")
        stages = schedule.get_child_blocks(schedule.get_sblock("root"))
        sums = [stage for stage in stages if schedule.get(stage).init is not None]
        for stage in reversed(stages):
            if schedule.get(stage).name_hint != "out" and schedule.get(stage).init is None:
                schedule.compute_inline(stage)
        chunk = finish_vectors(schedule, out, tiling.columns)
        for stage in reversed(sums):
            schedule.compute_at(stage, chunk)


def is_pixelwise(call: relax.Call) -> bool:
    """Whether each value of the result depends on one of each operand alone, in the same place or the same channel.

    False also for what Relax cannot lower.
    """
    variables = [each for each in dict.fromkeys(call.args) if isinstance(each, tvm.ir.Var)]
    builder = relax.BlockBuilder()
    with builder.function("main", variables):
        builder.emit_func_output(builder.emit(call))
    passes = [relax.transform.LegalizeOps(), relax.transform.AnnotateTIROpPattern()]
    module = tvm.transform.Sequential(passes)(builder.get())
    functions = [function for _, function in module.functions_items() if isinstance(function, PrimFunc)]
    return len(functions) == 1 and int(functions[0].attrs["op_pattern"]) in _PIXELWISE


_PIXELWISE = (0, 1)
"""Relax's patterns of element-wise and of broadcasting operators."""


_OF_FUNCTIONS = frozenset({"primfunc_name_hint", "primfunc_attrs"})
"""What the block builder is told of the function that it makes, beside the arguments."""


class _Builder:
    """Stands in for Relax's block builder where an operator is lowered to one call."""

    def __init__(self, tensors: Mapping[relax.Expr, te.Tensor | tirx.Expr]) -> None:
        self._tensors = tensors

    def call_te(self, function: Callable[..., te.Tensor], *arguments: object, **named: object) -> te.Tensor:
        here = {name: self._here(value) for name, value in named.items() if name not in _OF_FUNCTIONS}
        return function(*map(self._here, arguments), **here)

    def _here(self, argument: object) -> object:
        if isinstance(argument, tvm_ffi.Array):
            return [int(each) for each in argument]
        return self._tensors.get(argument, argument) if isinstance(argument, tvm.ir.Expr) else argument


def _lowered(call: relax.Call, tensors: Mapping[relax.Expr, te.Tensor | tirx.Expr]) -> te.Tensor:
    return call.op.get_attr(LEGALISATION)(_Builder(tensors), call)


def _flat(values: te.Tensor, shape: tuple[int, ...], offset: int) -> Callable[..., tirx.Expr]:
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]

    def value(*place: te.Var) -> tirx.Expr:
        return values[offset + sum(index * stride for index, stride in zip(place, strides, strict=True))]

    return value
