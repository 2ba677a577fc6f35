"""Every kernel template, compiled for this machine in many tilings, against what it is to compute, in float64."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compile.row_kernels import restore, stabilise
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.elementwise import RowElementwise
from compile.row_kernels.few_outputs import RowFewOutputs
from compile.row_kernels.kernel import (
    COLUMNS,
    RowKernel,
    Tiling,
    Vectors,
    filled,
    largest_divisor,
    matrix,
    padded,
    scheduled,
    vector,
)
from compile.row_kernels.residual_block import Alignment, AlignmentWeights, BlockWeights, RowBlock
from compile.row_kernels.restore import RowRestore
from compile.row_kernels.stabilise import RowStabilise
from denoiser.normalisation import DEEPEST_SIGMAS, RESIDUAL_SIGMAS, STABILISED_SCALE, apply_residual, network_input
from tests.compile.compiled_kernels import CompiledHere, Memory, columns_of, compiled_here, scattered
from tests.compile.small_networks import NO_BOUNDS

CHUNKS = (1, 3)
TOLERANCE = {"float32": 1e-5, "float16": 0.03}
IMAGE_INPUTS = 5


@dataclass(frozen=True)
class Cut:
    """A tiling for vectors of a size; number: of the case, which the shapes of its kernels follow from."""

    number: int
    vectors: Vectors
    tiling: Tiling

    def __str__(self) -> str:
        v, t = self.vectors, self.tiling
        return f"{v.values}x{v.lanes}-columns{t.columns}-blocks{t.blocks}-unrolled{t.unrolled}"

    @property
    def lanes(self) -> int:
        return self.vectors.lanes

    @cached_property
    def widths(self) -> tuple[int, int, int]:
        """Inputs, outputs and what lies between them: whole vectors in some cases, more or less in others."""
        numbers = (1, 3, 8, 5, 24, 11, 4, 16, 7, 13)
        a, b, c = (numbers[(self.number * step + step) % len(numbers)] for step in (1, 3, 7))
        return a, b, c


CUTS = tuple(
    Cut(number, Vectors(values, lanes), Tiling(columns, blocks, unrolled))
    for number, (values, lanes, columns, blocks, unrolled) in enumerate(
        [
            ("float32", 1, 1, 3, 8),
            ("float32", 1, 8, 1, 3),
            ("float32", 4, 2, 2, 1),
            ("float32", 4, 4, 4, 8),
            ("float32", 8, 1, 4, 2),
            ("float32", 8, 8, 3, 16),
            ("float16", 8, 4, 2, 5),
            ("float32", 16, 4, 3, 16),
            ("float32", 16, 8, 2, 2),
        ]
    )
)
cuts = pytest.mark.parametrize("cut", CUTS, ids=str)
SHARED_CUTS = tuple(cut for cut in CUTS if cut.lanes > 1)
shared_cuts = pytest.mark.parametrize("cut", SHARED_CUTS, ids=str)


def convolution(cut: Cut, side: int, addend: str) -> RowConvolution:
    inputs, outputs, _ = cut.widths
    return RowConvolution(side, inputs, padded(inputs, cut.lanes), padded(outputs, cut.lanes), addend)


def shared_convolution(cut: Cut, side: int, addend: str) -> RowConvolution:
    """Of as few outputs as two columns, or four, share a vector with."""
    together = 4 if cut.tiling.unrolled == 2 else 2
    inputs = cut.widths[0]
    return RowConvolution(side, inputs, padded(inputs, cut.lanes), cut.lanes // together, addend, together)


def block(cut: Cut, bounds: tuple[float, float] | None) -> RowBlock:
    channels, wide, hidden = (padded(count, cut.lanes) for count in cut.widths)
    alignment = bounds and Alignment(IMAGE_INPUTS, padded(IMAGE_INPUTS, cut.lanes), hidden, *bounds)
    return RowBlock(channels, wide, alignment or None, channels - cut.widths[0])


def few_outputs(cut: Cut) -> RowFewOutputs:
    inputs = cut.widths[0]
    return RowFewOutputs(inputs, padded(inputs, cut.lanes), cut.lanes // 4)


CLAMPED, HALF_CLAMPED = (-0.25, 1.25), (0.5, float("inf"))
CONVOLUTIONS = [(side, addend) for side in (1, 2, 3) for addend in ("none", "side")]
OPERATIONS = [
    ("add", 0.0, 0.0),
    ("multiply", 0.0, 0.0),
    ("clip", 0.0, np.inf),
    ("clip", -np.inf, 0.5),
    ("clip", 0.25, 0.75),
]
BOUNDS = [None, CLAMPED, HALF_CLAMPED, NO_BOUNDS]


def kernels_of(cut: Cut) -> list[RowKernel]:
    image = padded(IMAGE_INPUTS, cut.lanes)
    return [
        *(convolution(cut, side, addend) for side, addend in CONVOLUTIONS),
        *(shared_convolution(cut, side, addend) for side, addend in CONVOLUTIONS if cut.lanes > 1),
        *([few_outputs(cut)] if cut.lanes > 1 else []),
        *(block(cut, bounds) for bounds in BOUNDS),
        RowDepthwise(2, image),
        RowDepthwise(3, image),
        *(RowElementwise(name, image, low=low, high=high) for name, low, high in OPERATIONS),
        RowStabilise(image),
        RowRestore(padded(4, cut.lanes)),
    ]


def name_of(cut: Cut, kernel: RowKernel) -> str:
    return f"cut{cut.number}_{kernel.name}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledHere:
    functions = {
        name_of(cut, kernel): scheduled(kernel, cut.vectors, cut.tiling) for cut in CUTS for kernel in kernels_of(cut)
    }
    return compiled_here(functions, tmp_path_factory.mktemp("kernels"))


def random(*shape: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * scale).astype(np.float32)


def rounded(values: np.ndarray, cut: Cut) -> np.ndarray:
    """As the kernel sees them."""
    return values.astype(cut.vectors.values).astype(np.float64)


def features(cut: Cut, columns: int, channels: int, seed: int, filling: float = 0.0) -> np.ndarray:
    """A row [columns, whole vectors], what lies beyond the channels filled."""
    row = np.full((columns, padded(channels, cut.lanes)), filling, cut.vectors.values)
    row[:, :channels] = random(columns, channels, seed=seed)
    return row


def in_vectors(cut: Cut) -> int:
    """What the engine's rows are aligned to."""
    return cut.lanes * np.dtype(cut.vectors.values).itemsize


