"""Models written for other engines mean the network that they are made of, and what is counted is one inference."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from compile.cost.block_counts import BlockCount
from compile.network_graph import Clip, Convolution, DepthToSpace, Image, Multiply, Node, Relu
from denoiser.network import INPUT_CHANNELS
from targets.descriptions import load
from targets.toolchain import ToolchainError, find_compiler, run_prefix
from tests.compile.small_networks import FOUR_SCALES, random_network

pytest.importorskip("tvm")

from benchmarks import arm_peers, arm_python, onnx_file, xnnpack_model
from benchmarks.arm_python import ArmPython
from compile.relax_import import to_graph, to_relax

HEIGHT, WIDTH = 16, 48
"""Not the size that networks are traced with."""
ADD, NOP = bytes.fromhex("0000018b"), bytes.fromhex("1f2003d5")


def expected_and_graph() -> tuple[np.ndarray, np.ndarray, Node]:
    """An image, what PyTorch makes of it, and the network."""
    network = random_network(FOUR_SCALES).eval()
    image = np.random.default_rng(1).standard_normal((1, INPUT_CHANNELS, HEIGHT, WIDTH)).astype(np.float32)
    with torch.inference_mode():
        answer = network(torch.from_numpy(image)).numpy()
    return image, answer, to_graph(to_relax(network, INPUT_CHANNELS))


def test_the_onnx_file_is_the_network(tmp_path: Path) -> None:
    image, answer, graph = expected_and_graph()
    onnx_file.write(graph, HEIGHT, WIDTH, tmp_path)
    network = cv2.dnn.readNetFromONNX(str(tmp_path / onnx_file.FILE))
    network.setInput(image)
    np.testing.assert_allclose(network.forward(), answer, atol=1e-4)


def test_the_calls_to_xnnpack_are_the_network(tmp_path: Path) -> None:
    image, answer, graph = expected_and_graph()
    xnnpack_model.write(graph, HEIGHT, WIDTH, tmp_path)
    np.testing.assert_allclose(as_xnnpack(tmp_path, image), answer, atol=1e-4)


def test_xnnpack_clamps_what_cannot_be_part_of_a_convolution(tmp_path: Path) -> None:
    image = Image((4, 8, 8))
    weight, bias = np.arange(16, dtype=np.float32).reshape(4, 4, 1, 1) - 8, np.ones(4, np.float32)
    shared = Convolution((4, 8, 8), image, weight, bias, 1, 0, 1)
    graph = Multiply((4, 8, 8), Relu((4, 8, 8), shared), Clip((4, 8, 8), shared, 0.0, 2.0))
    xnnpack_model.write(graph, 8, 8, tmp_path)
    values = np.random.default_rng(1).standard_normal((1, 4, 8, 8)).astype(np.float32)
    product = np.einsum("oi,nihw->nohw", weight[:, :, 0, 0], values) + 1
    expected = product.clip(0) * product.clip(0, 2)
    np.testing.assert_allclose(as_xnnpack(tmp_path, values), expected, rtol=1e-5, atol=1e-5)


def as_xnnpack(folder: Path, image: np.ndarray) -> np.ndarray:
    """What the calls mean, by XNNPACK's header."""
    network, weights = json.loads((folder / "network.json").read_text()), np.load(folder / "weights.npy")
    values: dict[int, Tensor] = {}
    for index, (shape, place, flags) in enumerate(network["values"]):
        if place >= 0:
            values[index] = torch.from_numpy(weights[place : place + np.prod(shape)].reshape(shape))
        if flags == 1:
            assert shape == [1, *image.shape[2:], image.shape[1]]
            values[index] = torch.from_numpy(image.transpose(0, 2, 3, 1))
        if flags == 2:
            answer = index
    for name, (*arguments, result, flags) in network["calls"]:
        values[result] = _called(name.removeprefix("xnn_define_"), arguments, values)
        assert list(values[result].shape) == network["values"][result][0]
        assert flags == 0
    return values[answer].numpy().transpose(0, 3, 1, 2)


def _called(name: str, arguments: list[Any], values: dict[int, Tensor]) -> Tensor:
    if name == "depth_to_space_2d":
        block, source = arguments
        image = values[source]
        _, height, width, channels = image.shape
        parts = image.reshape(height, width, block, block, channels // block**2)
        return parts.permute(0, 2, 1, 3, 4).reshape(1, height * block, width * block, -1)
    if name in ("add2", "multiply2"):
        low, high, *sources = arguments
        first, second = (values[source] for source in sources)
        return (first + second if name == "add2" else first * second).clamp(low, high)
    if name == "clamp":
        low, high, source = arguments
        return values[source].clamp(low, high)
    *geometry, low, high, source, kernel, bias = arguments
    depthwise = name == "depthwise_convolution_2d"
    weight = values[kernel].permute((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    top, right, bottom, left, rows, columns, *stride = geometry[:8]
    assert (rows, columns) == weight.shape[2:]
    assert geometry[8:11] == [1, 1, 1]
    assert geometry[11:] == ([weight.shape[0]] if depthwise else [weight.shape[1], weight.shape[0]])
    image = functional.pad(values[source].permute(0, 3, 1, 2), (left, right, top, bottom))
    groups = weight.shape[0] if depthwise else 1
    out = functional.conv2d(image, weight, values[bias], stride, groups=groups)
    return out.clamp(low, high).permute(0, 2, 3, 1)


def test_a_depth_to_space_of_anything_else_is_refused_for_xnnpack(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="depth-to-space of what is no convolution"):
        xnnpack_model.write(DepthToSpace((1, 16, 16), Image((4, 8, 8))), 8, 8, tmp_path)


def test_what_starting_does_differently_is_no_part_of_an_inference() -> None:
    def run(inferences: int, started: int) -> list[BlockCount]:
        again = [BlockCount(0, ADD * 100, 1000 + 10 * inferences), BlockCount(400, NOP, 7)]
        return [*again, BlockCount(800, NOP, started)]

    expected = (BlockCount(0, ADD * 100, 10),)
    assert arm_peers.per_inference([run(1, 50), run(4, 50), run(7, 50)], 3) == expected
    assert arm_peers.per_inference([run(1, 50), run(4, 75), run(7, 40)], 3) == expected
    with pytest.raises(ToolchainError, match=r"9\.1% of the instructions are not the same"):
        arm_peers.per_inference([run(1, 50), run(4, 350), run(7, 50)], 3)


def test_programs_are_told_the_core(tmp_path: Path) -> None:
    target = load("cortex-a72")
    compiler = find_compiler(target)
    if compiler is None or run_prefix(target) is None:
        pytest.skip("needs gcc-aarch64-linux-gnu and qemu-user")
    source, program = tmp_path / "main.c", tmp_path / "program"
    source.write_text(
        '#include <stdio.h>\nint main(void){FILE *f = fopen("/proc/cpuinfo", "r");'
        "for (int c; (c = fgetc(f)) != EOF;) putchar(c); return 0;}\n"
    )
    compiler.link_program(compiler.compile_objects([source], [], tmp_path), program)
    (tmp_path / "root/usr").mkdir(parents=True)
    python = ArmPython(tmp_path)
    for core in (*arm_python.CORES, arm_python.ANY):
        arm_python.make_root(python, core)
        said = subprocess.run([*python.command_prefix(core), str(program)], capture_output=True, text=True, check=True)
        assert f"CPU part\t: {core.part:#x}\n" in said.stdout
        assert said.stdout.count("processor") == 1
