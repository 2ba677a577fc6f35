"""ONNX Runtime on the CPU, all graph optimisations on, input and output bound to memory that stays."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Infer, Job, onnx_model


def convert(job: Job) -> None:
    onnx_model.export(job)


def load(job: Job) -> Infer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(onnx_model.path(job)), options, providers=["CPUExecutionProvider"])
    residual = np.empty((1, 4, job.height, job.width), np.float32)
    binding = session.io_binding()
    binding.bind_output("residual", "cpu", 0, np.float32, list(residual.shape), residual.ctypes.data)

    def infer(planes: np.ndarray) -> np.ndarray:
        binding.bind_cpu_input("planes", planes)
        session.run_with_iobinding(binding)
        return residual

    return infer
