"""NumPy's way from an NPU's integers to a mosaic is the one that the bundle was made with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pytest

from compile.ethos_u import border
from compile.ethos_u.integer_graph import IntegerNetwork
from compile.ethos_u.tosa import Layout
from targets.golden import GoldenTile
from targets.npu_border import input_step_sigmas, noise_sigmas, restored
from targets.npu_bundle import File, Memory, NpuSpecialist, Tensor

STEP = 7e-4


@dataclass(frozen=True)
class Steps:
    """What of an integer network the border looks at."""

    step: float


@dataclass(frozen=True)
class Network:
    output: Steps


def specialist(layout: Literal["nhwc", "nchw"], side: int) -> NpuSpecialist:
    def tensor(channels: int) -> Tensor:
        return Tensor((1, side, side, channels) if layout == "nhwc" else (1, channels, side, side), "int16", STEP)

    files = {part: File(f"networks/0.{part}", "0" * 64) for part in ("payload", "weights")}
    tensors = (tensor(5), tensor(4))
    return NpuSpecialist("one", "0" * 64, 0.0, 2 * side, 0, layout, *tensors, Memory(16, 0), files, {})


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize(("shot", "read"), [(1e-3, 4e-6), (1e-6, 1e-8), (0.0, 2e-4), (0.0, 0.0)])
def test_integers_become_the_mosaic_that_the_compiler_makes_of_them(
    layout: Literal["nhwc", "nchw"], shot: float, read: float
) -> None:
    random = np.random.default_rng(4)
    side = 8
    described = specialist(layout, side)
    noisy = random.uniform(-0.1, 1.2, (2 * side, 2 * side)).astype(np.float32)
    shots, reads = (
        (float(np.float32(one)), float(np.float32(2 * one)), float(np.float32(3 * one))) for one in (shot, read)
    )
    tile = GoldenTile("any", shots, reads, noisy, noisy, noisy)
    answer = random.integers(-3000, 3000, described.output.shape, np.int16)
    network = cast(IntegerNetwork, Network(Steps(STEP)))
    expected = border.restored(noisy, answer, network, Layout(layout), shots, reads)
    np.testing.assert_allclose(restored(described, tile, answer), expected, rtol=0, atol=5e-7)


def test_a_step_is_told_in_noise() -> None:
    described = specialist("nhwc", 1)
    assert input_step_sigmas(described) == pytest.approx(16 * STEP)
    noisy = np.array([[0.25, 0.25], [-1.0, 1.0]], np.float32)
    tile = GoldenTile("any", (1e-3, 2e-3, 3e-3), (1e-6, 2e-6, 3e-6), noisy, noisy, noisy)
    variance = [[0.25e-3 + 1e-6, 0.5e-3 + 2e-6], [2e-6, 3e-3 + 3e-6]]
    np.testing.assert_allclose(noise_sigmas(tile) ** 2, variance)
