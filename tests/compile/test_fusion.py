"""Which groups of operations become which kernels, how their weights are handed over, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings

from compile.fusion import fuse
from compile.network_graph import (
    Add,
    Convolution,
    DepthToSpace,
    Image,
    Multiply,
    Node,
    UnsupportedOperator,
)
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.elementwise import RowElementwise
from compile.row_kernels.few_outputs import RowFewOutputs
from compile.row_kernels.residual_block import Alignment, RowBlock
from compile.row_program import AROUND, HALF, PAIR, SAME, RowProgram
from denoiser.network import Architecture, FeatureAlignNetwork
from tests.compile.graphs import add, clip, convolved, graph_of, logarithm, multiply, relu, shuffled
from tests.compile.small_networks import FOUR_SCALES, NO_BOUNDS, UNALIGNED, architectures, random_network

IMAGE = Image((5, 32, 32))


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pointwise(source: Node, outputs: int, seed: int = 0) -> Convolution:
    return convolved(source, weights(outputs, source.shape[0], 1, 1, seed=seed), weights(outputs, seed=seed + 1))


def depthwise(source: Node, side: int = 3, **options: int) -> Convolution:
    channels = source.shape[0]
    return convolved(
        source,
        weights(channels, 1, side, side),
        weights(channels),
        groups=channels,
        **{"padding": side // 2, **options},
    )


def stem(channels: int = 6) -> Convolution:
    return convolved(IMAGE, weights(channels, 5, 3, 3), weights(channels), padding=1)


def block(source: Node, expansion: int = 2) -> Add:
    channels = source.shape[0]
    return add(source, pointwise(relu(pointwise(depthwise(source), channels * expansion)), channels, seed=5))


def aligned(features: Node, hidden_channels: int = 3) -> Add:
    hidden = relu(pointwise(IMAGE, hidden_channels))
    channels = features.shape[0]
    gamma = clip(pointwise(hidden, channels, seed=7), 0, 2)
    return add(multiply(features, gamma), pointwise(hidden, channels, seed=9))


def test_the_kernels_of_a_network_in_their_order() -> None:
    """As the architecture's description says: stem, blocks, the last of a scale with its alignment; down, up."""
    architecture = Architecture(
        widths=(6, 10), encoder_blocks=(2, 1), decoder_blocks=(1,), expansion=3, align_width=5, gamma_range=(0.0, 2.0)
    )
    program = fuse(graph_of(random_network(architecture)), 4)
    align = Alignment(image_inputs=5, image_pitch=8, hidden=8, low=0.0, high=2.0)
    expected = {
        RowConvolution(3, inputs=5, pitch=8, outputs=8, addend="none"),
        RowBlock(8, 20, None, unused=2),
        RowBlock(8, 20, align, unused=2),
        RowConvolution(2, inputs=6, pitch=8, outputs=12, addend="none"),
        RowDepthwise(2, 8),
        RowBlock(12, 32, align, unused=2),
        RowConvolution(1, inputs=10, pitch=12, outputs=16, addend="side"),
        RowConvolution(3, inputs=6, pitch=8, outputs=4, addend="none"),
    }
    kernels = [step.kernel for step in program.steps]
    assert set(kernels) == expected
    assert len(kernels) == 9  # that of the last block twice: in the encoder and in the decoder
    assert kernels[0] == RowConvolution(3, 5, 8, 8, "none")
    assert kernels[-2:] == [RowBlock(8, 20, align, unused=2), RowConvolution(3, 6, 8, 4, "none")]


@settings(max_examples=15, deadline=None)
@given(architecture=architectures())
def test_every_layer_is_one_step_and_every_ring_is_whole_vectors(architecture: Architecture) -> None:
    network, lanes = FeatureAlignNetwork(architecture), 4
    program = fuse(graph_of(network), lanes)
    scales = len(architecture.widths)
    blocks = sum(architecture.encoder_blocks) + sum(architecture.decoder_blocks)
    aligned = [
        scale
        for count, finest in zip((scales, scales - 1), architecture.align_from, strict=True)
        for scale in range(finest, count)
    ]
    pyramids = max(aligned, default=0) if architecture.align_width else 0
    assert len(program.steps) == 2 + blocks + 2 * (scales - 1) + pyramids
    assert all(ring.channels % lanes == 0 for ring in program.rings)
    assert len(set(program.rings)) == len(program.rings)
    assert program.image is program.rings[0]
    assert (program.image.scale, program.image.channels) == (0, 8)
    assert program.answer is program.steps[-1].target
    assert (program.answer.scale, program.answer.channels) == (0, 4)
    assert program.coarsest == scales - 1
    made = {program.image}
    for step in program.steps:
        assert {step.source, step.side} - {None} <= made  # inputs come first
        made.add(step.target)