def check(found: np.ndarray, expected: np.ndarray, cut: Cut) -> None:
    """Channels beyond the expected ones must be zero: the next layer reads them."""
    channels = expected.shape[-1]
    tolerance = TOLERANCE[cut.vectors.values]
    np.testing.assert_allclose(found[..., :channels].astype(np.float64), expected, rtol=tolerance, atol=tolerance)
    assert not found[..., channels:].any()


@cuts
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("side", "addend"), CONVOLUTIONS)
def test_convolution(compiled: CompiledHere, cut: Cut, side: int, addend: str, chunks: int) -> None:
    check_convolution(compiled, cut, convolution(cut, side, addend), chunks)


@shared_cuts
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize(("side", "addend"), CONVOLUTIONS)
def test_columns_that_share_a_vector(compiled: CompiledHere, cut: Cut, side: int, addend: str, chunks: int) -> None:
    kernel = shared_convolution(cut, side, addend)
    assert kernel.together > 1
    check_convolution(compiled, cut, kernel, chunks)


@shared_cuts
@pytest.mark.parametrize("chunks", CHUNKS)
def test_convolution_of_few_outputs(compiled: CompiledHere, cut: Cut, chunks: int) -> None:
    check_convolution(compiled, cut, few_outputs(cut), chunks)


