"""Speed of the ISP without denoising against LibRaw's default development, interleaved on the same threads.

    OMP_NUM_THREADS=1 python benchmarks/isp_speed.py --threads 1

Both read the same uncompressed DNG from memory-cached disk and give 8-bit sRGB pixels; no file is written.
The figure to quote is the ratio of the medians: the seconds depend on the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # before LibRaw is loaded

    import cv2
    import rawpy

    from benchmarks.captures import write_capture
    from isp.noise.resolve import known_noise
    from isp.pipeline import Pipeline, start_signal
    from isp.pipeline_file import load_pipeline_file
    from isp.readers import read
    from isp.registry import Registry

    cv2.setNumThreads(arguments.threads)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "capture.dng"
        height, width = write_capture(path, arguments.megapixels)
        megapixels = height * width / 1e6
        registry = Registry.installed()

        def ours(method: str) -> Callable[[], object]:
            file = load_pipeline_file("default").without("denoise").with_override(f"demosaic.method={method}")
            pipeline = Pipeline.from_file(file, registry)

            def work() -> object:
                frame = read(path)
                signal = start_signal(frame, known_noise(frame, None, None))
                del frame
                for done in pipeline.run(signal):
                    signal = done.signal
                return signal.data

            return work

        def libraw() -> object:
            with rawpy.imread(str(path)) as raw:
                return raw.postprocess()

        contenders = {
            "LibRaw default (AHD)": libraw,
            "isp, malvar": ours("malvar"),
            "isp, menon": ours("menon"),
            "isp, bilinear": ours("bilinear"),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        order = list(contenders)
        for turn in range(arguments.rounds + 1):
            random.Random(turn).shuffle(order)  # nobody always runs on the memory that one other left
            for name in order:
                elapsed_s = timed(contenders[name])
                if turn:  # the first round warms up
                    times[name].append(elapsed_s)
    reference = statistics.median(times["LibRaw default (AHD)"])
    print(f"{megapixels:.1f} MP, {arguments.threads} thread(s), medians of {arguments.rounds} interleaved rounds\n")
    print("| developer | ms/MP | ratio to LibRaw |\n|---|---|---|")
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"| {name} | {1e3 * middle / megapixels:.1f} | {middle / reference:.2f} |")


if __name__ == "__main__":
    main()
