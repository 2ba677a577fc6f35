"""Runs a network in ncnn a number of times; a program for the 64-bit Arm Python that `arm_python` prepares.

    python ncnn_inference.py FOLDER REPETITIONS

In FOLDER are the network and `in.npy`, float32 [channels, height, width]; there `out.npy` is left, of the same kind,
and `maps`, what lies where in memory, as Linux has it. One thread, float32 throughout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ncnn  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy as np

PARAM, BINARY = "network.param", "network.bin"
INPUT, OUTPUT = "image", "answer"


def main() -> None:
    folder, repetitions = Path(sys.argv[1]), int(sys.argv[2])
    network = ncnn.Net()
    network.opt.num_threads = 1
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    if network.load_param(str(folder / PARAM)) != 0 or network.load_model(str(folder / BINARY)) != 0:
        sys.exit("ncnn does not load the network")
    planes = np.load(folder / "in.npy")
    image = ncnn.Mat(planes).clone()  # in memory of ncnn's own, aligned as it likes it
    for _ in range(repetitions):
        extractor = network.create_extractor()
        extractor.input(INPUT, image)
        failed, answer = extractor.extract(OUTPUT)
        if failed:
            sys.exit(f"ncnn does not run the network: {failed}")
    np.save(folder / "out.npy", np.array(answer))
    (folder / "maps").write_text(Path("/proc/self/maps").read_text())


main()
