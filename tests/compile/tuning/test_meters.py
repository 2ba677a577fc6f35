"""Real meters tell a slow tiling from a fast one: here, on a board's RPC server, and by cycles of an Arm core."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.kernel import COLUMNS, Tiling, Vectors
from compile.tilings import untuned
from compile.tuning.bench import LinuxBench, MachineBench
from compile.tuning.cycles_meter import CyclesMeter
from compile.tuning.host_meter import HostMeter
from compile.tuning.instructions_meter import InstructionsMeter
from compile.tuning.meter import Meter
from compile.tuning.rpc_meter import RpcMeter, Server, parse_server
from compile.tuning.workload import CHUNKS
from isp.errors import ConfigError
from targets.descriptions import Precision, Target, load
from targets.toolchain import ToolchainError, find_compiler, machine_to_run, run_prefix

KERNEL = RowConvolution(1, 48, 48, 96, "none")
OTHER_KERNEL = RowConvolution(1, 16, 16, 24, "none")
FAST, SLOW = Tiling(8, 2, 8), Tiling(1, 1, 1)
"""One vector of sums at a time waits for each product; sixteen keep the core busy."""

REGISTERED_S = 60


def vectors_of(target: Target) -> Vectors:
    return Vectors("float32", target.lanes[Precision.FLOAT32])


def assert_tells_them_apart(meter: Meter) -> None:
    fast, slow, again = meter.measure(KERNEL, (FAST, SLOW, FAST))
    assert 0 < 1.5 * fast < slow
    assert again < 0.8 * slow


def test_time_on_this_machine() -> None:
    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    assert_tells_them_apart(HostMeter(target, vectors_of(target), compiler))


def test_time_on_a_board_over_rpc() -> None:
    from tvm.rpc.server import Server as Board

    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    board = Board(host="127.0.0.1", port=9190, port_end=9290, silent=True)
    try:
        server = Server("127.0.0.1", board.port, "")
        assert_tells_them_apart(RpcMeter(target, vectors_of(target), compiler, server))
    finally:
        board.terminate()


@pytest.fixture(scope="module")
def tracker() -> Iterator[Server]:
    """A tracker with one board, `pi4`, both on this machine and for it alone."""
    from tvm import rpc
    from tvm.rpc.server import Server as Board
    from tvm.rpc.tracker import Tracker

    with ExitStack() as ended:
        lender = Tracker(host="127.0.0.1", port=9190, port_end=9290, silent=True)
        ended.callback(lender.terminate)
        address = ("127.0.0.1", lender.port)
        board = Board(host="127.0.0.1", port=9190, port_end=9290, key="pi4", tracker_addr=address, silent=True)
        ended.callback(board.terminate)
        session = rpc.connect_tracker(*address)
        ended.callback(session.close)
        deadline = time.monotonic() + REGISTERED_S
        while not any(count["free"] for count in session.summary()["queue_info"].values()):
            assert time.monotonic() < deadline, "the board did not register"
            time.sleep(0.05)
        yield Server(*address, "pi4")


def test_time_on_a_board_that_a_tracker_lends(tracker: Server) -> None:
    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    meter = RpcMeter(target, vectors_of(target), compiler, tracker)
    assert meter.description.startswith("time on a board (pi4)")
    assert_tells_them_apart(meter)
    assert len(meter.measure(OTHER_KERNEL, (FAST,))) == 1
    del meter
    assert_tells_them_apart(RpcMeter(target, vectors_of(target), compiler, tracker))


def test_boards_that_a_tracker_does_not_know_are_named(tracker: Server) -> None:
    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    with pytest.raises(ToolchainError, match=r"has no boards 'pi5'; expected one of pi4"):
        RpcMeter(target, vectors_of(target), compiler, replace(tracker, key="pi5"))


def test_a_board_that_is_lost_is_named() -> None:
    from tvm.rpc.server import Server as Board

    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    board = Board(host="127.0.0.1", port=9190, port_end=9290, silent=True)
    try:
        meter = RpcMeter(target, vectors_of(target), compiler, Server("127.0.0.1", board.port, ""))
    finally:
        board.terminate()
    with pytest.raises(ToolchainError, match=rf"127\.0\.0\.1:{board.port}"):
        meter.measure(KERNEL, (FAST,))


@pytest.mark.parametrize("key", ["", "pi4"])
def test_a_board_or_tracker_that_does_not_answer_is_named(key: str) -> None:
    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip("no C compiler for this machine")
    with pytest.raises(ToolchainError, match=r"127\.0\.0\.1:1"):
        RpcMeter(target, vectors_of(target), compiler, Server("127.0.0.1", 1, key))


def test_servers_are_named_by_host_port_and_key() -> None:
    assert parse_server("pi.local:9090") == Server("pi.local", 9090, "")
    assert parse_server("farm:9190/pi4") == Server("farm", 9190, "pi4")
    with pytest.raises(ConfigError, match="HOST:PORT"):
        parse_server("pi.local")


def test_cycles_of_a_core_that_is_not_here(tmp_path: Path) -> None:
    target = load("cortex-a72")
    compiler, prefix = find_compiler(target), run_prefix(target)
    if compiler is None or prefix is None or shutil.which("llvm-mca-19") is None:
        pytest.skip("needs gcc-aarch64-linux-gnu, qemu-user and llvm-19")
    meter = CyclesMeter(target, vectors_of(target), LinuxBench(compiler, tuple(prefix)), "cortex-a72", tmp_path)
    assert_tells_them_apart(meter)
    assert meter.measure(KERNEL, (FAST,)) == meter.measure(KERNEL, (FAST,))


def machine_bench(target: Target) -> MachineBench:
    compiler, machine = find_compiler(target), machine_to_run(target)
    if compiler is None or machine is None or shutil.which("cc") is None or shutil.which("llvm-mca-19") is None:
        pytest.skip("needs gcc-arm-none-eabi, qemu-system-arm, gcc and llvm-19")
    return MachineBench(compiler, machine)


@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m33", "cortex-m55"])
def test_cycles_of_a_microcontroller(tmp_path: Path, name: str) -> None:
    target = load(name)
    meter = CyclesMeter(target, vectors_of(target), machine_bench(target), name, tmp_path)
    assert meter.description.startswith(f"cycles of a {name} by llvm-mca")
    fast, slow, again = meter.measure(KERNEL, (target_tile(target), SLOW, target_tile(target)))
    assert 0 < 1.3 * fast < slow
    assert again == fast


def test_instructions_of_a_microcontroller(tmp_path: Path) -> None:
    target = load("cortex-m7")
    meter = InstructionsMeter(target, vectors_of(target), machine_bench(target), tmp_path)
    assert meter.description == "instructions executed by a cortex-m7, pipelines and caches not modelled"
    fast, slow, again = meter.measure(KERNEL, (target_tile(target), SLOW, target_tile(target)))
    products = KERNEL.inputs * KERNEL.outputs * CHUNKS * COLUMNS
    assert products < fast < 1.8 * products
    assert 2.5 * products < slow < 5 * products
    assert again == fast


def target_tile(target: Target) -> Tiling:
    return untuned([KERNEL], target)[KERNEL]
