"""The part of a network that an Ethos-U computes: all of it, as one function, or a refusal that says why not.

TVM's pattern matching groups Relax operators into composites that the NPU has an operation for, then merges the
composites into one function. What no pattern takes would have to run elsewhere: that is refused by its name.

References
----------
Arm, "Ethos-U55 and Ethos-U65 TOSA operator support" (`vela --supported-ops-report`): limits of convolutions.
TVM, "Bring Your Own Codegen": FuseOpsByPattern, MergeCompositeFunctions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tvm
from tvm import relax
from tvm.relax.dpl import DFPattern, is_const, is_op, wildcard
from tvm.relax.transform import PatternCheckContext

from compile.network_graph import UnsupportedOperator

CODEGEN = "ethosu"
"""The name under which TVM knows the code generator, and the prefix of the composites' names."""
MOST_STRIDE = 3
MOST_KERNEL_ROWS = 64
MOST_KERNEL_VALUES = 4096


def partition(module: tvm.IRModule) -> tvm.IRModule:
    """A module whose `main` calls one function for the NPU and does nothing else.

    module: of `compile.relax_import.to_relax`. Raises UnsupportedOperator for one that an NPU cannot compute.
    """
    passes = (
        relax.transform.FoldConstant(),
        relax.transform.FuseOpsByPattern(PATTERNS),
        relax.transform.MergeCompositeFunctions(),
    )
    for transform in passes:
        module = transform(module)
    if left := tuple(_left_over(module["main"])):
        raise UnsupportedOperator(
            f"the NPU has no operation for {', '.join(left)}",
            expected="convolutions (stride 1 to 3, no dilation) with a bias, ReLU or bounds; sums and products of two "
            "tensors; depth to space by two",
        )
    functions = npu_functions(module)
    if len(functions) != 1:
        raise UnsupportedOperator(f"a network in {len(functions)} parts for the NPU", expected="one")
    return module


def npu_functions(module: tvm.IRModule) -> tuple[relax.Function, ...]:
    """The functions of a module that are for the NPU."""
    return tuple(
        function
        for function in module.functions.values()
        if isinstance(function, relax.Function) and function.attrs and function.attrs.get("Codegen") == CODEGEN
    )


def _convolution(*activation: str) -> DFPattern:
    biased = is_op("relax.add")(is_op("relax.nn.conv2d")(wildcard(), is_const()), is_const())
    for name in activation:
        biased = is_op(name)(biased, varg_default_wildcard=True)
    return biased


def _depth_to_space() -> DFPattern:
    split = is_op("relax.reshape")(wildcard(), wildcard())
    return is_op("relax.reshape")(is_op("relax.permute_dims")(split), wildcard())


def _fits(context: PatternCheckContext) -> bool:
    """Whether the NPU has such a convolution."""
    calls = [one for one in context.matched_bindings.values() if isinstance(one, relax.Call)]
    (call,) = (one for one in calls if one.op.name == "relax.nn.conv2d")
    outputs, inputs, rows, columns = (int(size) for size in call.args[1].ty.shape)
    groups, sources = int(call.attrs.groups), int(call.args[0].ty.shape[1])
    return (
        all(1 <= int(stride) <= MOST_STRIDE for stride in call.attrs.strides)
        and all(int(dilation) == 1 for dilation in call.attrs.dilation)
        and rows <= MOST_KERNEL_ROWS
        and rows * columns <= MOST_KERNEL_VALUES
        and (groups == 1 or groups == sources == outputs)
        and inputs * groups == sources
    )


def _is_by_two(context: PatternCheckContext) -> bool:
    """Whether reshaping and permuting move 2x2 values of depth into space, the channel being the slower index."""
    calls = [one for one in context.matched_bindings.values() if isinstance(one, relax.Call)]
    shapes = [tuple(int(size) for size in one.ty.shape) for one in calls]
    axes = [tuple(int(axis) for axis in one.attrs.axes) for one in calls if one.op.name == "relax.permute_dims"]
    return axes == [(0, 1, 4, 2, 5, 3)] and any(len(shape) == 6 and shape[2:4] == (2, 2) for shape in shapes)


def _of_two_tensors(context: PatternCheckContext) -> bool:
    left, right = context.matched_expr.args
    return tuple(left.ty.shape) == tuple(right.ty.shape)


PATTERNS: tuple[tuple[str, DFPattern, Mapping[str, DFPattern], Callable[[PatternCheckContext], bool]], ...] = (
    # The first that fits is taken: a convolution with all that it can do at once comes first.
    (f"{CODEGEN}.convolution_relu", _convolution("relax.nn.relu"), {}, _fits),
    (f"{CODEGEN}.convolution_clip", _convolution("relax.clip"), {}, _fits),
    (f"{CODEGEN}.convolution_bias", _convolution(), {}, _fits),
    (f"{CODEGEN}.convolution", is_op("relax.nn.conv2d")(wildcard(), is_const()), {}, _fits),
    (f"{CODEGEN}.depth_to_space", _depth_to_space(), {}, _is_by_two),
    (f"{CODEGEN}.multiply", is_op("relax.multiply")(wildcard(), wildcard()), {}, _of_two_tensors),
    (f"{CODEGEN}.add", is_op("relax.add")(wildcard(), wildcard()), {}, _of_two_tensors),
)


def _left_over(main: relax.Function) -> Sequence[str]:
    """Relax's names of what no pattern took."""
    values = [binding.value for block in main.body.blocks for binding in block.bindings]
    names = [value.op.name for value in values if isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op)]
    return sorted({name.removeprefix("relax.") for name in names})
