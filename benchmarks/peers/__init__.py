"""Other ways to run the denoiser's network, each in a module of its own, behind the same two functions:

    convert(job)          makes what `load` reads, in `job.folder`, from the weights; may take minutes
    load(job) -> Infer    the network ready to run, in `job.threads` threads

A module imports its engine inside these functions, and only a process that `benchmarks.peers.worker` started
calls them: no two engines meet in one process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import numpy as np

Infer = Callable[[np.ndarray], np.ndarray]
"""Packed planes float32 [1, 5, H, W], contiguous, to the residual float32 [1, 4, H, W]."""


@dataclass(frozen=True)
class Job:
    """A network for planes of one size. weights: the safetensors file. folder: the engine's own for this size.

    height, width: of the packed planes that the engine is given at once.
    """

    weights: Path
    folder: Path
    height: int
    width: int
    threads: int

    def as_dict(self) -> dict[str, object]:
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Job:
        paths = {key: Path(str(values[key])) for key in ("weights", "folder")}
        return cls(**(values | paths))  # type: ignore[arg-type]


class PeerModule(Protocol):
    """What a peer's module holds."""

    def convert(self, job: Job) -> None: ...

    def load(self, job: Job) -> Infer: ...


@dataclass(frozen=True)
class Peer:
    """title: what tables call it. module: in this package. packages: what to install, the engine itself first.
    requires: the modules whose absence means that it isn't installed."""

    title: str
    module: str
    packages: tuple[str, ...]
    requires: tuple[str, ...]

    def loaded(self) -> PeerModule:
        return cast(PeerModule, import_module(f"{__name__}.{self.module}"))


PEERS = {
    "eager": Peer("PyTorch eager", "torch_eager", ("torch",), ("torch",)),
    "channels_last": Peer("PyTorch eager, channels last", "torch_channels_last", ("torch",), ("torch",)),
    "compile": Peer("torch.compile", "torch_compile", ("torch",), ("torch",)),
    "onnxruntime": Peer("ONNX Runtime", "onnx_runtime", ("onnxruntime", "onnx"), ("onnxruntime", "onnx")),
    "openvino": Peer("OpenVINO", "open_vino", ("openvino", "onnx"), ("openvino", "onnx")),
    "ncnn": Peer("ncnn", "tencent_ncnn", ("ncnn", "pnnx"), ("ncnn", "pnnx")),
    "executorch": Peer("ExecuTorch, XNNPACK", "executorch_xnnpack", ("executorch",), ("executorch",)),
}
