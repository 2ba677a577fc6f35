"""A quantised network's integers, as the TOSA reference model has them but in a fraction of its time.

Sums of products of integers are below 2**53, so that PyTorch's convolutions in float64 give them exactly; the rest is
64-bit integers. `checked` compares every value with the reference model.

References
----------
Arm, "TOSA Specification" 1.0: RESCALE with SINGLE_ROUND.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from compile.ethos_u import integer_graph as integer
from compile.ethos_u import reference_model, tosa
from compile.ethos_u.border import answer_shape
from compile.ethos_u.integer_graph import IntegerNetwork, Scale
from compile.ethos_u.tosa import Layout
from isp.errors import MismatchError


class Integers:
    """A network, ready to be run on images of any size that its strides divide."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network
        self._order = network.ordered()
        self._last_use = {
            source: place for place, tensor in enumerate(self._order) for source in integer.sources(tensor)
        }

    def answer(self, image: np.ndarray) -> np.ndarray:
        """What the NPU answers: integers [1, 4, H, W] for an image of integers [1, 5, H, W]."""
        made: dict[integer.Tensor, Tensor] = {}
        with torch.inference_mode():
            for place, tensor in enumerate(self._order):
                made[tensor] = self._make(tensor, made, image)
                for source in integer.sources(tensor):
                    if self._last_use[source] == place:
                        made.pop(source, None)
            return made[self.network.output].numpy().astype(self.network.precision.activation)

    def _make(self, tensor: integer.Tensor, made: dict[integer.Tensor, Tensor], image: np.ndarray) -> Tensor:
        if isinstance(tensor, integer.Convolution):
            sums = _sums(tensor, made[tensor.source])
            return self._rescaled(sums, tensor.scales).clamp_(tensor.low, tensor.high)
        if isinstance(tensor, integer.Add):
            return self._rescaled(made[tensor.left] + made[tensor.right], (tensor.scale,))
        if isinstance(tensor, integer.Multiply):
            return self._rescaled(made[tensor.left] * made[tensor.right], (tensor.scale,))
        if isinstance(tensor, integer.DepthToSpace):
            return functional.pixel_shuffle(made[tensor.source], 2)
        return torch.from_numpy(image.astype(np.int64))

    def _rescaled(self, values: Tensor, scales: tuple[Scale, ...]) -> Tensor:
        """RESCALE, in the memory of int64 values [1, C, H, W], saturating at the precision's range."""
        multipliers = _per_channel([scale.multiplier for scale in scales])
        shifts = _per_channel([scale.shift for scale in scales])
        values.mul_(multipliers).add_(1 << (shifts - 1))
        return values.bitwise_right_shift_(shifts).clamp_(self.network.precision.lowest, self.network.precision.largest)


def checked(network: IntegerNetwork, image: np.ndarray) -> Integers:
    """The same, after its answer to a square image was found to be the TOSA reference model's, every value of it.

    image: integers [1, 5, side, side]. Raises MismatchError where a value differs.
    """
    integers, side = Integers(network), image.shape[2]
    graph = tosa.write(network, side, side, Layout.NCHW)
    expected = reference_model.run(graph, image, answer_shape(network, 2 * side, Layout.NCHW))
    differing = int(np.count_nonzero(integers.answer(image) != expected))
    if differing:
        raise MismatchError(
            f"{differing} of {expected.size} values are not the TOSA reference model's", expected="none"
        )
    return integers


def _sums(tensor: integer.Convolution, source: Tensor) -> Tensor:
    weight = torch.from_numpy(tensor.weight.astype(np.float64))
    bias = torch.from_numpy(tensor.bias.astype(np.float64))
    sums = functional.conv2d(source.double(), weight, bias, tensor.stride, tensor.padding, 1, tensor.groups)
    return sums.to(torch.int64)


def _per_channel(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)[None, :, None, None]
