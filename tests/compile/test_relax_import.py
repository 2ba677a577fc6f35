"""Networks read through torch.export and Relax compute what PyTorch computes; what isn't known is refused by name."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
import tvm
from torch import Tensor, nn
from tvm import relax
from tvm.relax import op

from compile import networks
from compile.network_graph import Clip, Convolution, Image, Node, Other, UnsupportedOperator, Window
from compile.relax_import import IMPORT_SIZE, to_graph, to_relax
from denoiser.network import INPUT_CHANNELS, Architecture
from tests.compile.graphs import executed, graph_of
from tests.compile.small_networks import FOUR_SCALES, GAMMA_FREE, ONE_SCALE, UNALIGNED, random_network

CHANNELS = 3


class Plain(nn.Module):
    """A function as a network."""

    def __init__(self, function, **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, image: Tensor) -> Tensor:
        return self.function(self, image)


@cache
def imported(architecture: Architecture) -> Node:
    return to_graph(to_relax(random_network(architecture), INPUT_CHANNELS))


def image_of(channels: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, IMPORT_SIZE, IMPORT_SIZE)).astype(np.float32)


def by_torch(network: nn.Module, image: np.ndarray) -> np.ndarray:
    """In float64; the network is converted for good."""
    with torch.no_grad():
        return network.to(torch.float64)(torch.from_numpy(image).to(torch.float64)[None])[0].numpy()


def nodes_of(output: Node) -> list[Node]:
    """All nodes that lead to one, each once."""
    found: dict[Node, None] = {}

    def visit(node: Node) -> None:
        if node not in found:
            found[node] = None
            for name in ("source", "left", "right"):
                if (before := getattr(node, name, None)) is not None:
                    visit(before)

    visit(output)
    return list(found)


@pytest.mark.parametrize(
    "architecture",
    [FOUR_SCALES, UNALIGNED, GAMMA_FREE, ONE_SCALE],
    ids=["aligned", "unaligned", "gamma-free", "one-scale"],
)
def test_the_graph_computes_what_the_network_computes(architecture: Architecture) -> None:
    graph, image = imported(architecture), image_of(INPUT_CHANNELS)
    expected = by_torch(random_network(architecture), image)
    assert expected.std() > 0.1
    np.testing.assert_allclose(executed(graph, image), expected, rtol=1e-12, atol=1e-12)
    # The graph made by hand, which other tests rely on, is the same one.
    by_hand = graph_of(random_network(architecture))
    np.testing.assert_allclose(executed(by_hand, image), expected, rtol=1e-12, atol=1e-12)
    assert Counter(map(type, nodes_of(graph))) == Counter(map(type, nodes_of(by_hand)))


def test_the_shipped_network_is_read() -> None:
    (source,) = networks.load("universal").networks
    image = image_of(INPUT_CHANNELS)
    graph = to_graph(to_relax(source.network, INPUT_CHANNELS))
    np.testing.assert_allclose(executed(graph, image), by_torch(source.network, image), rtol=1e-11, atol=1e-11)


def test_biases_lie_in_their_convolutions() -> None:
    network, graph = random_network(ONE_SCALE), imported(ONE_SCALE)
    assert isinstance(graph, Convolution)
    np.testing.assert_array_equal(graph.bias, network.head.bias.numpy())
    np.testing.assert_array_equal(graph.weight, network.head.weight.numpy())
    assert (graph.stride, graph.padding, graph.groups) == (1, 1, 1)
    biased = [node for node in nodes_of(graph) if isinstance(node, Convolution)]
    assert all(node.bias.any() for node in biased)
    assert len(biased) == sum(isinstance(layer, nn.Conv2d) for layer in network.modules())


def test_the_bounds_of_gamma_are_kept() -> None:
    clips = [node for node in nodes_of(imported(FOUR_SCALES)) if isinstance(node, Clip)]
    assert {(node.low, node.high) for node in clips} == {(-0.5, 1.5)}
    assert len(clips) == 7


def test_the_one_input_is_shared() -> None:
    (image,) = (node for node in nodes_of(imported(FOUR_SCALES)) if isinstance(node, Image))
    assert image.shape == (INPUT_CHANNELS, IMPORT_SIZE, IMPORT_SIZE)


def test_the_network_is_read_in_evaluation_mode() -> None:
    """Dropout is nothing then."""
    network = Plain(
        lambda self, x: self.drop(self.conv(x)), conv=nn.Conv2d(CHANNELS, CHANNELS, 1), drop=nn.Dropout(0.9)
    ).train()
    image = image_of(CHANNELS)
    graph = to_graph(to_relax(network, CHANNELS))
    np.testing.assert_allclose(executed(graph, image), by_torch(network.eval(), image), rtol=1e-12, atol=1e-12)


def relax_module(network: Callable[[relax.Expr], relax.Expr], batch: int = 1) -> tvm.IRModule:
    """A network written in Relax, where every operator can be had by itself."""
    image = relax.Var("image", relax.TensorType((batch, CHANNELS, IMPORT_SIZE, IMPORT_SIZE), "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [image]):
        with builder.dataflow():
            output = builder.emit_output(builder.normalize(network(image)))
        builder.emit_func_output(output)
    return builder.get()


def constant(*shape: int) -> relax.Expr:
    return relax.const(np.random.default_rng(2).normal(size=shape).astype(np.float32))


def convolved(image: relax.Expr, side: int = 3, outputs: int = CHANNELS, **options) -> relax.Expr:
    return op.nn.conv2d(image, constant(outputs, CHANNELS, side, side), **options)


def test_a_convolution_may_have_several_biases() -> None:
    first, second = constant(1, CHANNELS, 1, 1), constant(1, CHANNELS, 1, 1)
    graph = to_graph(relax_module(lambda x: op.add(op.add(convolved(x), first), second)))
    assert isinstance(graph, Convolution)
    np.testing.assert_array_equal(graph.bias, (first.value.numpy() + second.value.numpy()).ravel())


BY_RELAX: dict[str, tuple[Callable[[relax.Expr], relax.Expr], int, Window]] = {
    "log": (op.log, 1, Window()),
    "nn.gelu": (op.nn.gelu, 1, Window()),
    "subtract": (lambda x: op.subtract(x, op.nn.relu(x)), 2, Window()),
    "divide": (lambda x: op.divide(relax.const(1.0), x), 1, Window()),
    "multiply": (lambda x: op.multiply(x, constant(1, CHANNELS, 1, 1)), 1, Window()),
    "add": (lambda x: op.add(constant(CHANNELS, 1, 1), op.nn.relu(x)), 1, Window()),
    "nn.avg_pool2d": (lambda x: op.nn.avg_pool2d(x, 3, 1, 1, count_include_pad=True), 1, Window(3, 1, -1)),
    "nn.max_pool2d": (lambda x: op.nn.max_pool2d(x, 2, 2), 1, Window(2, 2, 0)),
    "nn.conv2d": (lambda x: convolved(x, side=2, strides=(2, 2), padding=1, dilation=(2, 2)), 1, Window(3, 2, -1)),
}


@pytest.mark.parametrize("name", BY_RELAX)
def test_operators_without_a_template_are_left_to_relax_and_said(name: str, caplog: pytest.LogCaptureFixture) -> None:
    make, sources, window = BY_RELAX[name]
    with caplog.at_level(logging.INFO, "compile.relax_fallback"):
        node = to_graph(relax_module(make))
    assert isinstance(node, Other)
    assert node.call.op.name == f"relax.{name}"
    assert node.shape == (CHANNELS, IMPORT_SIZE // window.stride, IMPORT_SIZE // window.stride)
    assert len(node.sources) == sources
    assert node.window == window
    assert caplog.messages == [f"{name}: no kernel of ours, Relax's own is used"]


def test_a_bias_may_be_reshaped_first() -> None:
    bias = constant(CHANNELS)
    graph = to_graph(relax_module(lambda x: op.add(convolved(x), op.reshape(bias, (1, CHANNELS, 1, 1)))))
    assert isinstance(graph, Convolution)
    np.testing.assert_array_equal(graph.bias, bias.value.numpy())


UNSUPPORTED: dict[str, tuple[Callable[[relax.Expr], relax.Expr], str]] = {
    "what goes along the columns": (lambda x: op.nn.softmax(x, -1), r"operator relax\.nn\.softmax"),
    "what adds up along the columns": (lambda x: op.cumsum(x, 3), r"operator relax\.cumsum"),
    "truth": (lambda x: op.greater(x, relax.const(0.0)), "gives bool"),
    "three tensors": (
        lambda x: op.where(op.greater(x, relax.const(0.0)), x, op.nn.relu(x)),
        "gives bool",
    ),
    "average pool whose windows overlap by less than rows can": (
        lambda x: op.nn.avg_pool2d(x, (4, 4), (4, 4)),
        r"operator relax\.nn\.avg_pool2d",
    ),
    "pool that does not count the border": (
        lambda x: op.nn.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
        "pool that does not count",
    ),
    "largest value with a border": (lambda x: op.nn.max_pool2d(x, 3, 1, 1), "pool that does not count"),
    "concatenation": (lambda x: op.concat([x, x], 1), "operator relax.concat|operator Tuple"),
    "transposed convolution": (
        lambda x: op.nn.conv2d_transpose(x, constant(CHANNELS, CHANNELS, 2, 2), strides=(2, 2)),
        "operator relax.nn.conv2d_transpose",
    ),
    "dilation": (lambda x: convolved(x, padding=2, dilation=(2, 2)), r"operator relax\.nn\.conv2d"),
    "uneven dilation": (lambda x: convolved(x, dilation=(1, 2)), r"dilation \[1, 2\]"),
    "uneven stride": (lambda x: convolved(x, strides=(1, 2)), r"strides \[1, 2\]"),
    "uneven padding": (lambda x: convolved(x, padding=(1, 0)), r"padding \[0, 1\]"),
    "padding on one side": (lambda x: convolved(x, padding=(0, 0, 1, 1)), r"padding \[0, 1\]"),
    "computed weights": (lambda x: op.nn.conv2d(x, op.nn.relu(x), padding=16), "computed weights"),
    "depth to space by three": (
        lambda x: op.reshape(convolved(x, outputs=9), (1, 1, 3, 3, IMPORT_SIZE - 2, IMPORT_SIZE - 2)),
        "reshape to",
    ),
    "other reshape": (lambda x: op.reshape(x, (1, CHANNELS, 16, 64)), r"reshape to \(1, 3, 16, 64\)"),
    "other permutation": (lambda x: op.permute_dims(x, (0, 1, 3, 2)), r"permutation \(0, 1, 3, 2\)"),
    "other order of sub-pixels": (
        lambda x: op.permute_dims(
            op.reshape(convolved(x, side=1, outputs=8), (1, 2, 2, 2, IMPORT_SIZE, IMPORT_SIZE)), (0, 1, 4, 3, 5, 2)
        ),
        r"permutation \(0, 1, 4, 3, 5, 2\)",
    ),
    "constant along the columns": (
        # As many of them as channels: no bias for all that.
        lambda x: op.add(convolved(x, side=1, outputs=IMPORT_SIZE), constant(IMPORT_SIZE)),
        r"operator relax\.add",
    ),
    "sum of unlike shapes": (lambda x: op.add(convolved(x, side=1, outputs=1), x), "add"),
    "product of unlike shapes": (lambda x: op.multiply(x, convolved(x, side=1, outputs=1)), "multiplication"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_there_is_no_kernel_for_is_refused_by_name(name: str) -> None:
    network, named = UNSUPPORTED[name]
    module = relax_module(network)
    with pytest.raises(UnsupportedOperator, match=named) as refusal:
        to_graph(module)
    assert "expected" in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_layer_of_pytorch_is_refused_by_name() -> None:
    network = Plain(lambda self, x: self.norm(self.conv(x)), conv=nn.Conv2d(CHANNELS, 4, 1), norm=nn.BatchNorm2d(4))
    with pytest.raises(UnsupportedOperator, match=r"operator relax\.nn\.batch_norm"):
        to_graph(to_relax(network, CHANNELS))


def test_a_batch_is_refused() -> None:
    with pytest.raises(UnsupportedOperator, match="batch of 2"):
        to_graph(relax_module(op.nn.relu, batch=2))
