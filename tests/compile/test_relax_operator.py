"""Kernels of Relax's own arithmetic on rows against PyTorch in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from tvm import relax
from tvm.relax import op

from compile.network_graph import Window
from compile.row_kernels.kernel import Tiling, Vectors, padded, scheduled
from compile.row_kernels.relax_operator import RowRelaxOperator, is_pixelwise
from tests.compile.compiled_kernels import CompiledHere, Memory, columns_of, compiled_here, scattered

CHANNELS, CHUNKS = 6, 3
GAIN = np.random.default_rng(4).uniform(0.5, 2, (1, CHANNELS, 1, 1)).astype(np.float32)
WEIGHT = np.random.default_rng(5).normal(size=(10, 3, 3, 3)).astype(np.float32)
TOLERANCE = {"float32": 1e-5, "float16": 2e-2}
VECTORS = (Vectors("float32", 1), Vectors("float32", 4), Vectors("float32", 8), Vectors("float16", 8))


PIXEL = Window()


@dataclass(frozen=True)
class Case:
    """An operator as Relax and as PyTorch have it. first: a tensor as high as its window."""

    relax: Callable[[relax.Expr, relax.Expr], relax.Expr]
    torch: Callable[[Tensor, Tensor], Tensor]
    window: Window = PIXEL
    two: bool = False
    outputs: int = CHANNELS


CASES = {
    "logarithm": Case(lambda x, _: op.log(x), lambda x, _: torch.log(x)),
    "GELU": Case(lambda x, _: op.nn.gelu(x), lambda x, _: functional.gelu(x)),
    "leaky ReLU": Case(lambda x, _: op.nn.leakyrelu(x, 0.1), lambda x, _: functional.leaky_relu(x, 0.1)),
    "difference": Case(op.subtract, lambda x, y: x - y, two=True),
    "quotient": Case(op.divide, lambda x, y: x / y, two=True),
    "gain": Case(lambda x, _: op.multiply(x, relax.const(GAIN)), lambda x, _: x * torch.from_numpy(GAIN)),
    "offset": Case(lambda x, _: op.subtract(relax.const(0.25), x), lambda x, _: 0.25 - x),
    "largest of four": Case(
        lambda x, _: op.nn.max_pool2d(x, 2, 2), lambda x, _: functional.max_pool2d(x, 2), Window(2, 2, 0)
    ),
    "mean of nine": Case(
        lambda x, _: op.nn.avg_pool2d(x, 3, 1, count_include_pad=True),
        lambda x, _: functional.avg_pool2d(x, 3, 1),
        Window(3, 1, -1),
    ),
    "convolution in groups": Case(
        lambda x, _: op.nn.conv2d(x, relax.const(WEIGHT), strides=2, groups=2),
        lambda x, _: functional.conv2d(x, torch.from_numpy(WEIGHT).double(), stride=2, groups=2),
        Window(3, 2, -1),
        outputs=len(WEIGHT),
    ),
}


def call_of(case: Case) -> relax.Call:
    shape = (1, CHANNELS, 32, 32)
    first, second = (relax.Var(name, relax.TensorType(shape, "float32")) for name in ("first", "second"))
    return relax.BlockBuilder().normalize(case.relax(first, second))


def kernel_of(case: Case, vectors: Vectors) -> RowRelaxOperator:
    pitch = padded(CHANNELS, vectors.lanes)
    sources = (pitch, pitch) if case.two else (pitch,)
    return RowRelaxOperator(call_of(case), case.window, sources, padded(case.outputs, vectors.lanes))


def symbol(case: str, vectors: Vectors) -> str:
    return f"{re.sub('[^a-z]', '_', case.lower())}_{vectors.values}_{vectors.lanes}"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledHere:
    functions = {
        symbol(name, vectors): scheduled(kernel_of(case, vectors), vectors, Tiling(4, 2, 8))
        for name, case in CASES.items()
        for vectors in VECTORS
    }
    return compiled_here(functions, tmp_path_factory.mktemp("operators"), "-lm")


def row_of(columns: int, vectors: Vectors, seed: int) -> np.ndarray:
    """Positive values; channels that are not there hold what must reach nothing."""
    row = np.full((columns, padded(CHANNELS, vectors.lanes)), np.nan, vectors.values)
    row[:, :CHANNELS] = np.random.default_rng(seed).uniform(0.2, 2, (columns, CHANNELS))
    return row


def tensor_of(rows: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows).astype(np.float64)[..., :CHANNELS]).permute(2, 0, 1)[None]


@pytest.mark.parametrize("vectors", VECTORS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_rows_are_what_pytorch_makes(compiled: CompiledHere, name: str, vectors: Vectors) -> None:
    case = CASES[name]
    window, kernel = case.window, kernel_of(case, vectors)
    columns = (columns_of(CHUNKS) - 1) * window.stride + window.size
    rows = [row_of(columns, vectors, seed) for seed in range(window.size)]
    second = row_of(columns_of(CHUNKS), vectors, seed=7)
    aligned = vectors.lanes * np.dtype(vectors.values).itemsize
    memory, places = scattered(rows, -window.origin, aligned)
    found = compiled.call(
        symbol(name, vectors),
        rows=memory,
        places=places,
        weights=Memory(np.append(kernel.packed, 0).astype(vectors.values), aligned),
        chunks=CHUNKS,
        out_shape=(columns_of(CHUNKS), kernel.channels),
        out_type=vectors.values,
        out_aligned_bytes=aligned,
        side=Memory(second, aligned) if case.two else None,
    )
    expected = case.torch(tensor_of(rows), tensor_of([second]))[0, :, 0].T.numpy()
    tolerance = TOLERANCE[vectors.values]
    np.testing.assert_allclose(found[:, : case.outputs].astype(np.float64), expected, rtol=tolerance, atol=tolerance)
    assert not found[:, case.outputs :].any()


def test_which_operators_work_on_each_pixel_alone() -> None:
    for case in CASES.values():
        assert is_pixelwise(call_of(case)) == (case.window == PIXEL)
    image = relax.Var("first", relax.TensorType((1, CHANNELS, 8, 8), "float32"))
    for other in (op.nn.softmax(image, 1), op.cumsum(image, 3), op.permute_dims(image, (0, 1, 3, 2))):
        assert not is_pixelwise(relax.BlockBuilder().normalize(other))


def test_names_tell_operators_apart() -> None:
    """What is equal by name is one kernel, and constants that are arrays are weights."""
    image = relax.Var("first", relax.TensorType((1, CHANNELS, 8, 8), "float32"))

    def name(call: relax.Expr, pitch: int = 8) -> str:
        return RowRelaxOperator(relax.BlockBuilder().normalize(call), Window(), (pitch,), 8).name

    slopes = {name(op.nn.leakyrelu(image, slope)) for slope in (0.1, 0.2)}
    numbers = {name(op.multiply(image, relax.const(value))) for value in (0.5, 0.25)}
    assert len(slopes | numbers | {name(op.log(image)), name(op.exp(image)), name(op.log(image), 16)}) == 7
    assert name(op.multiply(image, relax.const(GAIN))) == name(op.multiply(image, relax.const(2 * GAIN)))
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", each) for each in slopes | numbers)
