"""From a file that Vela wrote to outputs by name, and the errors on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ethosu.mlw_codec", reason="Vela is not installed: pip install 'fan-isp[npu]'")
pytest.importorskip("tosa_reference_model", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")

from compile.ethos_u import simulator
from compile.ethos_u.compiled_network import CompiledNetwork, TensorBinding, read_npz
from compile.ethos_u.simulator import SimulationError
from compile.ethos_u.simulator.isolation import run_isolated
from isp.errors import InputError
from tests.compile.ethos_u.simulator import toolchain
from tests.compile.ethos_u.simulator.tosa_graph import TosaGraph


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def network(folder: Path) -> CompiledNetwork:
    """Two inputs, two outputs."""
    graph = TosaGraph("int16")
    a, b = graph.input(1, 6, 5, 3), graph.input(1, 6, 5, 3)
    model = graph.finish(graph.add(a, b), graph.conv(b, 4, (1, 1)))
    return toolchain.compiled(model, folder, "ethos-u65-512")


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    image = np.arange(90, dtype=np.int16).reshape(1, 6, 5, 3)
    return {"input-0": image, "input-1": image * 2}


def test_bindings(network: CompiledNetwork) -> None:
    assert network.accelerator == "ethos-u65-512"
    assert [(x.name, x.shape, x.dtype) for x in network.inputs] == [
        ("input-0", (1, 6, 5, 3), "int16"),
        ("input-1", (1, 6, 5, 3), "int16"),
    ]
    assert [(x.name, x.shape, x.size_bytes) for x in network.outputs] == [
        ("output-0", (1, 6, 5, 3), 180),
        ("output-1", (1, 6, 5, 4), 240),
    ]


def test_outputs_have_the_names_and_shapes_of_their_bindings(
    network: CompiledNetwork, inputs: dict[str, np.ndarray]
) -> None:
    found = simulator.run(network, inputs)
    np.testing.assert_array_equal(found["output-0"], inputs["input-0"] + inputs["input-1"])
    assert found["output-1"].shape == (1, 6, 5, 4)
    assert {x.dtype for x in found.values()} == {np.dtype(np.int16)}
    for name, values in run_isolated(network, inputs).items():
        np.testing.assert_array_equal(values, found[name])


def test_inputs_that_do_not_fit(network: CompiledNetwork, inputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(SimulationError, match=r"inputs \['input-0'\]; expected \['input-0', 'input-1'\]"):
        simulator.run(network, {"input-0": inputs["input-0"]})
    with pytest.raises(SimulationError, match="input input-1: int8"):
        simulator.run(network, inputs | {"input-1": inputs["input-1"].astype(np.int8)})
    with pytest.raises(SimulationError, match="input input-0"):
        simulator.run(network, inputs | {"input-0": inputs["input-0"][:, :5]})


def test_output_that_nothing_writes(network: CompiledNetwork, inputs: dict[str, np.ndarray]) -> None:
    stray = TensorBinding("stray", (1, 6, 5, 3), "int16", network.scratch_region, network.scratch_bytes)
    larger = replace(network, scratch_bytes=2 * network.scratch_bytes, outputs=(stray,))
    with pytest.raises(SimulationError, match="nobody wrote"):
        simulator.run(larger, inputs)


def test_scratch_too_small(network: CompiledNetwork, inputs: dict[str, np.ndarray]) -> None:
    with pytest.raises(SimulationError, match="within 0x40 bytes"):
        simulator.run(replace(network, scratch_bytes=64), inputs)


def test_damaged_weights_do_not_end_the_process(
    network: CompiledNetwork, inputs: dict[str, np.ndarray], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SimulationError, match="codec ended the process"):
        run_isolated(replace(network, weights=network.weights[:48] + bytes(len(network.weights) - 48)), inputs)
    assert capfd.readouterr() == ("", "")


def test_file_that_is_missing_or_damaged(tmp_path: Path, network: CompiledNetwork, folder: Path) -> None:
    with pytest.raises(InputError, match=r"expected the \.npz that vela writes"):
        read_npz(tmp_path / "none.npz")
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes((folder / "graph_vela.npz").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"expected the \.npz that vela writes"):
        read_npz(damaged)
    np.savez(damaged, cmd_data=np.frombuffer(b"COP1", np.uint8))
    with pytest.raises(InputError, match="no commands"):
        read_npz(damaged)
    np.savez(damaged, cmd_data=np.frombuffer(b"NONE", np.uint8))
    with pytest.raises(InputError, match="no driver payload"):
        read_npz(damaged)


@pytest.mark.parametrize("kept", range(0, 60, 4))
def test_payload_that_ends_too_early(kept: int, tmp_path: Path, folder: Path) -> None:
    with np.load(folder / "graph_vela.npz") as archive:
        arrays = {name: archive[name] for name in archive.files if not name.endswith("_quantization")}
    np.savez(tmp_path / "short.npz", **arrays | {"cmd_data": np.frombuffer(arrays["cmd_data"].tobytes()[:kept], "u1")})
    with pytest.raises(InputError, match=r"payload|announced"):
        read_npz(tmp_path / "short.npz")


def test_accumulator_that_overflows(tmp_path: Path) -> None:
    graph = TosaGraph("int8")
    network = toolchain.compiled(graph.finish(graph.conv(graph.input(1, 4, 4, 4), 4)), tmp_path, "ethos-u55-64")
    image = {"input-0": np.zeros((1, 4, 4, 4), np.int8)}
    simulator.run(network, image)
    bias_of_2_to_the_32 = network.weights[:4] + b"\1" + network.weights[5:]
    with pytest.raises(SimulationError, match="an accumulator of 32 bits overflows"):
        simulator.run(replace(network, weights=bias_of_2_to_the_32), image)


def test_another_accelerator(tmp_path: Path) -> None:
    graph = TosaGraph("int8")
    model = graph.finish(graph.conv(graph.input(1, 4, 4, 4), 4))
    with pytest.raises(InputError, match="product 2; expected Ethos-U55 or Ethos-U65"):
        toolchain.compiled(model, tmp_path, "ethos-u85-256")
