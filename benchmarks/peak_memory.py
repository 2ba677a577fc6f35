"""Peak memory of `python -m isp run` on synthesised captures, the whole process.

python benchmarks/peak_memory.py --megapixels 12 50
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.captures import write_capture


def peak_mb(command: list[str]) -> float:
    """Largest resident set of a command, in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        assert process.stderr is not None
        raise SystemExit(process.stderr.read().decode())
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[12, 50])
    arguments = parser.parse_args()
    print("| capture | denoise | peak MB | MB per MP |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in arguments.megapixels:
            path, target = Path(folder) / "capture.dng", Path(folder) / "out.png"
            height, width = write_capture(path, megapixels)
            for strength in (0, 1):
                command = [sys.executable, "-m", "isp", "run", str(path), "-o", str(target), "--overwrite"]
                peak = peak_mb([*command, "--set", f"denoise.strength={strength}"])
                size = height * width / 1e6
                print(f"| {size:.1f} MP | {'on' if strength else 'off'} | {peak:.0f} | {peak / size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