@pytest.mark.parametrize(("lanes", "together"), [(1, 1), (4, 1), (8, 2)])
def test_columns_of_the_answer_fill_its_vectors(lanes: int, together: int) -> None:
    program = fuse(graph_of(random_network(FOUR_SCALES)), lanes)
    assert program.answer.channels == 4
    *others, last = (step.kernel for step in program.steps if isinstance(step.kernel, RowConvolution))
    assert (last.outputs, last.together) == (4, together)
    assert {kernel.together for kernel in others} == {1}


@pytest.mark.parametrize("lanes", [16, 32])
def test_wide_vectors_hold_all_that_a_column_adds_to_the_answer(lanes: int) -> None:
    program = fuse(graph_of(random_network(FOUR_SCALES)), lanes)
    assert program.answer.channels == 4
    assert program.steps[-1].kernel == RowFewOutputs(inputs=4, pitch=8, outputs=4)


def test_what_each_layer_reads() -> None:
    program = fuse(graph_of(random_network(FOUR_SCALES)), 1)
    rows = {
        RowConvolution: {3: AROUND, 2: PAIR, 1: HALF},
        RowDepthwise: {2: PAIR},
        RowBlock: {0: AROUND},
    }
    for step in program.steps:
        side = step.kernel.side if isinstance(step.kernel, RowConvolution | RowDepthwise) else 0
        assert step.rows == rows[type(step.kernel)][side]
        up = step.rows == HALF
        assert step.target.scale - step.source.scale == {PAIR: 1, HALF: -1}.get(step.rows, 0)
        assert step.parities == (2 if up else 1)
        if isinstance(step.kernel, RowBlock):
            # The image of the same scale.
            assert step.side is not None
            assert (step.side.scale, step.side.channels) == (step.target.scale, 5)
        elif up:
            # The encoder's features of the same scale, which are added.
            assert step.side is not None
            assert (step.side.scale, step.side.channels) == (step.target.scale, step.target.channels)
        else:
            assert step.side is None


def test_a_pointwise_convolution_by_itself() -> None:
    (step,) = fuse(pointwise(IMAGE, 3), 4).steps
    assert step.kernel == RowConvolution(1, 5, 8, 4, "none")
    assert step.rows == SAME


def test_gamma_without_bounds_is_not_clamped() -> None:
    def of(gamma_range: tuple[float, float]) -> RowProgram:
        architecture = Architecture((4,), (1,), (), align_width=4, gamma_range=gamma_range)
        return fuse(graph_of(random_network(architecture)), 1)

    (kernel,) = (step.kernel for step in of(NO_BOUNDS).steps if isinstance(step.kernel, RowBlock))
    assert kernel.alignment is not None
    assert (kernel.alignment.low, kernel.alignment.high) == NO_BOUNDS
    # The same without a clip in the graph at all.
    features, hidden = block(stem()), relu(pointwise(IMAGE, 3))
    plain = add(multiply(features, pointwise(hidden, 6)), pointwise(hidden, 6))
    *_, step = fuse(plain, 1).steps
    assert isinstance(step.kernel, RowBlock)
    assert step.kernel.alignment is not None
    assert (step.kernel.alignment.low, step.kernel.alignment.high) == NO_BOUNDS


def test_depth_to_space_by_rows_of_the_result() -> None:
    """Output channel 4 c + 2 y + x of the convolution is channel c of the pixel (y, x): for each of the two rows,
    the kernel's outputs are [pixel][channel]."""
    channels, inputs, lanes = 3, 2, 4
    weight = np.zeros((4 * channels, inputs, 1, 1), np.float32)
    weight[:, :, 0, 0] = np.arange(4 * channels)[:, None] + np.array([0, 0.25])
    bias = 100 + np.arange(4 * channels, dtype=np.float32)
    spread = convolved(pointwise(coarse(), inputs), weight, bias)
    program = fuse(add(shuffled(spread), pointwise(IMAGE, channels)), lanes)
    step = program.steps[-1]
    assert step.kernel == RowConvolution(1, inputs, 4, 2 * 4, "side")
    for row, packed in enumerate(np.split(step.weights, 2)):
        products, biases = packed[: inputs * 8].reshape(2, inputs, lanes), packed[inputs * 8 :].reshape(2, lanes)
        for pixel in range(2):
            numbers = 4 * np.arange(channels) + 2 * row + pixel
            np.testing.assert_array_equal(products[pixel, :, :channels], [numbers, numbers + 0.25])
            np.testing.assert_array_equal(biases[pixel, :channels], 100 + numbers)
            assert not products[pixel, :, channels:].any()
            assert not biases[pixel, channels:].any()


