"""Operators of Relax that there is no template for, brought to what `compile.row_kernels.relax_operator` computes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tvm
from tvm import relax
from tvm.relax import op

from compile.network_graph import Convolution, Node, Other, UnsupportedOperator, Window
from compile.row_kernels.relax_operator import is_pixelwise

log = logging.getLogger(__name__)

_POSSIBLE = "one that makes each pixel of the same pixel of one or two tensors, or a convolution or pool of at most 3x3"


def other(shape: tuple[int, int, int], call: relax.Call, operands: Sequence[Node | np.ndarray | relax.Expr]) -> Other:
    """A call as a node of that shape. operands: of the call; nodes, constants, and what stays as it is.

    Raises UnsupportedOperator for an operator that does not work on rows, or that Relax cannot lower.
    """
    name = call.op.name
    sources = tuple(dict.fromkeys(each for each in operands if isinstance(each, Node)))
    if not 1 <= len(sources) <= 2:
        raise UnsupportedOperator(f"operator {name} of {len(sources)} tensors", expected=_POSSIBLE)
    variables = {source: _variable(number, source) for number, source in enumerate(sources)}
    arguments = [_argument(each, variables) for each in operands]
    if name in _WINDOWED:
        bare, window = _WINDOWED[name](call, arguments)
        fits = _fits(window) and len(sources) == 1
    else:
        bare, window = relax.Call(call.op, arguments, call.attrs, call.ty_args), Window()
        constants = (each for each in operands if isinstance(each, np.ndarray))
        fits = all(map(_is_by_channel, constants)) and is_pixelwise(relax.BlockBuilder().normalize(bare))
    bare = relax.BlockBuilder().normalize(bare)
    if not fits or shape[1:] != tuple(size // window.stride for size in sources[0].shape[1:]):
        raise UnsupportedOperator(f"operator {name}", expected=_POSSIBLE)
    if str(bare.ty.dtype) != "float32":
        raise UnsupportedOperator(f"operator {name}, which gives {bare.ty.dtype}", expected="float32")
    log.info("%s: no kernel of ours, Relax's own is used", name.removeprefix("relax."))
    return Other(shape, sources, bare, window)


def convolution(node: Convolution) -> Other:
    """A convolution that no template is for, and the addition of its bias.

    Raises UnsupportedOperator for one that sees more than rows have.
    """
    source = relax.Var("first", relax.TensorType((1, *node.source.shape), "float32"))
    call = op.nn.conv2d(source, relax.const(node.weight), node.stride, node.padding, groups=node.groups)
    products = other(node.shape, call, [node.source, node.weight])
    bias = node.bias.reshape(1, -1, 1, 1).astype(np.float32)
    total = op.add(_variable(0, products), relax.const(bias))
    return other(node.shape, total, [products, bias])


def _variable(number: int, source: Node) -> relax.Var:
    return relax.Var(("first", "second")[number], relax.TensorType((1, *source.shape), "float32"))


def _argument(operand: Node | np.ndarray | relax.Expr, variables: Mapping[Node, relax.Var]) -> relax.Expr:
    if isinstance(operand, Node):
        return variables[operand]
    return relax.const(operand) if isinstance(operand, np.ndarray) else operand


def _is_by_channel(constant: np.ndarray) -> bool:
    """Whether a constant is the same for all pixels."""
    return constant.size == 1 or (constant.ndim >= 3 and constant.shape[-2:] == (1, 1))


def _fits(window: Window) -> bool:
    """Whether rows have it: three of them, with one column of zeros beyond either edge."""
    beyond = window.origin + window.size - window.stride
    return window.size <= 3 and window.stride in (1, 2) and -1 <= window.origin <= 0 and beyond <= 1


def uniform(values: Iterable[object], what: str) -> int:
    """What all the values are; raises UnsupportedOperator where they differ."""
    found = {int(str(value)) for value in values}
    if len(found) != 1:
        raise UnsupportedOperator(what.format(sorted(found)), expected="the same in both directions")
    return found.pop()


def _convolution(call: relax.Call, arguments: Sequence[relax.Expr]) -> tuple[relax.Call, Window]:
    source, weight = arguments
    if not isinstance(weight, tvm.ir.GenericConst):
        raise UnsupportedOperator("convolution with computed weights", expected="constant ones")
    side = uniform(weight.value.numpy().shape[2:], "convolution of {}")
    stride, padding, dilation = (
        uniform(values, f"convolution with {what} {{}}")
        for values, what in (
            (call.attrs.strides, "strides"),
            (call.attrs.padding, "padding"),
            (call.attrs.dilation, "dilation"),
        )
    )
    bare = op.nn.conv2d(source, weight, stride, 0, dilation, int(call.attrs.groups))
    return bare, Window(dilation * (side - 1) + 1, stride, -padding)


def _pool(call: relax.Call, arguments: Sequence[relax.Expr]) -> tuple[relax.Call, Window]:
    (source,) = arguments
    side, stride, padding, dilation = (
        uniform(values, f"pool with {what} {{}}")
        for values, what in (
            (call.attrs.pool_size, "sides"),
            (call.attrs.strides, "strides"),
            (call.attrs.padding, "padding"),
            (call.attrs.dilation, "dilation"),
        )
    )
    mean = call.op.name == "relax.nn.avg_pool2d"
    if call.attrs.ceil_mode or (padding and not (mean and call.attrs.count_include_pad)):
        raise UnsupportedOperator(
            "pool that does not count what lies beyond the edge as zeros", expected="one that does"
        )
    make = op.nn.avg_pool2d if mean else op.nn.max_pool2d
    return make(source, side, stride, 0, dilation, count_include_pad=True), Window(
        dilation * (side - 1) + 1, stride, -padding
    )


_Windowed = Callable[[relax.Call, Sequence[relax.Expr]], tuple[relax.Call, Window]]
_WINDOWED: Mapping[str, _Windowed] = {
    "relax.nn.conv2d": _convolution,
    "relax.nn.avg_pool2d": _pool,
    "relax.nn.max_pool2d": _pool,
}
"""A call without its padding, which rows have, and what it sees."""