def check_convolution(compiled: CompiledHere, cut: Cut, kernel: RowConvolution | RowFewOutputs, chunks: int) -> None:
    few = isinstance(kernel, RowFewOutputs)
    side, inputs, addend = 3 if few else kernel.side, kernel.inputs, "none" if few else kernel.addend
    outputs = kernel.outputs if few or kernel.together > 1 else cut.widths[1]
    columns = columns_of(chunks)
    stride, border = (2, 0) if side == 2 else (1, side // 2)
    seen = stride * columns + 2 * border
    # Of the padding, the kernel need not read anything.
    rows = [features(cut, seen, inputs, seed=row, filling=np.nan) for row in range(side)]
    weight = random(outputs, inputs, side, side, seed=10, scale=(inputs * side**2) ** -0.5)
    bias = random(outputs, seed=11)
    skip = features(cut, columns, outputs, seed=12)[:, : kernel.outputs].copy()
    expected = np.tile(rounded(bias, cut), (columns, 1))
    for y in range(side):
        for x in range(side):
            taken = rows[y][x : x + stride * columns : stride, :inputs].astype(np.float64)
            expected += taken @ rounded(weight[:, :, y, x], cut).T
    if addend == "side":
        expected += skip[:, :outputs]
    memory, places = scattered(rows, border, in_vectors(cut))
    # A row begins behind one column of its border.
    pixel_bytes = min(kernel.outputs * np.dtype(cut.vectors.values).itemsize, in_vectors(cut))
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(kernel.packed(weight, bias, cut.lanes).astype(cut.vectors.values)),
        chunks=chunks,
        out_shape=(columns, kernel.outputs),
        out_type=cut.vectors.values,
        out_aligned_bytes=pixel_bytes,
        side=Memory(skip, pixel_bytes) if addend == "side" else None,
    )
    check(found, expected, cut)


def random_block(channels: int, wide: int, hidden: int) -> BlockWeights:
    align = AlignmentWeights(
        image=random(hidden, IMAGE_INPUTS, seed=26, scale=0.5),
        image_bias=random(hidden, seed=27, scale=0.5),
        gamma=random(channels, hidden, seed=28, scale=0.5),
        gamma_bias=1 + random(channels, seed=29, scale=0.5),
        beta=random(channels, hidden, seed=30, scale=0.3),
        beta_bias=random(channels, seed=31, scale=0.3),
    )
    return BlockWeights(
        depthwise=random(channels, 3, 3, seed=20, scale=0.3),
        depthwise_bias=random(channels, seed=21, scale=0.3),
        widen=random(wide, channels, seed=22, scale=channels**-0.5),
        widen_bias=random(wide, seed=23, scale=0.3),
        narrow=random(channels, wide, seed=24, scale=wide**-0.5),
        narrow_bias=random(channels, seed=25, scale=0.3),
        alignment=align,
    )


def block_by_definition(
    rows: list[np.ndarray], weights: BlockWeights, image: np.ndarray, bounds: tuple[float, float] | None
) -> np.ndarray:
    """rows: three, [columns + 2, channels]; image [columns, inputs]. Depthwise 3x3, widen, ReLU, narrow, add; align."""
    columns = len(rows[0]) - 2
    seen = weights.depthwise_bias + sum(
        rows[y][x : x + columns] * weights.depthwise[:, y, x] for y in range(3) for x in range(3)
    )
    wide = np.maximum(seen @ weights.widen.T + weights.widen_bias, 0)
    result = rows[1][1:-1] + wide @ weights.narrow.T + weights.narrow_bias
    if bounds is None:
        return result
    align = weights.alignment
    assert align is not None
    hidden = np.maximum(image @ align.image.T + align.image_bias, 0)
    gamma = np.clip(hidden @ align.gamma.T + align.gamma_bias, *bounds)
    return result * gamma + hidden @ align.beta.T + align.beta_bias


@cuts
@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("bounds", BOUNDS, ids=["unaligned", "clamped", "clamped-below", "unbounded"])
def test_block(compiled: CompiledHere, cut: Cut, bounds: tuple[float, float] | None, chunks: int) -> None:
    kernel, (channels, wide, hidden) = block(cut, bounds), cut.widths
    columns = columns_of(chunks)
    rows = [features(cut, columns + 2, channels, seed=row) for row in range(3)]
    # Of the image, the padding is not read.
    image = features(cut, columns, IMAGE_INPUTS, seed=5, filling=np.nan)
    weights = random_block(channels, wide, hidden)
    exact = [row[:, :channels].astype(np.float64) for row in rows]
    expected = block_by_definition(exact, weights, image[:, :IMAGE_INPUTS].astype(np.float64), bounds)
    memory, places = scattered(rows, 1, in_vectors(cut))
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(kernel.packed(weights, cut.lanes).astype(cut.vectors.values)),
        chunks=chunks,
        out_shape=(columns, kernel.channels),
        out_type=cut.vectors.values,
        out_aligned_bytes=in_vectors(cut),
        side=Memory(image, in_vectors(cut)) if bounds else None,
    )
    check(found, expected, cut)


