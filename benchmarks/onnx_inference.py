"""Runs a network in ONNX Runtime a number of times; a program for the 64-bit Arm Python that `arm_python` prepares.

    python onnx_inference.py FOLDER REPETITIONS

In FOLDER are the network and `in.npy`, float32 [channels, height, width]; there `out.npy` is left, of the same kind,
and `maps`, what lies where in memory, as Linux has it. One thread, all optimisations, the outputs' memory stays.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-not-found,import-untyped,unused-ignore]

FILE = "network.onnx"
INPUT, OUTPUT = "image", "answer"


def main() -> None:
    folder, repetitions = Path(sys.argv[1]), int(sys.argv[2])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"])
    image = np.ascontiguousarray(np.load(folder / "in.npy")[None])
    binding = session.io_binding()
    binding.bind_cpu_input(INPUT, image)
    binding.bind_output(OUTPUT, "cpu")
    for _ in range(repetitions):
        session.run_with_iobinding(binding)
    np.save(folder / "out.npy", binding.copy_outputs_to_cpu()[0][0])
    (folder / "maps").write_text(Path("/proc/self/maps").read_text())


main()