def test_a_tensor_that_two_layers_read_is_made_once() -> None:
    features = block(stem())
    program = fuse(add(features, pointwise(relu(pointwise(depthwise(features), 12)), 6)), 1)
    assert [type(step.kernel) for step in program.steps] == [RowConvolution, RowBlock, RowBlock]
    assert program.steps[2].source is program.steps[1].target


@pytest.mark.parametrize("lanes", [1, 4, 8])
def test_channels_are_padded_with_nothing(lanes: int) -> None:
    """Whatever stands in channels that aren't there, nothing comes of it, and nothing is added to them."""
    program = fuse(graph_of(random_network(UNALIGNED)), lanes)
    stem_step = program.steps[0]
    size = 5 * 9 * stem_step.target.channels
    products = stem_step.weights[:size].reshape(-1, 45, lanes).transpose(0, 2, 1).reshape(-1, 45)
    assert products[:5].all()
    assert not products[5:].any()
    assert stem_step.weights[size : size + 5].all()
    assert not stem_step.weights[size + 5 :].any()


def with_block(change: Callable[[Node], Node]) -> Node:
    """A block whose middle is another than the one there is a kernel for. change: makes what is added."""
    source = stem()
    return add(source, change(source))


REFUSED: dict[str, tuple[Callable[[], Node], str]] = {
    "5x5 convolution": (lambda: convolved(IMAGE, weights(6, 5, 5, 5), padding=2), r"operator relax\.nn\.conv2d"),
    "3x3 without padding": (lambda: convolved(IMAGE, weights(6, 5, 3, 3)), r"operator relax\.nn\.conv2d"),
    "2x2 with stride one": (lambda: convolved(IMAGE, weights(6, 5, 2, 2)), r"operator relax\.nn\.conv2d"),
    "1x1 with padding": (lambda: convolved(IMAGE, weights(6, 5, 1, 1), padding=1), r"operator relax\.nn\.conv2d"),
    "3x1 convolution": (lambda: convolved(IMAGE, weights(6, 5, 3, 1), padding=1), r"convolution of \[1, 3\]"),
    "block with 5x5": (
        lambda: with_block(lambda x: pointwise(relu(pointwise(depthwise(x, 5), 12)), 6)),
        r"operator relax\.nn\.conv2d",
    ),
    "larger than the image": (lambda: shuffled(pointwise(IMAGE, 8)), "depthtospace to 2x64x64"),
    "depth to space after 3x3": (
        lambda: shuffled(convolved(pointwise(coarse(), 4), weights(8, 4, 3, 3), padding=1)),
        "depthtospace to 2x32x32",
    ),
    "depth to space of a sum": (lambda: shuffled(add(pointwise(coarse(), 8), pointwise(coarse(), 8))), "depthtospace"),
}


def coarse() -> Convolution:
    """Half as high and wide as the image."""
    return convolved(IMAGE, weights(4, 5, 2, 2), stride=2)


def own(*names: str) -> list[str]:
    """Names of the kernels behind the stem."""
    return ["conv3_i5of8_o8", *names]


