"""OpenVINO on the CPU in float32 (it would take bfloat16 where the processor has it), one stream."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Infer, Job, onnx_model


def convert(job: Job) -> None:
    onnx_model.export(job)


def load(job: Job) -> Infer:
    import openvino

    options = {
        "INFERENCE_NUM_THREADS": job.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    model = openvino.Core().compile_model(str(onnx_model.path(job)), "CPU", options)
    request = model.create_infer_request()

    def infer(planes: np.ndarray) -> np.ndarray:
        return request.infer({0: planes}, share_inputs=True, share_outputs=True)[0]

    return infer
