"""TVM's code generation: one call is left, and it can be anything."""

from __future__ import annotations

import numpy as np
import pytest
import tvm
import tvm_ffi
from tvm import relax

from compile.ethos_u import codegen
from compile.ethos_u.calibration import Calibration
from compile.ethos_u.integer_graph import Precision
from tests.compile.ethos_u.conftest import Partitioned
from tests.compile.ethos_u.integers import executed


def test_the_host_module_calls_the_npu_and_nothing_else(partitioned: Partitioned, calibrated: Calibration) -> None:
    lowered = codegen.lower(partitioned.module, calibrated, Precision.A16W8)
    network, calls = lowered.network, []

    def npu(image: tvm.runtime.Tensor, answer: tvm.runtime.Tensor) -> None:
        integers = np.rint(image.numpy()[0] / network.image.step)
        answer.copyfrom((executed(network, integers) * network.output.step)[None].astype(np.float32))
        calls.append(integers.shape)

    tvm_ffi.register_global_func(lowered.symbol, npu)
    try:
        machine = relax.VirtualMachine(tvm.compile(lowered.host, tvm.target.Target("llvm")), tvm.cpu())
        image = partitioned.images[0]
        output = machine["main"](tvm.runtime.tensor(image)).numpy()
    finally:
        tvm_ffi.remove_global_func(lowered.symbol)
    assert calls == [(5, 32, 32)]
    expected = partitioned.expected(image)
    assert (output - expected).std() < 0.03 * expected.std()
    assert len(lowered.host.functions) == 1


def test_the_generator_is_gone_afterwards(partitioned: Partitioned, calibrated: Calibration) -> None:
    codegen.lower(partitioned.module, calibrated, Precision.A16W8)
    assert tvm_ffi.get_global_func("relax.ext.ethosu", allow_missing=True) is None
    with pytest.raises(tvm.error.InternalError, match="ethosu"):
        relax.transform.RunCodegen()(partitioned.module)
