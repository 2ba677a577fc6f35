"""Other engines' aarch64 wheels under QEMU, each running a network of ours: the code of theirs that one inference runs.

Each has a module that writes the network in its format, and a program for the Python that `arm_python` prepares. What
is counted is what further inferences add to the first, in the engine's own library alone: not its thread pool's, the C
library's and Python's code. All engines are given float32 and one thread.

XNNPACK is called directly, in the library of ExecuTorch's wheel: ExecuTorch's Python module needs PyTorch's aarch64
wheel of 480 MB. On x86, where both run, the outputs are the same to the bit, and ExecuTorch takes 7 % longer.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks import ncnn_model, onnx_file, xnnpack_model
from benchmarks.arm_python import ANY, CORES, ArmPython, Core
from compile.cost.block_counts import INSTRUCTION_BYTES, BlockCount, basic_blocks, count_blocks
from compile.network_graph import Node
from targets.toolchain import ToolchainError

Instruction = tuple[int, bytes]
"""Its address and code."""
INFERENCES = (1, 4, 7)
"""In the runs that are compared; as many more in each as in the one before it."""
NOISE = 0.01
"""Share of an inference by which what is executed may differ from one comparison to the next."""


@dataclass(frozen=True)
class Peer:
    """script: the program, beside this file. library: part of the path of the engine's library. cores: for which its
    kernels are counted. write: writes a network's model for an image of some height and width into a folder."""

    title: str
    script: str
    library: str
    cores: tuple[Core, ...]
    write: Callable[[Node, int, int, Path], None]


@dataclass(frozen=True)
class Inference:
    """blocks: executed in one, at their places in the library's file. found: its output, float32 [C, H, W]."""

    blocks: tuple[BlockCount, ...]
    found: np.ndarray


PEERS = (
    Peer("ncnn", "ncnn_inference.py", "/ncnn.cpython", CORES, ncnn_model.write),
    Peer(
        "XNNPACK",
        "xnnpack_inference.py",
        "/libexecutorch_backend_xnnpack.so",
        (*CORES, ANY),
        xnnpack_model.write,
    ),
    Peer("ONNX Runtime", "onnx_inference.py", "/onnxruntime_pybind11_state", (ANY,), onnx_file.write),
)


def infer(peer: Peer, core: Core, python: ArmPython, network: Node, planes: np.ndarray, cache: Path) -> Inference:
    """One inference of packed, normalised planes [C, H, W] as on a core.

    Raises ToolchainError where QEMU is missing, the engine fails, or does not do the same in every run.
    """
    with tempfile.TemporaryDirectory(prefix="fan-peer-") as name:
        folder = Path(name)
        _, height, width = planes.shape
        peer.write(network, height, width, folder)
        np.save(folder / "in.npy", planes)
        script = Path(__file__).with_name(peer.script)

        def counted(inferences: int) -> list[BlockCount]:
            arguments = ["-s", str(script), str(folder), str(inferences)]
            blocks = count_blocks(python.command_prefix(core), python.program, arguments, cache)
            return relative_to_library(blocks, (folder / "maps").read_text(encoding="utf-8"), peer.library)

        runs = [counted(inferences) for inferences in INFERENCES]
        blocks = per_inference(runs, INFERENCES[1] - INFERENCES[0])
        return Inference(blocks, np.load(folder / "out.npy"))


def per_inference(runs: Iterable[Iterable[BlockCount]], inferences: int) -> tuple[BlockCount, ...]:
    """What one inference executes, of runs that each have so many inferences more than the one before.

    While it starts, ONNX Runtime does not do exactly the same every time: of two comparisons the smaller counts.
    Raises ToolchainError where they differ by more than a share of NOISE.
    """
    least, most = Counter[Instruction](), Counter[Instruction]()
    for number, (fewer, more) in enumerate(pairwise(map(executions, runs))):
        added = more - fewer
        least = added if number == 0 else least & added
        most |= added
    noise = 1 - least.total() / most.total()
    if noise > NOISE:
        raise ToolchainError(
            f"{noise:.1%} of the instructions are not the same in every inference",
            expected="a program that does the same in every run",
        )
    return basic_blocks(BlockCount(*instruction, count // inferences) for instruction, count in least.items())


def executions(blocks: Iterable[BlockCount]) -> Counter[Instruction]:
    """How often each instruction was executed."""
    counts = Counter[Instruction]()
    for block in blocks:
        for start in range(0, len(block.code), INSTRUCTION_BYTES):
            counts[block.address + start, block.code[start : start + INSTRUCTION_BYTES]] += block.executions
    return counts


def relative_to_library(blocks: Iterable[BlockCount], maps: str, library: str) -> list[BlockCount]:
    """Blocks of one library by their places in its file, which are the same wherever it is loaded.

    maps: what Linux says lies where. library: part of the file's path. Raises ToolchainError if it is not there.
    """
    segments = _code_of(maps, library)
    if not segments:
        raise ToolchainError(f"no library {library!r} was loaded")
    return [
        BlockCount(block.address - start + offset, block.code, block.executions)
        for block in blocks
        for start, end, offset in segments
        if start <= block.address < end
    ]


def _code_of(maps: str, library: str) -> Sequence[tuple[int, int, int]]:
    """First address, end and place in the file of each piece of code."""
    found = []
    for line in maps.splitlines():
        span, permissions, offset, _, _, *path = line.split(maxsplit=5)
        if "x" in permissions and path and library in path[0]:
            start, end = (int(bound, 16) for bound in span.split("-"))
            found.append((start, end, int(offset, 16)))
    return found
