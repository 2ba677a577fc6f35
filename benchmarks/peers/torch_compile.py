"""torch.compile with the weights frozen, which lets it choose their layout and fuse what follows a convolution."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Infer, Job


def convert(job: Job) -> None:
    """Nothing: it compiles in the process that runs it, at the first call."""


def load(job: Job) -> Infer:
    import torch
    import torch._inductor.config as inductor

    from denoiser import weights_file

    torch.set_num_threads(job.threads)
    inductor.freezing = True
    inductor.compile_threads = 1  # none of its helpers outlives this process
    network, _ = weights_file.load(job.weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    compiled = torch.compile(network, fullgraph=True, dynamic=False)

    def infer(planes: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return compiled(torch.from_numpy(planes).contiguous(memory_format=torch.channels_last)).numpy()

    return infer
