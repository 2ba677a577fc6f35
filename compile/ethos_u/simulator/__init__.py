"""A functional simulator of Ethos-U55 and Ethos-U65: executes what Vela compiled, bit for bit.

`run(compiled, inputs)` decodes the command stream and the compressed weights and computes in NumPy what the
accelerator computes. It knows nothing of time. What it does not model it refuses by name (`UnmodelledError`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.compiled_network import CompiledNetwork, TensorBinding
from compile.ethos_u.simulator import memory as memories
from compile.ethos_u.simulator.accelerator import accelerator_named
from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.machine import execute

__all__ = ["SimulationError", "UnmodelledError", "run"]


def run(compiled: CompiledNetwork, inputs: Mapping[str, NDArray[np.integer]]) -> dict[str, NDArray[np.integer]]:
    """The outputs by name, of the shapes and types in `compiled.outputs`.

    inputs: by name, integers of the shape and type of their binding. Raises SimulationError for inputs that do not
    fit and for whatever the command stream must not do, UnmodelledError for what the simulator does not know.
    """
    memory = _memory(compiled)
    given = {binding.name for binding in compiled.inputs}
    if given != set(inputs):
        raise SimulationError(f"inputs {sorted(inputs)}", expected=f"{sorted(given)}")
    for binding in compiled.inputs:
        memory.store(binding.region, binding.offset, _bytes(binding, inputs[binding.name]))
    execute(accelerator_named(compiled.accelerator), compiled.command_stream, memory)
    return {
        binding.name: np.frombuffer(
            memory.load(binding.region, binding.offset, binding.size_bytes), binding.dtype
        ).reshape(binding.shape)
        for binding in compiled.outputs
    }


def _memory(compiled: CompiledNetwork) -> memories.Memory:
    regions = {
        compiled.weights_region: memories.constants(compiled.weights),
        compiled.scratch_region: memories.scratch(compiled.scratch_bytes),
    }
    if compiled.fast_scratch_bytes:
        regions[compiled.fast_scratch_region] = memories.scratch(compiled.fast_scratch_bytes)
    return memories.Memory(regions)


def _bytes(binding: TensorBinding, values: NDArray[np.integer]) -> bytes:
    if values.shape != binding.shape or values.dtype.itemsize != np.dtype(binding.dtype).itemsize:
        raise SimulationError(
            f"input {binding.name}: {values.dtype} {values.shape}", expected=f"{binding.dtype} {binding.shape}"
        )
    return values.astype(values.dtype.newbyteorder("<")).tobytes()
