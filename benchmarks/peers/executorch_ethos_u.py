"""ExecuTorch's Arm backend: a network quantised by PT2E, lowered to TOSA, compiled by the Vela that comes with it.

    python -m benchmarks.peers.executorch_ethos_u JOB.json

`benchmarks.npu_peer` runs that in an environment which has `executorch[ethos-u]`, and reads what is left in the job's
folder: `out.tosa`, the graph, and `outcome.json`.

The recipe is that of ExecuTorch's own `aot_arm_compiler.py`: weights with a scale for each output channel, activations
by HistogramObserver, the backend's defaults. One thing is changed, and only where Vela refuses the graph otherwise.
With 16-bit activations, ExecuTorch 1.5.1 gives a convolution that a residual sum and another layer read two outputs,
of 16 and of 32 bits; Vela has no operation for that on any accelerator. Such a convolution then has the one of 16 bits.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("executorch", "ethos-u-vela", "torch")
GRAPH, OUTCOME = "out.tosa", "outcome.json"
REFUSED = "could not run on NPU"
"""What Vela says of a graph that it cannot compile."""


@dataclass(frozen=True)
class EthosUJob:
    """weights: the safetensors file. calibration: .npy of float32 [N, 5, H, W]. folder: to leave results in. side:
    packed pixels. precision: a16w8 or a8w8. The rest goes to Vela."""

    weights: str
    calibration: str
    folder: str
    side: int
    precision: str
    accelerator: str
    system_configuration: str
    memory_mode: str
    vela_options: tuple[str, ...]


def lower(job: EthosUJob) -> None:
    """Leaves in the job's folder what its network becomes."""
    import torch
    from executorch.backends.arm.ethosu import EthosUCompileSpec
    from executorch.backends.arm.quantizer import EthosUQuantizer
    from executorch.backends.arm.quantizer.arm_quantizer import (
        get_symmetric_a16w8_quantization_config,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e  # type: ignore[import-not-found]

    from denoiser import weights_file
    from denoiser.network import INPUT_CHANNELS

    layout = torch.channels_last  # which spares two transpositions
    network, _ = weights_file.load(Path(job.weights))
    network = network.eval().to(memory_format=layout)  # type: ignore[call-overload]
    example = (torch.zeros(1, INPUT_CHANNELS, job.side, job.side).to(memory_format=layout),)
    spec = EthosUCompileSpec(
        job.accelerator, job.system_configuration, job.memory_mode, extra_flags=list(job.vela_options)
    )
    spec.dump_intermediate_artifacts_to(job.folder)
    quantizer = EthosUQuantizer(spec)
    config = get_symmetric_a16w8_quantization_config if job.precision == "a16w8" else get_symmetric_quantization_config
    quantizer.set_global(config(is_per_channel=True))
    # Without its guards the exported network takes calibration images of any size.
    observed = prepare_pt2e(torch.export.export(network, example).module(check_guards=False), quantizer)
    for image in np.load(job.calibration):
        observed(torch.from_numpy(image[None]).to(memory_format=layout))
    quantised = convert_pt2e(observed)

    refusal = None
    try:
        delegates = _delegated(torch.export.export(quantised, example), spec)
    except RuntimeError as error:
        if REFUSED not in str(error):
            raise
        refusal = str(error)
        _give_convolutions_one_output()
        delegates = _delegated(torch.export.export(quantised, example), spec)
    versions = {package: version(package) for package in PACKAGES}
    content = {"delegates": delegates, "refused_as_it_is": refusal, "versions": versions}
    (Path(job.folder) / OUTCOME).write_text(json.dumps(content), encoding="utf-8")


def _delegated(exported: Any, spec: Any) -> int:  # noqa: ANN401
    """In how many parts the program goes to the NPU."""
    from executorch.backends.arm.ethosu import EthosUPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = to_edge_transform_and_lower(exported, partitioner=[EthosUPartitioner(spec)]).to_executorch()
    return len(program.executorch_program.execution_plan[0].delegates)


def _give_convolutions_one_output() -> None:
    from executorch.backends.arm._passes.rewrite_conv_pass import RewriteConvPass

    branch = RewriteConvPass._insert_a16w8_output_branches

    def branch_where_alone(self: Any, graph_module: Any, node: Any, *rest: Any) -> None:  # noqa: ANN401
        if len(node.users) == 1:
            branch(self, graph_module, node, *rest)

    RewriteConvPass._insert_a16w8_output_branches = branch_where_alone


if __name__ == "__main__":
    lower(EthosUJob(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
