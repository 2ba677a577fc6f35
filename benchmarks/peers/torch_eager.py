"""PyTorch, operator by operator, planes one after another (NCHW)."""

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

    def infer(planes: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(planes)).numpy()

    return infer
