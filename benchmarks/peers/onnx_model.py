"""The network as an ONNX file, for the engines that read it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.peers import Job

MODEL = "network.onnx"
OPSET = 18


def export(job: Job) -> None:
    """Writes the file for planes of the job's size."""
    import torch

    from denoiser import weights_file
    from denoiser.network import INPUT_CHANNELS

    network, _ = weights_file.load(job.weights)
    planes = torch.zeros(1, INPUT_CHANNELS, job.height, job.width)
    # The TorchScript exporter writes the same operators as the newer one in a fifth of the time, and needs less.
    torch.onnx.export(
        network,
        (planes,),
        str(path(job)),
        dynamo=False,
        opset_version=OPSET,
        input_names=["planes"],
        output_names=["residual"],
    )


def path(job: Job) -> Path:
    return job.folder / MODEL