def test_the_clamp_of_gamma_is_reached_in_these_tests() -> None:
    """On both sides, else `test_block` would not see it."""
    weights = random_block(5, 7, 3).alignment
    assert weights is not None
    image = features(CUTS[0], 24, IMAGE_INPUTS, seed=5)[:, :IMAGE_INPUTS]
    gamma = np.maximum(image @ weights.image.T + weights.image_bias, 0) @ weights.gamma.T + weights.gamma_bias
    assert gamma.min() < CLAMPED[0]
    assert gamma.max() > CLAMPED[1]


@cuts
@pytest.mark.parametrize("side", [2, 3])
def test_depthwise(compiled: CompiledHere, cut: Cut, side: int) -> None:
    kernel, columns = RowDepthwise(side, padded(IMAGE_INPUTS, cut.lanes)), columns_of(3)
    stride, border = (2, 0) if side == 2 else (1, 1)
    rows = [features(cut, stride * columns + 2 * border, IMAGE_INPUTS, seed=row) for row in range(side)]
    weight, bias = random(IMAGE_INPUTS, 1, side, side, seed=3, scale=0.5), random(IMAGE_INPUTS, seed=4)
    expected = np.tile(rounded(bias, cut), (columns, 1))
    for y in range(side):
        for x in range(side):
            taken = rows[y][x : x + stride * columns : stride, :IMAGE_INPUTS].astype(np.float64)
            expected += taken * rounded(weight[:, 0, y, x], cut)
    memory, places = scattered(rows, border, in_vectors(cut))
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(kernel.packed(weight, bias).astype(cut.vectors.values)),
        chunks=3,
        out_shape=(columns, kernel.channels),
        out_type=cut.vectors.values,
        out_aligned_bytes=in_vectors(cut),
    )
    check(found, expected, cut)


