"""TVM's code generator for the NPU, in Python: it turns a partition's function into integers.

`relax.transform.RunCodegen` looks for a global function `relax.ext.<name>` and puts a call of an external symbol in the
place of each function that is for that name. Nothing is linked for the symbol here: on a device it stands for the
driver; on this machine anything can be bound to it, and the module that is left then runs in TVM's virtual machine.

References
----------
TVM, "Bring Your Own Codegen": `relax.ext.*`, `call_dps_packed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tvm
import tvm_ffi
from tvm import relax

from compile.ethos_u.calibration import Calibration
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.partition import CODEGEN
from compile.ethos_u.quantisation import quantise
from compile.relax_import import to_tensors


@dataclass(frozen=True)
class Lowered:
    """host: a module whose `main` calls `symbol`, input before output, float32 [1, C, H, W] both, and does nothing
    else. network: what the symbol stands for, between the integers of its own steps."""

    host: tvm.IRModule
    symbol: str
    network: IntegerNetwork


def lower(partitioned: tvm.IRModule, calibration: Calibration, precision: Precision) -> Lowered:
    """Runs TVM's code generation on a module of `partition`, with what calibration found of that partition."""
    found: list[tuple[str, IntegerNetwork]] = []

    def generate(functions: Sequence[relax.Function], _options: Any, _constants: Any) -> list[tvm.runtime.Module]:  # noqa: ANN401
        for function in functions:
            network = quantise(to_tensors(function), calibration, precision)
            found.append((str(function.attrs["global_symbol"]), network))
        return []

    name = f"relax.ext.{CODEGEN}"
    tvm_ffi.register_global_func(name, generate, override=True)
    try:
        host = relax.transform.RunCodegen()(partitioned)
    finally:
        tvm_ffi.remove_global_func(name)
    ((symbol, network),) = found
    return Lowered(host, symbol, network)
