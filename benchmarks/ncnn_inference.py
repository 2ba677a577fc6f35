"""Runs a network in ncnn a number of times; a program for the 64-bit Arm Python that `arm_python` prepares.

    python ncnn_inference.py MODEL.param MODEL.bin IN OUT HEIGHT WIDTH REPETITIONS MAPS

IN and OUT are files of little-endian float32, channels first. MAPS becomes the list of what lies where in memory, as
Linux has it. One thread, float32 throughout.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ncnn  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy as np

INPUT, OUTPUT = "image", "answer"


def main() -> None:
    param, binary, source, target, height, width, repetitions, maps = sys.argv[1:]
    network = ncnn.Net()
    network.opt.num_threads = 1
    network.opt.use_fp16_packed = network.opt.use_fp16_storage = network.opt.use_fp16_arithmetic = False
    network.opt.use_bf16_storage = False
    if network.load_param(param) != 0 or network.load_model(binary) != 0:
        sys.exit("ncnn does not load the network")
    planes = np.fromfile(source, "<f4").reshape(-1, int(height), int(width))
    image = ncnn.Mat(planes).clone()  # in memory of ncnn's own, aligned as it likes it
    for _ in range(int(repetitions)):
        extractor = network.create_extractor()
        extractor.input(INPUT, image)
        failed, answer = extractor.extract(OUTPUT)
        if failed:
            sys.exit(f"ncnn does not run the network: {failed}")
    np.array(answer).astype("<f4").tofile(target)
    Path(maps).write_text(Path("/proc/self/maps").read_text())


main()