def of_values(kernel: RowElementwise, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """What an operation is, in float64."""
    match kernel.operation:
        case "add":
            return left + right
        case "multiply":
            return left * right
        case "clip":
            return np.clip(left, kernel.low, kernel.high)
    raise AssertionError(f"{kernel.operation} is no operation")


def elementwise(
    compiled: CompiledHere, cut: Cut, kernel: RowElementwise, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(found, expected) for one row."""
    columns = columns_of(3)
    right = features(cut, columns, IMAGE_INPUTS, seed=2)
    memory, places = scattered([left], 0, in_vectors(cut))
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(np.zeros(1, cut.vectors.values)),
        chunks=3,
        out_shape=(columns, kernel.channels),
        out_type=cut.vectors.values,
        out_aligned_bytes=in_vectors(cut),
        side=Memory(right, in_vectors(cut)) if kernel.operation in ("add", "multiply") else None,
    )
    return found, of_values(kernel, left.astype(np.float64), right.astype(np.float64))


@cuts
@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_elementwise(compiled: CompiledHere, cut: Cut, operation: tuple[str, float, float]) -> None:
    name, low, high = operation
    kernel = RowElementwise(name, padded(IMAGE_INPUTS, cut.lanes), low=low, high=high)
    found, expected = elementwise(compiled, cut, kernel, features(cut, columns_of(3), IMAGE_INPUTS, seed=1))
    check(found[:, :IMAGE_INPUTS], expected[:, :IMAGE_INPUTS], cut)


def test_channels_that_are_not_there_stay_zero(tmp_path: Path) -> None:
    cut = CUTS[5]
    kernel = RowElementwise("clip", 16, unused=13, low=0.5, high=2.0)
    compiled = compiled_here({name_of(cut, kernel): scheduled(kernel, cut.vectors, cut.tiling)}, tmp_path)
    left = np.zeros((columns_of(3), 16), np.float32)
    left[:, :3] = random(columns_of(3), 3, seed=1)
    found, expected = elementwise(compiled, cut, kernel, left)
    check(found, expected[:, :3], cut)


@dataclass(frozen=True)
class Noise:
    """shot, read: of the planes R, Gr, Gb, B, variance = shot * x + read."""

    shot: tuple[float, float, float, float]
    read: tuple[float, float, float, float]

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        shot, read = (
            torch.tensor(values, dtype=torch.float64)[None, :, None, None] for values in (self.shot, self.read)
        )
        return shot, read

    @property
    def excess(self) -> np.ndarray:
        """What the network is told of, over what there is."""
        shot, read = np.maximum(self.shot, 1e-12), np.array(self.read)
        return np.maximum(2e-5 / (shot + 4 * read), 1)

    @property
    def told(self) -> tuple[np.ndarray, np.ndarray]:
        return np.maximum(self.shot, 1e-12) * self.excess, self.read * self.excess

    @property
    def zero(self) -> np.ndarray:
        """Standard deviation at black, by the transform."""
        shot, read = self.told
        return np.sqrt(0.375 * shot**2 + read)


NOISES = {
    "usual": Noise((1e-3,) * 4, (1e-5,) * 4),
    "per colour": Noise((2e-3, 1e-3, 1e-3, 7e-4), (1e-5, 4e-6, 4e-6, 2e-5)),
    "strong": Noise((0.05,) * 4, (0.01,) * 4),
    "cleaner than told": Noise((1e-6, 4e-6, 4e-6, 1e-5), (0.0, 1e-9, 1e-9, 2e-8)),
    "read noise only": Noise((0.0,) * 4, (1e-4,) * 4),
    "no noise in red": Noise((0.0, 1e-3, 1e-3, 1e-3), (0.0, 1e-5, 1e-5, 1e-5)),
    "no noise but in blue": Noise((0.0, 0.0, 0.0, 1e-3), (0.0, 0.0, 0.0, 1e-6)),
}
noises = pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())


def mosaic_rows(noise: Noise, columns: int) -> np.ndarray:
    """Two rows [2, 2 * columns]: shadows, lights far beyond white, black itself, and below it, deep and deeper than the
    transform goes; nothing at the very depth where it ends."""
    generator = np.random.default_rng(6)
    rows = generator.uniform(0, 1.2, (2, 2 * columns))
    depths = np.array([0, -0.3, -1, -7.5, -8.5, -40, -1000])
    planes = np.stack([noise.zero[:2], noise.zero[2:]])[:, np.arange(2 * columns) % 2]
    kind = generator.integers(0, 4, rows.shape)
    rows = np.where(kind == 0, depths[generator.integers(0, len(depths), rows.shape)] * planes, rows)
    rows = np.where(kind == 1, generator.choice([1e-7, 1e-4, 16.0], rows.shape), rows)
    return rows.astype(np.float32)


def planes_of(rows: np.ndarray) -> torch.Tensor:
    """Two rows of the mosaic as planes [1, 4, 1, columns]."""
    planes = np.stack([rows[0, ::2], rows[0, 1::2], rows[1, ::2], rows[1, 1::2]])
    return torch.from_numpy(planes.astype(np.float64))[None, :, None]


def in_planes(values: np.ndarray, channels: int, beyond: float = 0.0) -> np.ndarray:
    """Constants of the four planes, and of the channels behind them."""
    return np.concatenate([values, np.full(channels - len(values), beyond)])


def restore_constants(noise: Noise, row: int) -> np.ndarray:
    """Of the two colours of a row."""
    own = slice(2 * row, 2 * row + 2)
    constants = {
        "shot": RESIDUAL_SIGMAS**2 * np.array(noise.shot)[own] / noise.excess[own],
        "read": RESIDUAL_SIGMAS**2 * np.array(noise.read)[own] / noise.excess[own],
        "deepest": -DEEPEST_SIGMAS * noise.zero[own],
    }
    return np.concatenate([constants[key] for key in restore.CONSTANTS]).astype(np.float32)


@cuts
@noises
def test_stabilise(compiled: CompiledHere, cut: Cut, noise: Noise) -> None:
    kernel, columns = RowStabilise(padded(IMAGE_INPUTS, cut.lanes)), columns_of(3)
    rows = mosaic_rows(noise, columns)
    expected = network_input(planes_of(rows), *noise.tensors)[0, :, 0].numpy().T
    constants = {
        "shot": in_planes(noise.told[0], kernel.channels),
        "zero": in_planes(noise.zero, kernel.channels, beyond=1),
        "zero_squared": in_planes(noise.zero**2, kernel.channels, beyond=1),
        "per_zero": in_planes(1 / noise.zero, kernel.channels, beyond=1),
        "scale": in_planes(np.full(4, 1 / STABILISED_SCALE), kernel.channels),
        "offset": in_planes(np.zeros(4), kernel.channels),
    }
    constants["offset"][4] = expected[0, 4]  # the noise-level plane
    memory, places = scattered([row[:, None] for row in rows], 0, aligned_bytes=4)
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(
            np.concatenate([constants[key] for key in stabilise.CONSTANTS]).astype(np.float32), aligned_bytes=4
        ),
        chunks=3,
        out_shape=(columns, kernel.channels),
        out_type=cut.vectors.values,
        out_aligned_bytes=in_vectors(cut),
    )
    rtol = 2e-6 if cut.vectors.values == "float32" else 2e-3
    np.testing.assert_allclose(found[:, :IMAGE_INPUTS], expected, rtol=rtol, atol=rtol)
    assert not found[:, IMAGE_INPUTS:].any()


@cuts
@noises
@pytest.mark.parametrize("row", [0, 1])
def test_restore(compiled: CompiledHere, cut: Cut, noise: Noise, row: int) -> None:
    kernel, columns = RowRestore(padded(4, cut.lanes)), columns_of(3)
    mosaic = mosaic_rows(noise, columns)
    answer = features(cut, columns, 4, seed=8, filling=np.nan)
    residual = torch.from_numpy(answer[:, :4].astype(np.float64).T.copy())[None, :, None]
    planes = apply_residual(planes_of(mosaic), residual, *noise.tensors)[0, :, 0].numpy()
    expected = planes[2 * row : 2 * row + 2].T.ravel()
    memory, (place, _, _) = scattered([mosaic[row][:, None]], 0, aligned_bytes=4)
    # Other rows are not read: they are far outside.
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=(place, 2**30, 2**30),
        weights=Memory(restore_constants(noise, row), aligned_bytes=4),
        chunks=3,
        out_shape=(2 * columns,),
        out_aligned_bytes=4,
        side=Memory(answer, in_vectors(cut)),
        side_offset=2 * row * answer.itemsize,
    )
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6 * float(noise.zero.max()))
    deep = mosaic[row] < -9 * noise.zero[2 * row : 2 * row + 2][np.arange(2 * columns) % 2]
    assert deep.any()
    np.testing.assert_array_equal(found[deep], mosaic[row][deep])


def test_no_noise_no_change(compiled: CompiledHere) -> None:
    """Of a colour without any, whatever the network answers."""
    cut, noise = CUTS[5], NOISES["no noise in red"]
    kernel, columns = RowRestore(8), columns_of(1)
    mosaic = mosaic_rows(noise, columns)[0]
    memory, places = scattered([mosaic[:, None]], 0, aligned_bytes=4)
    found = compiled.call(
        name_of(cut, kernel),
        rows=memory,
        places=places,
        weights=Memory(restore_constants(noise, 0)),
        chunks=1,
        out_shape=(2 * columns,),
        side=Memory(np.full((columns, 8), 5, np.float32)),
    )
    np.testing.assert_array_equal(found[::2], mosaic[::2])
    assert (found[1::2] != mosaic[1::2]).any()


def test_the_cuts_are_of_every_kind() -> None:
    assert {cut.lanes for cut in CUTS} == {1, 4, 8, 16}
    assert {cut.tiling.columns for cut in CUTS} == {1, 2, 4, 8}
    assert {cut.tiling.blocks for cut in CUTS} == {1, 2, 3, 4}
    assert all(COLUMNS % cut.tiling.columns == 0 for cut in CUTS)
    widths = [(width, cut.lanes) for cut in CUTS for width in cut.widths if cut.lanes > 1]
    assert any(width % lanes == 0 for width, lanes in widths)
    assert any(width % lanes != 0 for width, lanes in widths)
    assert any(width < lanes for width, lanes in widths)


def test_vectors_that_channels_fill() -> None:
    assert [filled(channels, 16) for channels in (48, 24, 8, 12, 5)] == [16, 8, 8, 4, 1]
    assert filled(48, 4) == 4


def test_weights_in_vectors() -> None:
    weight = np.arange(6, dtype=np.float32).reshape(3, 2)
    found = matrix(weight, outputs=4, inputs=3, lanes=2).reshape(2, 3, 2)
    np.testing.assert_array_equal(found[0], [[0, 2], [1, 3], [0, 0]])
    np.testing.assert_array_equal(found[1], [[4, 0], [5, 0], [0, 0]])
    np.testing.assert_array_equal(vector(np.array([1, 2]), 4), [1, 2, 0, 0])


@given(value=st.integers(1, 200), most=st.integers(1, 200))
def test_largest_divisor(value: int, most: int) -> None:
    found = largest_divisor(value, most)
    assert value % found == 0
    assert found <= most
    assert not any(value % other == 0 for other in range(found + 1, min(most, value) + 1))


@pytest.mark.parametrize(
    ("channels", "lanes", "whole"),
    [(5, 1, 5), (5, 4, 8), (8, 8, 8), (9, 8, 16), (1, 16, 8), (8, 16, 8), (9, 16, 16), (24, 16, 32)],
)
def test_padded(channels: int, lanes: int, whole: int) -> None:
    assert padded(channels, lanes) == whole


numbers = st.one_of(st.floats(-1e9, 1e9, width=32), st.sampled_from([-np.inf, np.inf, 1e6, 1e-5, 2.0, 2.0000002]))
bounds = numbers.map(lambda value: value + 0.0)  # 0 and -0 are one bound


@settings(max_examples=50)
@given(first=st.tuples(bounds, bounds), second=st.tuples(bounds, bounds))
def test_names_with_bounds_are_identifiers_and_tell_them_apart(
    first: tuple[float, float], second: tuple[float, float]
) -> None:
    for made in (
        [RowBlock(8, 16, Alignment(5, 8, 8, *pair)) for pair in (first, second)],
        [RowElementwise("clip", 8, low=low, high=high) for low, high in (first, second)],
    ):
        names = [kernel.name for kernel in made]
        for name in names:
            assert re.fullmatch(r"[A-Za-z0-9_]+", name)
        assert (names[0] == names[1]) == (first == second)


def test_names_tell_kernels_apart() -> None:
    """Equal names in one bundle would be one function."""
    kernels: list[RowKernel] = [
        *(
            RowConvolution(side, inputs, pitch, outputs, addend, together)
            for together in (1, 2)
            for side in (1, 2, 3)
            for inputs in (1, 11)
            for pitch in (11, 111)
            for outputs in (1, 11)
            for addend in ("none", "side")
        ),
        *(RowFewOutputs(inputs, pitch, outputs) for inputs in (1, 11) for pitch in (11, 111) for outputs in (1, 4)),
        *(RowBlock(channels, wide, None, unused) for channels in (12, 2) for wide in (1, 11) for unused in (0, 1)),
        *(
            RowBlock(8, 8, Alignment(i, pitch, hidden, 0, 2))
            for i in (1, 11)
            for pitch in (11, 1)
            for hidden in (1, 11)
        ),
        *(RowDepthwise(side, channels) for side in (2, 3) for channels in (5, 8)),
        *(RowElementwise(operation, channels) for operation in ("add", "clip", "multiply") for channels in (5, 8)),
        *(RowStabilise(channels) for channels in (5, 8)),
        *(RowRestore(channels) for channels in (4, 8)),
    ]
    assert len({kernel.name for kernel in kernels}) == len(set(kernels)) == len(kernels)