BY_THEMSELVES: dict[str, tuple[Callable[[], Node], list[str]]] = {
    "pyramid with a bias": (lambda: depthwise(IMAGE, 2, stride=2, padding=0), ["depthwise2_c8"]),
    "depthwise": (lambda: depthwise(stem()), own("depthwise3_c8")),
    "relu": (lambda: relu(stem()), own("clip_0_inf_c8")),
    "relu of the image": (lambda: relu(IMAGE), ["clip_0_inf_c8"]),
    "clip": (lambda: clip(stem(), -0.5, 6), own("clip_m0p5_6_c8")),
    "product": (lambda: multiply(stem(), relu(stem())), own("conv3_i5of8_o8", "clip_0_inf_c8", "multiply_c8")),
    "square": (lambda: multiply(features := stem(), features), own("multiply_c8")),
    "operator of Relax": (lambda: logarithm(stem()), own("log_")),
    "3x3 with stride two": (
        lambda: convolved(IMAGE, weights(6, 5, 3, 3), stride=2, padding=1),
        ["nn_conv2d_", "add_"],
    ),
    "1x1 with stride": (lambda: convolved(IMAGE, weights(6, 5, 1, 1), stride=2), ["nn_conv2d_", "add_"]),
    "convolution in groups": (
        lambda: convolved(stem(), weights(6, 3, 3, 3), padding=1, groups=2),
        own("nn_conv2d_", "add_"),
    ),
    "depthwise 1x1": (lambda: depthwise(stem(), 1), own("nn_conv2d_", "add_")),
    "depthwise that multiplies channels": (
        lambda: convolved(stem(), weights(12, 1, 3, 3), padding=1, groups=6),
        own("nn_conv2d_", "add_"),
    ),
    "sum": (lambda: add(stem(), stem()), own("conv3_i5of8_o8", "add_c8")),
    "depth to space without a skip": (lambda: shuffled(pointwise(coarse(), 8)), ["conv2_i5of8_o4", "conv1_i4of4_o8"]),
    "depth to space and a product": (
        lambda: multiply(shuffled(pointwise(coarse(), 24)), stem()),
        ["conv2_i5of8_o4", "conv1_i4of4_o16", "conv3_i5of8_o8", "multiply_c8"],
    ),
    "alignment without a block": (
        lambda: aligned(stem()),
        own(
            "conv1_i5of8_o4",
            "clip_0_inf_c4",
            "conv1_i3of4_o8",
            "clip_0_2_c8",
            "multiply_c8",
            "conv1_i3of4_o8",
            "add_c8",
        ),
    ),
    "alignment without an activation": (
        lambda: add(multiply(block(stem()), pointwise(shared := pointwise(IMAGE, 3), 6)), pointwise(shared, 6)),
        own("block_c6of8_w12", "conv1_i5of8_o4", "conv1_i3of4_o8", "multiply_c8", "conv1_i3of4_o8", "add_c8"),
    ),
    "block with another activation": (
        lambda: with_block(lambda x: pointwise(clip(pointwise(depthwise(x), 12), 0, 6), 6)),
        own("depthwise3_c8", "conv1_i6of8_o12", "clip_0_6_c12", "conv1_i12of12_o8", "add_c8"),
    ),
    "block without an activation": (
        lambda: with_block(lambda x: pointwise(pointwise(depthwise(x), 12), 6)),
        own("depthwise3_c8", "conv1_i6of8_o12", "conv1_i12of12_o8", "add_c8"),
    ),
    "block with a dense convolution": (
        lambda: with_block(lambda x: pointwise(relu(pointwise(convolved(x, weights(6, 6, 3, 3), padding=1), 12)), 6)),
        own("conv3_i6of8_o8", "conv1_i6of8_o12", "clip_0_inf_c12", "conv1_i12of12_o8", "add_c8"),
    ),
    "block added to something else": (
        lambda: add(relu(x := stem()), pointwise(relu(pointwise(depthwise(x), 12)), 6)),
        own("clip_0_inf_c8", "depthwise3_c8", "conv1_i6of8_o12", "clip_0_inf_c12", "conv1_i12of12_o8", "add_c8"),
    ),
}


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_what_no_group_holds_is_done_by_itself(name: str) -> None:
    """Each operation once, inputs first. What they compute is a matter of the kernels and the engine."""
    make, expected = BY_THEMSELVES[name]
    output = make()
    program = fuse(output, 4)
    # A kernel may say more of itself than its name begins with.
    names = [step.kernel.name for step in program.steps]
    assert [name[: len(start)] for name, start in zip(names, expected, strict=True)] == expected
    assert program.answer.channels == -(-output.shape[0] // 4) * 4
    assert {ring.scale for ring in program.rings} <= {0, 1}
    assert (IMAGE.shape[1] >> program.answer.scale) == output.shape[1]


def test_operands_of_an_operation_by_itself() -> None:
    left, right = stem(), relu(IMAGE)
    program = fuse(multiply(left, convolved(right, weights(6, 5, 1, 1))), 4)
    *_, product = program.steps
    assert isinstance(product.kernel, RowElementwise)
    assert product.rows == SAME
    assert product.source is program.steps[0].target
    assert product.side is program.steps[2].target
    assert product.weights.size == 0


@pytest.mark.parametrize("name", REFUSED)
def test_what_there_is_no_kernel_for_is_refused(name: str) -> None:
    make, named = REFUSED[name]
    with pytest.raises(UnsupportedOperator, match=named) as refusal:
        fuse(make(), 4)
    assert "expected " in str(refusal.value)


def test_a_coarse_kernel_of_five_is_refused() -> None:
    network = FeatureAlignNetwork(Architecture((4, 4), (1, 1), (1,), coarse_kernel=5, align_width=4))
    with pytest.raises(UnsupportedOperator):
        fuse(graph_of(network), 4)


def test_these_graphs_differ_in_one_thing_from_what_groups_hold() -> None:
    """What they are made of is otherwise fine."""
    whole = aligned(block(stem()))
    assert isinstance(whole.left, Multiply)
    assert [type(step.kernel) for step in fuse(whole, 4).steps] == [RowConvolution, RowBlock]
    up = add(shuffled(pointwise(coarse(), 24)), stem())
    assert isinstance(up.left, DepthToSpace)
    assert fuse(up, 4).steps[-1].rows == HALF
