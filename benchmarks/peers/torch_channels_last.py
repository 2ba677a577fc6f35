"""PyTorch, operator by operator, the channels of a pixel together (NHWC), as the denoiser itself runs it."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Infer, Job


def convert(job: Job) -> None:
    """Nothing: the weights are PyTorch's."""


def load(job: Job) -> Infer:
    import torch

    from denoiser import weights_file

    torch.set_num_threads(job.threads)
    network, _ = weights_file.load(job.weights)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def infer(planes: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(planes).contiguous(memory_format=torch.channels_last)).numpy()

    return infer
