"""Measures by time on a board, over TVM's RPC: a server on the board itself, or one that a tracker lends.

On the board runs `python -m tvm.exec.rpc_server`, or any other RPC server of TVM's. These kernels are the same
schedules, compiled with arguments that TVM's runtime passes.
"""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm
from tvm import rpc

from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning.workload import CHUNKS, ROW_OFFSETS, ROWS_VALUES, SIDE_VALUES, candidates, workload
from compile.tvm_target import tvm_target
from isp.errors import ConfigError
from targets.descriptions import Target
from targets.toolchain import Compiler, ToolchainError

ROUNDS = 7
CALLS = 50
ANSWER_S = 10.0
"""Time for a tracker to take a connection. TVM's own functions wait for a minute."""

log = logging.getLogger(__name__)


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
    """Times kernels on one board, which it holds for as long as it lives; a tracker takes it back when it ends."""

    def __init__(self, target: Target, vectors: Vectors, compiler: Compiler, server: Server) -> None:
        """Raises ToolchainError if the server doesn't answer or the tracker has no such boards."""
        self._target, self._vectors, self._compiler, self._server = target, vectors, compiler, server
        with _named_errors(server):
            self._session = _lent_session(server) if server.key else rpc.connect(server.host, server.port)
        self._libraries = 0

    @property
    def description(self) -> str:
        return f"time on a board ({self._server.key or self._server.host}), medians of {ROUNDS} interleaved rounds"

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """Median seconds of one call. Raises ToolchainError if the board is lost."""
        functions = {
            name: function.with_attr("global_symbol", name)
            for name, function in candidates(kernel, self._vectors, tilings).items()
        }
        built = tvm.tirx.build(tvm.IRModule(functions), target=tvm_target(self._target))
        with tempfile.TemporaryDirectory(prefix="fan-tuning-") as temporary:
            # The board keeps the libraries before it loaded, and would crash if their files changed.
            library = Path(temporary) / f"candidates{self._libraries}.so"
            self._libraries += 1
            built.export_library(str(library), fcompile=self._link)
            with _named_errors(self._server):
                self._session.upload(str(library))
        with _named_errors(self._server):
            module, device = self._session.load_module(library.name), self._session.cpu()
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


def _lent_session(server: Server) -> rpc.RPCSession:
    """A session with one of a tracker's boards, of any length; waits until one of them is free."""
    socket.create_connection((server.host, server.port), ANSWER_S).close()
    tracker = rpc.connect_tracker(server.host, server.port)
    summary = tracker.summary()
    keys = sorted({info["key"].removeprefix("server:") for info in summary["server_info"]})
    if server.key not in keys:
        raise ToolchainError(
            f"the tracker {server.host}:{server.port} has no boards {server.key!r}",
            expected=f"one of {', '.join(keys)}" if keys else "a server of TVM's RPC that was started with --tracker",
        )
    if summary["queue_info"][server.key]["free"] == 0:
        log.info("waiting for a board %s", server.key)
    return tracker.request(server.key)


@contextmanager
def _named_errors(server: Server) -> Iterator[None]:
    """Errors of TVM's and of the network's, which say nothing of where, as ToolchainError."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        said = str(error).strip().splitlines()
        raise ToolchainError(
            f"RPC server {server.host}:{server.port}: {said[-1] if said else type(error).__name__}",
            expected="a server of TVM's RPC that answers",
        ) from error
