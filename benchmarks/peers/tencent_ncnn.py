"""ncnn in float32, converted by pnnx."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Infer, Job

TRACE = "network.pt"
STRUCTURE, WEIGHTS = "network.ncnn.param", "network.ncnn.bin"
"""What pnnx calls what it makes of TRACE."""


def convert(job: Job) -> None:
    import pnnx
    import torch

    from denoiser import weights_file
    from denoiser.network import INPUT_CHANNELS

    network, _ = weights_file.load(job.weights)
    planes = torch.zeros(1, INPUT_CHANNELS, job.height, job.width)
    pnnx.export(network, str(job.folder / TRACE), (planes,), check_trace=False, fp16=False)


def load(job: Job) -> Infer:
    import ncnn

    network = ncnn.Net()
    network.opt.num_threads = job.threads
    network.opt.use_vulkan_compute = False
    for reduced in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage"):
        setattr(network.opt, f"use_{reduced}", False)
    for load_file, name in ((network.load_param, STRUCTURE), (network.load_model, WEIGHTS)):
        if load_file(str(job.folder / name)):
            raise ValueError(f"ncnn can't load {job.folder / name}")

    def infer(planes: np.ndarray) -> np.ndarray:
        with network.create_extractor() as extractor:
            extractor.input("in0", ncnn.Mat(planes[0]))
            status, residual = extractor.extract("out0")
        if status:
            raise ValueError(f"ncnn's extract gave {status}")
        return np.asarray(residual)[None]

    return infer
