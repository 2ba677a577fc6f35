"""Every output bit that the simulator makes of Vela's command streams is the TOSA reference model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ethosu.mlw_codec", reason="Vela is not installed: pip install 'fan-isp[npu]'")
pytest.importorskip("tosa_reference_model", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")

from compile.ethos_u import simulator
from compile.ethos_u.compiled_network import CompiledNetwork
from compile.ethos_u.simulator.command_stream import Register, SetRegister, decode
from tests.compile.ethos_u.simulator import toolchain
from tests.compile.ethos_u.simulator.networks import ONLY_INT8, OPERATORS, Build, chain, feature_align
from tests.compile.ethos_u.simulator.tosa_graph import RoundingMode, TosaGraph

STRIPED = ("--arena-cache-size=6000",)
"""So little memory that feature maps are worked on in stripes, in rolling buffers."""
OWN_MEMORY = ("--memory-mode=Dedicated_Sram_384KB", "--system-config=Ethos_U65_High_End")


WRAPPING = ("--arena-cache-size=20000",)
"""So much that buffers hold a few rows more than a kernel sees, and wrap around."""


def check(
    build: Build, dtype: str, folder: Path, accelerators: tuple[str, ...], *options: str
) -> list[CompiledNetwork]:
    checked = []
    for rounding in (RoundingMode.SINGLE_ROUND, RoundingMode.DOUBLE_ROUND):
        graph = TosaGraph(dtype, seed=1, rounding=rounding)
        model = graph.finish(*build(graph))
        inputs = graph.random_inputs(seed=2)
        expected = toolchain.reference(model, inputs)
        for accelerator in accelerators:
            compiled = toolchain.compiled(model, folder, accelerator, *options)
            assert compiled.accelerator == accelerator
            checked.append(compiled)
            given = {x.name: values.reshape(x.shape) for x, values in zip(compiled.inputs, inputs, strict=True)}
            found = simulator.run(compiled, given)
            for output, values in zip(compiled.outputs, expected, strict=True):
                assert found[output.name].size == values.size
                np.testing.assert_array_equal(found[output.name].ravel(), values.ravel(), err_msg=accelerator)
                assert len(np.unique(values)) > 2  # not all at a limit
    return checked


@pytest.mark.parametrize("dtype", ["int16", "int8"])
@pytest.mark.parametrize("name", OPERATORS)
def test_operator(name: str, dtype: str, tmp_path: Path) -> None:
    check(OPERATORS[name], dtype, tmp_path, ("ethos-u55-32", "ethos-u55-128", "ethos-u65-512"))


@pytest.mark.parametrize("name", ONLY_INT8)
def test_operator_of_8_bits(name: str, tmp_path: Path) -> None:
    check(ONLY_INT8[name], "int8", tmp_path, ("ethos-u55-32", "ethos-u55-128", "ethos-u65-512"))


@pytest.mark.parametrize("options", [(), ("--optimise=Size",), STRIPED])
@pytest.mark.parametrize("dtype", ["int16", "int8"])
@pytest.mark.parametrize("accelerator", toolchain.ALL)
def test_network(accelerator: str, dtype: str, options: tuple[str, ...], tmp_path: Path) -> None:
    check(feature_align, dtype, tmp_path, (accelerator,), *options)


@pytest.mark.parametrize("options", [OWN_MEMORY, (*OWN_MEMORY, *STRIPED)])
@pytest.mark.parametrize("dtype", ["int16", "int8"])
def test_network_with_a_memory_of_the_accelerators_own(dtype: str, options: tuple[str, ...], tmp_path: Path) -> None:
    check(feature_align, dtype, tmp_path, toolchain.U65, *options)


@pytest.mark.parametrize("dtype", ["int16", "int8"])
def test_buffers_that_wrap_around(dtype: str, tmp_path: Path) -> None:
    for compiled in check(chain, dtype, tmp_path, toolchain.ALL, *WRAPPING):
        assert any(
            isinstance(command, SetRegister) and command.register is Register.IFM_BASE2 and command.payload
            for command in decode(compiled.command_stream)
        )
