"""One function for the NPU, or a refusal that names the operator."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from compile.ethos_u.partition import npu_functions, partition
from compile.network_graph import Node, UnsupportedOperator
from compile.relax_import import to_relax, to_tensors
from tests.compile.ethos_u.conftest import SIZE, Partitioned
from tests.compile.graphs import executed, graph_of


class Layered(nn.Module):
    """A convolution, then anything."""

    def __init__(self, convolution: nn.Module, then: nn.Module | None = None) -> None:
        super().__init__()
        self.convolution = convolution
        self.then = then or nn.Identity()

    def forward(self, image: Tensor) -> Tensor:
        return self.then(self.convolution(image))


def refused(network: nn.Module) -> str:
    with pytest.raises(UnsupportedOperator) as error:
        partition(to_relax(network, 5))
    assert error.value.exit_code == 2
    return str(error.value)


def test_the_whole_network_is_one_function(partitioned: Partitioned) -> None:
    (function,) = npu_functions(partitioned.module)
    main = partitioned.module["main"]
    bindings = [binding for block in main.body.blocks for binding in block.bindings]
    assert len(bindings) == 1
    assert str(function.attrs["Codegen"]) == "ethosu"


def test_the_composites_compute_the_network(partitioned: Partitioned) -> None:
    (function,) = npu_functions(partitioned.module)
    tensors = to_tensors(function)
    made = graph_of(partitioned.network, SIZE)
    image = partitioned.images[0][0]
    assert abs(executed(tensors[-1], image) - executed(made, image)).max() < 1e-5
    assert all(isinstance(tensor, Node) for tensor in tensors)


@pytest.mark.parametrize(
    ("then", "name"),
    [
        (nn.Sigmoid(), "sigmoid"),
        (nn.GELU(), "gelu"),
        (nn.Tanh(), "tanh"),
        (nn.MaxPool2d(2), "max_pool2d"),
        (nn.Upsample(scale_factor=2), "resize2d"),
    ],
)
def test_an_operator_without_a_pattern_is_named(then: nn.Module, name: str) -> None:
    assert name in refused(Layered(nn.Conv2d(5, 4, 3, padding=1), then))


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(5, 4, 4, stride=4),
        nn.Conv2d(5, 4, 3, dilation=2),
        nn.Conv2d(5, 5, 3, groups=5, dilation=2),
        nn.Conv2d(5, 10, 3, groups=5),
    ],
)
def test_a_convolution_beyond_the_npus_limits_is_refused(convolution: nn.Module) -> None:
    assert "conv2d" in refused(convolution)


def test_a_tensor_times_a_number_is_refused() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(5, 4, 1)

        def forward(self, image: Tensor) -> Tensor:
            return self.convolution(image) * 0.5

    assert "multiply" in refused(Halved())


def test_another_shuffle_than_by_two_is_refused() -> None:
    assert "permute_dims" in refused(Layered(nn.Conv2d(5, 18, 1), nn.PixelShuffle(3)))


def test_two_branches_that_meet_are_one_function() -> None:
    class Meeting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Conv2d(5, 4, 1), nn.Conv2d(5, 4, 3, padding=1)

        def forward(self, image: Tensor) -> Tensor:
            return functional.relu(self.left(image)) + torch.clamp(self.right(image), -1, 1)

    assert len(npu_functions(partition(to_relax(Meeting(), 5)))) == 1
