"""Arm's TOSA reference model: what a graph computes, to the bit.

It runs in a process of its own, for it writes where it likes. `python -m compile.ethos_u.reference_model` is that
process; it is not meant for people.

References
----------
Arm, TOSA tools, `reference_model`: the model that the TOSA specification refers to.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from targets.toolchain import ToolchainError

TIMEOUT_S = 600.0
_SHOWN_LINES = 3


def run(graph: bytes, image: np.ndarray, output_shape: tuple[int, ...], *, timeout_s: float = TIMEOUT_S) -> np.ndarray:
    """The output of a graph with one input and one output, of the input's type.

    Raises ToolchainError where the model fails or finds the graph not valid.
    """
    with tempfile.TemporaryDirectory(prefix="fan-tosa-") as temporary:
        files = [Path(temporary, name) for name in ("network.tosa", "input.npy", "output.npy")]
        files[0].write_bytes(graph)
        np.save(files[1], image)
        command = [sys.executable, "-m", __name__, *map(str, files)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as error:
            raise ToolchainError(f"the TOSA reference model: no result after {timeout_s:g} s") from error
        if done.returncode:
            said = " ".join(done.stderr.strip().splitlines()[-_SHOWN_LINES:])
            raise ToolchainError(f"the TOSA reference model ended with {done.returncode}: {said}")
        result: np.ndarray = np.load(files[2]).view(image.dtype).reshape(output_shape)
        return result


def _child(graph: str, image: str, output: str) -> int:
    import tosa_reference_model as model

    outputs, status = model.run(Path(graph).read_bytes(), [np.load(image)])
    if status != model.GraphStatus.TOSA_VALID:
        sys.stderr.write(f"{status.name}\n")
        return 1
    np.save(output, outputs[0])
    return 0


if __name__ == "__main__":
    raise SystemExit(_child(*sys.argv[1:]))
