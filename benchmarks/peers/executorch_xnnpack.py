"""ExecuTorch with the XNNPACK delegate, through its Python runtime."""

from __future__ import annotations

import logging

import numpy as np

from benchmarks.peers import Infer, Job

log = logging.getLogger(__name__)

PROGRAM = "network.pte"


def convert(job: Job) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    from denoiser import weights_file
    from denoiser.network import INPUT_CHANNELS

    network, _ = weights_file.load(job.weights)
    exported = torch.export.export(network, (torch.zeros(1, INPUT_CHANNELS, job.height, job.width),))
    program = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch()
    (job.folder / PROGRAM).write_bytes(program.buffer)
    for operator in program.executorch_program.execution_plan[0].operators:
        log.warning("%s is left to ExecuTorch's own kernels", operator.name)


def load(job: Job) -> Infer:
    import torch
    from executorch.extension.pybindings import portable_lib

    portable_lib._unsafe_reset_threadpool(job.threads)
    program = portable_lib._load_for_executorch(str(job.folder / PROGRAM))

    def infer(planes: np.ndarray) -> np.ndarray:
        return program.forward((torch.from_numpy(planes),))[0].numpy()

    return infer
