"""Measures by time on a board, over TVM's RPC: a server on the board itself, or one that a tracker lends.

On the board runs `python -m tvm.exec.rpc_server`, or any other RPC server of TVM's. These kernels are the same
schedules, compiled with arguments that TVM's runtime passes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm
from tvm import rpc

from compile.errors import ToolchainError
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.toolchain import Compiler
from compile.tuning.workload import CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, candidates, workload
from compile.tvm_target import tvm_target
from isp.errors import ConfigError
from targets.descriptions import Target

ROUNDS = 7
CALLS = 50
SESSION_S = 600


@dataclass(frozen=True)
class Server:
    """Where boards are. key: "" for a board's own server; else what the tracker there knows such boards by."""

    host: str
    port: int
    key: str


def parse_server(text: str) -> Server:
    """`HOST:PORT`, or `HOST:PORT/KEY` for a tracker."""
    address, _, key = text.partition("/")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"RPC server {text!r}", expected="HOST:PORT of a board, or HOST:PORT/KEY of a tracker")
    return Server(host, int(port), key)


class RpcMeter:
    """Times kernels on one board, which it holds for as long as it lives."""

    def __init__(self, target: Target, vectors: Vectors, compiler: Compiler, server: Server) -> None:
        """Raises ToolchainError if the server doesn't answer."""
        self._target, self._vectors, self._compiler, self._server = target, vectors, compiler, server
        try:
            if server.key:
                tracker = rpc.connect_tracker(server.host, server.port)
                self._session = tracker.request(server.key, session_timeout=SESSION_S)
            else:
                self._session = rpc.connect(server.host, server.port)
        except (OSError, RuntimeError) as error:
            raise ToolchainError(
                f"RPC server {server.host}:{server.port}: {str(error).splitlines()[-1]}",
                expected="a server of TVM's RPC that answers",
            ) from error

    @property
    def description(self) -> str:
        return f"time on a board ({self._server.key or self._server.host}), medians of {ROUNDS} interleaved rounds"

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Median seconds of one call."""
        functions = {
            name: function.with_attr("global_symbol", name)
            for name, function in candidates(kernel, self._vectors, tilings).items()
        }
        built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(self._target))
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as temporary:
            library = Path(temporary) / "candidates.so"
            built.export_library(str(library), fcompile=self._link)
            self._session.upload(str(library))
        module, device = self._session.load_module("candidates.so"), self._session.cpu()
        arguments = self._arguments(kernel, device)
        timers = [module.time_evaluator(name, device, number=CALLS, repeat=1) for name in functions]
        rounds = [[timer(*arguments).mean for timer in timers] for _ in range(ROUNDS)]
        return tuple(float(np.median(column)) for column in zip(*rounds, strict=True))

    def _link(self, output: str, objects: Sequence[str], **_options: object) -> None:
        self._compiler.link_plugin([Path(each) for each in objects], Path(output))

    def _arguments(self, kernel: RowKernel, device: tvm.runtime.Device) -> tuple[object, ...]:
        sizes = workload(kernel, self._vectors)

        def array(shape: int | tuple[int, ...], dtype: np.dtype) -> tvm.runtime.Tensor:
            return tvm.runtime.tensor(np.random.default_rng(0).uniform(0.1, 1, shape).astype(dtype), device)

        return (
            array(ROWS_VALUES, sizes.rows),
            *ROW_OFFSETS,
            array(SIDE_VALUES, sizes.side),
            array(sizes.weights_values, sizes.weights),
            CHUNKS,
            array(sizes.out_shape, sizes.out),
        )
