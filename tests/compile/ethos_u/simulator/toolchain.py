"""Vela and the TOSA reference model, called in this process."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import numpy as np

from compile.ethos_u.compiled_network import CompiledNetwork, read_npz

U55 = ("ethos-u55-32", "ethos-u55-64", "ethos-u55-128", "ethos-u55-256")
U65 = ("ethos-u65-256", "ethos-u65-512")
ALL = U55 + U65


def compiled(graph: bytes, folder: Path, accelerator: str, *options: str) -> CompiledNetwork:
    from ethosu.vela import vela

    source = folder / "graph.tosa"
    source.write_bytes(graph)
    arguments = [str(source), "--output-format=raw", f"--output-dir={folder}", f"--accelerator-config={accelerator}"]
    with contextlib.redirect_stdout(io.StringIO()):
        vela.main([*arguments, *options])
    return read_npz(folder / "graph_vela.npz")


def reference(graph: bytes, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """What TOSA says. Fails where the specification leaves the result open."""
    import tosa_reference_model

    outputs, status = tosa_reference_model.run(graph, inputs)
    assert status == tosa_reference_model.GraphStatus.TOSA_VALID, status
    return outputs
