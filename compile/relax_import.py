"""A PyTorch network, through torch.export and TVM's Relax, as a graph of the operations there are kernels for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
import tvm
from torch import nn
from tvm import relax
from tvm.relax.frontend.torch import from_exported_program

from compile.network_graph import (
    Add,
    Clip,
    Convolution,
    DepthToSpace,
    Image,
    Multiply,
    Node,
    Relu,
    UnsupportedOperator,
)
from compile.relax_fallback import other, uniform

IMPORT_SIZE = 32
"""Height and width of the input that the network is traced with: the kernels take any."""


def to_relax(network: nn.Module, channels: int, size: int = IMPORT_SIZE) -> tvm.IRModule:
    """The network in evaluation mode as a Relax module for an image of that height and width, weights as constants."""
    example = torch.zeros(1, channels, size, size)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        exported = torch.export.export(network.eval(), (example,))
        module = from_exported_program(exported, keep_params_as_input=False, unwrap_unit_return_tuple=True)
    # Of what an operator of PyTorch gives beside its result, nothing is left if nothing reads it.
    return tvm.transform.Sequential([relax.transform.CanonicalizeBindings(), relax.transform.DeadCodeElimination()])(
        module
    )


def to_graph(module: tvm.IRModule) -> Node:
    """The output of `main`, one image in, one tensor out. Raises UnsupportedOperator."""
    return _Reader(module["main"]).output()


def to_tensors(function: relax.Function) -> tuple[Node, ...]:
    """What each composite function that a partition calls gives, in the order of the calls; the last is the output.

    Raises UnsupportedOperator.
    """
    reader = _Reader(function)
    reader.output()
    return reader.of_composites


def _shape(expression: relax.Expr) -> tuple[int, ...]:
    return tuple(int(size) for size in expression.ty.shape)


class _Reader:
    """Follows the bindings of one Relax function, in order."""

    def __init__(self, function: relax.Function) -> None:
        self._function = function
        self._nodes: dict[relax.Expr, Node] = {}
        self._constants: dict[relax.Expr, np.ndarray] = {}
        self._views: dict[relax.Expr, tuple[Node, str]] = {}
        self._composites: dict[relax.Expr, relax.Function] = {}
        self.of_composites: tuple[Node, ...] = ()
        (image,) = function.params
        self._nodes[image] = Image(self._three(image))
        self._read: Mapping[str, Callable[[relax.Expr, relax.Call], None]] = {
            "relax.nn.conv2d": self._convolution,
            "relax.add": self._add,
            "relax.multiply": self._multiply,
            "relax.nn.relu": self._relu,
            "relax.clip": self._clip,
            "relax.reshape": self._reshape,
            "relax.permute_dims": self._permute,
        }

    def output(self) -> Node:
        return self._read_body(self._function)

    def _read_body(self, function: relax.Function) -> Node:
        for block in function.body.blocks:
            for binding in block.bindings:
                self._bind(binding.var, binding.value)
        return self._nodes[function.body.body]

    def _bind(self, variable: relax.Expr, value: relax.Expr) -> None:
        if isinstance(value, tvm.ir.Var):
            self._nodes[variable] = self._nodes[value]
            return
        if isinstance(value, relax.Function):
            self._composites[variable] = value
            return
        if getattr(value, "op", None) in self._composites:
            self._call(variable, self._composites[value.op], value.args)
            return
        name = getattr(getattr(value, "op", None), "name", type(value).__name__)
        if name in self._read:
            self._read[name](variable, value)
        elif isinstance(value, relax.Call) and isinstance(value.op, tvm.ir.Op):
            self._other(variable, value)
        else:
            raise UnsupportedOperator(f"operator {name}", expected="a call of an operator of Relax")

    def _call(self, variable: relax.Expr, composite: relax.Function, arguments: Iterable[relax.Expr]) -> None:
        for parameter, argument in zip(composite.params, arguments, strict=True):
            self._nodes[parameter] = self._nodes[argument]
        self._nodes[variable] = self._read_body(composite)
        self.of_composites = (*self.of_composites, self._nodes[variable])

    @staticmethod
    def _three(expression: relax.Expr) -> tuple[int, int, int]:
        batch, channels, height, width = _shape(expression)
        if batch != 1:
            raise UnsupportedOperator(f"batch of {batch}", expected="1")
        return channels, height, width

    def _constant(self, expression: relax.Expr) -> np.ndarray | None:
        if isinstance(expression, tvm.ir.GenericConst):
            return expression.value.numpy()
        return self._constants.get(expression)

    def _convolution(self, variable: relax.Expr, call: relax.Call) -> None:
        source, weight = self._nodes[call.args[0]], self._constant(call.args[1])
        if weight is None or uniform(call.attrs.dilation, "convolution with dilation {}") != 1:
            self._other(variable, call)
            return
        shape = self._three(variable)
        self._nodes[variable] = Convolution(
            shape,
            source,
            weight,
            np.zeros(shape[0], np.float32),
            uniform(call.attrs.strides, "convolution with strides {}"),
            uniform(call.attrs.padding, "convolution with padding {}"),
            int(call.attrs.groups),
        )

    def _add(self, variable: relax.Expr, call: relax.Call) -> None:
        left, right = call.args
        constant = self._constant(right)
        if constant is None and self._constant(left) is None:
            self._nodes[variable] = Add(self._three(variable), *self._alike("addition", left, right))
            return
        before = self._nodes.get(left)
        if (
            constant is None
            or not isinstance(before, Convolution)
            or constant.shape not in {(1, before.shape[0], 1, 1), (before.shape[0], 1, 1)}
        ):
            self._other(variable, call)
            return
        self._nodes[variable] = Convolution(
            before.shape,
            before.source,
            before.weight,
            before.bias + constant.reshape(-1),
            before.stride,
            before.padding,
            before.groups,
        )

    def _multiply(self, variable: relax.Expr, call: relax.Call) -> None:
        if any(self._constant(argument) is not None for argument in call.args):
            self._other(variable, call)
            return
        self._nodes[variable] = Multiply(self._three(variable), *self._alike("multiplication", *call.args))

    def _alike(self, what: str, left: relax.Expr, right: relax.Expr) -> tuple[Node, Node]:
        """Two operands of one shape."""
        if _shape(left) != _shape(right):
            raise UnsupportedOperator(f"{what} of tensors {_shape(left)} and {_shape(right)}", expected="equal shapes")
        return self._nodes[left], self._nodes[right]

    def _relu(self, variable: relax.Expr, call: relax.Call) -> None:
        self._nodes[variable] = Relu(self._three(variable), self._nodes[call.args[0]])

    def _other(self, variable: relax.Expr, call: relax.Call) -> None:
        if not isinstance(variable.ty, relax.TensorType):
            raise UnsupportedOperator(f"operator {call.op.name}, which gives several tensors", expected="one tensor")
        constants = (self._constant(operand) for operand in call.args)
        operands = [
            self._nodes.get(operand, operand) if constant is None else constant
            for operand, constant in zip(call.args, constants, strict=True)
        ]
        self._nodes[variable] = other(self._three(variable), call, operands)

    def _clip(self, variable: relax.Expr, call: relax.Call) -> None:
        low, high = (float(argument.value) for argument in call.args[1:])
        self._nodes[variable] = Clip(self._three(variable), self._nodes[call.args[0]], low, high)

    def _reshape(self, variable: relax.Expr, call: relax.Call) -> None:
        source, shape = call.args[0], _shape(variable)
        if (constant := self._constant(source)) is not None:
            self._constants[variable] = constant.reshape(shape)
        elif source in self._views and self._views[source][1] == "shuffled":
            self._nodes[variable] = DepthToSpace(self._three(variable), self._views[source][0])
        elif source in self._nodes and len(shape) == 6 and shape[2:4] == (2, 2):
            self._views[variable] = self._nodes[source], "split"
        else:
            raise UnsupportedOperator(f"reshape to {shape}", expected="depth to space by two")

    def _permute(self, variable: relax.Expr, call: relax.Call) -> None:
        axes = tuple(int(axis) for axis in call.attrs.axes)
        source = call.args[0]
        if source not in self._views or axes != (0, 1, 4, 2, 5, 3):
            raise UnsupportedOperator(f"permutation {axes}", expected="depth to space by two")
        self._views[variable] = self._views[source][0], "shuffled"
