"""The agent as a Linux program: every kind of cable, and what it says of bad arguments."""

from __future__ import annotations

import array
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.firmware_hooks.link.jobs import HEIGHT, HELLO_FIXED, JOB, WIDTH, expected, texts, tile, upload
from tests.firmware_hooks.link.programs import LINK, LINUX_PORT, STUBS, Host, build, run_request
from tests.firmware_hooks.link.streams import TIMEOUT_S, Cable, Program, connected, opened, running
from tests.firmware_hooks.link.wire import (
    BAD_ARGUMENT,
    BAUD,
    BUSY,
    BYE,
    ECHO,
    OK,
    OPEN,
    QUERY,
    RESET,
    TAKEN,
    Frame,
    frames_of,
)

SLOW = 3
TCGETS2 = 0x802C542A
SPEED_AT = 9
"""Of c_ispeed and c_ospeed in struct termios2, in words; before it the control characters end at byte 36."""


def works(cable: Cable, specialist: int = 1) -> Host[Cable]:
    """A whole job."""
    host = Host(cable)
    assert host.hello().session_or_status == OK
    assert host.ask(RESET).session_or_status == OK
    mosaic = tile()
    upload(host, mosaic.tobytes())
    assert host.run(JOB, run_request(specialist, WIDTH, HEIGHT)).session_or_status == BUSY
    assert host.finish_run()[-1].session_or_status == OK
    assert host.read_all(JOB, mosaic.nbytes) == expected(mosaic, specialist, 0, 0)
    return host


# --- standard streams ---


def test_standard_streams(linux_agent: Path) -> None:
    with running(linux_agent, "--stdio") as program:
        host = works(program.cable)
        assert host.ask(ECHO, 0, bytes(1024)).payload == bytes(1024)
        assert program.process.stdin
        program.process.stdin.close()
        assert program.process.wait(TIMEOUT_S) == 0
        assert program.process.stdout
        assert program.process.stdout.read() == b""
        assert program.process.stderr
        assert program.process.stderr.read() == b""


def test_the_end_of_input_waits_for_the_run(linux_agent: Path) -> None:
    with running(linux_agent, "--stdio") as program:
        host = Host(program.cable)
        host.hello()
        upload(host, tile(0, 16, 128).tobytes())
        host.run(JOB, run_request(SLOW, 16, 128))
        assert program.process.stdin
        program.process.stdin.close()
        *busy, last = host.finish_run()
        assert busy
        assert all(frame.session_or_status == BUSY for frame in busy)
        assert last.session_or_status == OK
        (ticks,) = struct.unpack_from("<Q", last.payload)
        assert 8 * 50_000_000 <= ticks < 20_000_000_000
        assert program.process.wait(TIMEOUT_S) == 0


def test_a_host_that_is_gone_ends_the_program(linux_agent: Path) -> None:
    with running(linux_agent, "--stdio") as program:
        assert program.process.stdout
        program.process.stdout.close()
        assert program.process.stdin
        program.process.stdin.write(Frame(ECHO, 0, 1, 0).encoded)
        assert program.process.wait(TIMEOUT_S) == 0


def test_memory_and_name(linux_agent: Path) -> None:
    with running(linux_agent, "--stdio", "--memory", "1048576", "--board", "Nachtauge 3") as program:
        hello = Host(program.cable).hello().payload
        fields = HELLO_FIXED.unpack_from(hello)
        assert (fields[5], fields[8]) == (1_000_000_000, 1 << 20)
        assert texts(hello[HELLO_FIXED.size :])[0] == b"Nachtauge 3"


def test_each_start_has_another_boot_id(linux_agent: Path) -> None:
    ids = set()
    for _ in range(3):
        with running(linux_agent, "--stdio") as program:
            ids.add(HELLO_FIXED.unpack_from(Host(program.cable).hello().payload)[4])
    assert len(ids) == 3


# --- what the core has ---


def core_features(*command: str | Path) -> int:
    request = Frame(1, 0, 1, 0, struct.pack("<QB", 1, 0)).encoded
    answer = subprocess.run([*command, "--stdio"], input=request, capture_output=True, check=True, timeout=60)
    (frame,) = frames_of(answer.stdout)
    features: int = HELLO_FIXED.unpack_from(frame.payload)[6]
    return features


def test_features_of_this_core(linux_agent: Path) -> None:
    flags = set(Path("/proc/cpuinfo").read_text().split())
    v3 = {"avx2", "fma", "bmi2"} <= flags
    v4 = v3 and {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"} <= flags
    arm = (1, "asimd"), (2, "asimdhp"), (4, "asimddp")
    named = sum(bit for bit, name in arm if name in flags)
    assert core_features(linux_agent) == named + 32 * v3 + 64 * v4


@pytest.fixture(scope="session")
def arm64_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cross = shutil.which("aarch64-linux-gnu-gcc")
    if cross is None or emulator() is None:
        pytest.skip("needs aarch64-linux-gnu-gcc and qemu-aarch64")
    path = tmp_path_factory.mktemp("arm64") / "fan-agent"
    return build(path, [*LINK, *STUBS, *LINUX_PORT], "-O2", "-static", cc=cross)


def emulator() -> str | None:
    return shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")


@pytest.mark.parametrize(("core", "features"), [("cortex-a53", 1), ("cortex-a72", 1), ("cortex-a76", 7)])
def test_features_of_arm64_cores(arm64_agent: Path, core: str, features: int) -> None:
    assert core_features(str(emulator()), "-cpu", core, arm64_agent) == features


def test_arm64_on_every_cable(arm64_agent: Path, tmp_path: Path) -> None:
    qemu = Path(str(emulator()))
    with running(qemu, arm64_agent, "--stdio") as program:
        works(program.cable)
    with running(qemu, arm64_agent, "--pty") as program, opened(program.message().split()[-1]) as cable:
        works(cable)
    with running(qemu, arm64_agent, "--tcp", "0") as program, connected(port_of(program)) as cable:
        works(cable)
    with serial_port(tmp_path) as (path, cable):
        fresh = modes_of(path)
        with running(qemu, arm64_agent, "--tty", path):
            wait_until(lambda: modes_of(path) != fresh, "the port is as it was")
            works(cable)


# --- a pseudo-terminal ---


def test_a_pty_outlives_its_hosts(linux_agent: Path) -> None:
    with running(linux_agent, "--pty") as program:
        name = program.message().removeprefix("listening on ")
        assert name.startswith("/dev/pts/")
        for _ in range(3):
            with opened(name) as cable:
                works(cable).ask(BYE)


def test_a_pty_carries_every_byte(linux_agent: Path) -> None:
    with running(linux_agent, "--pty") as program, opened(program.message().split()[-1]) as cable:
        host = Host(cable)
        host.hello()
        payload = bytes(range(256)) * 4
        for _ in range(20):
            assert host.ask(ECHO, 0, payload).payload == payload
        assert host.ask(BAUD, 921600).session_or_status == BAD_ARGUMENT


# --- a serial port ---


@contextmanager
def serial_port(folder: Path, name: str = "port") -> Iterator[tuple[Path, Cable]]:
    """A pair: the path of one end, and the other end."""
    near, far = os.openpty()
    path = folder / name
    path.unlink(missing_ok=True)
    path.symlink_to(os.ttyname(far))
    os.set_blocking(near, True)
    try:
        yield path, Cable(near, near)
    finally:
        os.close(near)
        os.close(far)


def modes_of(path: Path) -> array.array[int]:
    """struct termios2 of a port, in words."""
    modes = array.array("I", [0] * 11)
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.ioctl(port, TCGETS2, modes)
    finally:
        os.close(port)
    return modes


def wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    end_s = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < end_s, otherwise
        time.sleep(0.01)


def wait_for_speed(path: Path, baud: int) -> None:
    wait_until(lambda: modes_of(path)[SPEED_AT + 1] == baud, f"it is not at {baud} baud")


@pytest.mark.parametrize("options", [[], ["--baud", "57600"]])
def test_a_serial_port_and_its_rates(linux_agent: Path, tmp_path: Path, options: list[str]) -> None:
    first = int(options[1]) if options else 115200
    with serial_port(tmp_path) as (path, cable), running(linux_agent, "--tty", path, *options):
        wait_for_speed(path, first)
        host = works(cable)
        for baud in (921600, 2_500_000, 123_457):
            assert host.ask(BAUD, baud).session_or_status == OK
            wait_for_speed(path, baud)
            assert host.ask(ECHO, 0, b"there").payload == b"there"
        assert host.ask(BAUD, 300).session_or_status == BAD_ARGUMENT
        assert host.ask(BYE).session_or_status == OK
        wait_for_speed(path, first)


def test_a_rate_that_nobody_speaks_is_left(linux_agent: Path, tmp_path: Path) -> None:
    with serial_port(tmp_path) as (path, cable), running(linux_agent, "--tty", path):
        wait_for_speed(path, 115200)
        host = Host(cable)
        host.hello()
        began_s = time.monotonic()
        assert host.ask(BAUD, 3_000_000).session_or_status == OK
        wait_for_speed(path, 3_000_000)
        wait_for_speed(path, 115200)
        assert 0.9 < time.monotonic() - began_s < 10
        assert host.ask(ECHO).session_or_status == OK


def test_a_port_that_was_unplugged_may_come_back(linux_agent: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with serial_port(tmp_path) as (path, cable):
            program = stack.enter_context(running(linux_agent, "--tty", path))
            wait_for_speed(path, 115200)
            host = works(cable)
        assert program.message() == f"fan-agent: {path} hung up; waiting for it"
        with serial_port(tmp_path) as (path, cable):
            wait_for_speed(path, 115200)
            again = Host(cable)
            assert again.hello().argument == host.session
            assert again.run(JOB, run_request(1, WIDTH, HEIGHT)).session_or_status == OK


def test_a_pseudo_terminal_that_hangs_up_ends_the_program(linux_agent: Path, tmp_path: Path) -> None:
    """What has that name later is another program's."""
    with ExitStack() as stack:
        with serial_port(tmp_path) as (path, cable):
            name = path.readlink()
            program = stack.enter_context(running(linux_agent, "--tty", name))
            wait_for_speed(path, 115200)
            works(cable)
        assert program.message() == f"fan-agent: {name} hung up"
        assert program.process.wait(TIMEOUT_S) == 0


# --- TCP ---


def port_of(program: Program) -> int:
    message = program.message()
    assert message.startswith("listening on 127.0.0.1:")
    return int(message.rpartition(":")[2])


def test_tcp_listens_on_loopback_unless_told(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        assert listening_addresses(port) == {"0100007F"}
        with connected(port) as cable:
            works(cable)
    with running(linux_agent, "--tcp", "0.0.0.0:0") as program:
        message = program.message()
        assert message.startswith("listening on 0.0.0.0:")
        assert listening_addresses(int(message.rpartition(":")[2])) == {"00000000"}


def listening_addresses(port: int) -> set[str]:
    """In hexadecimal, little-endian, as the kernel lists them; of IPv4 and IPv6."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            address, _, number = line.split()[1].partition(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add(address)
    return found


def test_a_second_host_is_told_so_and_gets_it_later(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        with connected(port) as one, connected(port) as other:
            first, second = works(one), Host(other, identity=2)
            answer = second.hello()
            assert answer.session_or_status == TAKEN
            assert 0 < struct.unpack("<I", answer.payload)[0] <= 3001
            assert second.ask(ECHO).session_or_status == TAKEN
            assert first.ask(ECHO).session_or_status == OK
            assert first.ask(BYE).session_or_status == OK
            assert second.hello().session_or_status == OK


def test_a_job_goes_on_after_a_cut(linux_agent: Path) -> None:
    mosaic = tile(0, 64, 64)
    data = mosaic.tobytes()
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        there = 0
        for cut in range(5):
            with connected(port) as cable:
                host = Host(cable)
                assert host.hello().session_or_status == OK
                bitmap = host.open(JOB, data, 0xABC).payload
                assert sum(byte.bit_count() for byte in bitmap) == there
                host.write_all(data[: 1024 * (cut + 1)])
                there = 4 * (cut + 1)
        with connected(port) as cable:
            works(cable)


def test_a_run_goes_on_while_nobody_is_connected(linux_agent: Path) -> None:
    mosaic = tile(0, 16, 64)
    request = run_request(SLOW, 16, 64)
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        with connected(port) as cable:
            host = Host(cable)
            host.hello()
            upload(host, mosaic.tobytes())
            assert host.run(JOB, request).session_or_status == BUSY
        with connected(port) as cable:
            host = Host(cable)
            host.hello()
            answer = host.run(JOB, request)
            last = host.finish_run()[-1] if answer.session_or_status == BUSY else answer
            assert last.session_or_status == OK
            assert host.read_all(JOB, mosaic.nbytes) == expected(mosaic, SLOW, 0, 0)


def test_a_fifth_connection_ends_the_one_that_is_silent_for_longest(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program, ExitStack() as stack:
        port = port_of(program)
        cables = []
        for _ in range(4):
            cables.append(stack.enter_context(connected(port)))
            Host(cables[-1]).hello()
        Host(cables[0]).hello()
        fifth = stack.enter_context(connected(port))
        assert Host(fifth).hello().session_or_status == OK
        assert cables[1].can_read(TIMEOUT_S)
        assert os.read(cables[1].read_file, 1) == b""
        for cable in (cables[0], *cables[2:]):
            assert Host(cable).hello().session_or_status == OK


def test_a_host_that_reads_nothing_holds_up_nobody(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        with connected(port) as deaf, connected(port) as other:
            host = Host(deaf)
            host.hello()
            host.ask(OPEN, 0, struct.pack("<III", 1, 1 << 24, 0))
            flood = Frame(QUERY, host.session, 1, 0).encoded * 2000
            os.set_blocking(deaf.write_file, False)
            sent = 0
            end_s = time.monotonic() + TIMEOUT_S
            while time.monotonic() < end_s:
                try:
                    sent += os.write(deaf.write_file, flood)
                except BlockingIOError:
                    break
            assert Host(other, identity=2).hello(release_other=1).session_or_status == OK
            # What was asked for is still answered, each with a whole frame.
            for _ in range(1000):
                frames_of(deaf.next_frame().data)


def test_replies_to_a_host_that_is_gone_end_nothing(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.sendall(Frame(ECHO, 1, 1, 0, bytes(1024)).encoded * 50)
        with connected(port) as cable:
            works(cable)


# --- arguments ---


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "fan-agent: no connection: give --stdio, --tty, --tcp or --pty"),
        (["--usb"], 2, "fan-agent: --usb: no such option"),
        (["--stdio", "--pty"], 2, "fan-agent: --stdio, --tty, --tcp, --pty: choose one"),
        (["--tty"], 2, "fan-agent: --tty: needs a value"),
        (["--stdio", "--baud", "115200"], 2, "fan-agent: --baud: only a serial port has a rate: give --tty, too"),
        (["--tty", "x", "--baud", "fast"], 2, "fan-agent: --baud fast: expected a number from 1200 to 12000000"),
        (["--tty", "x", "--baud", "300"], 2, "fan-agent: --baud 300: expected a number from 1200 to 12000000"),
        (["--stdio", "--memory", "-1"], 2, "fan-agent: --memory -1: expected a number from 65536 to"),
        (["--stdio", "--memory", "64M"], 2, "fan-agent: --memory 64M: expected a number from 65536 to"),
        (["--stdio", "--memory", "9" * 30], 2, "expected a number from 65536 to"),
        (["--tcp", "http"], 2, "fan-agent: http: not a port from 0 to 65535, or an IPv4 address and a port"),
        (["--tcp", "65536"], 2, "fan-agent: 65536: not a port from 0 to 65535"),
        (["--tcp", "127.0.0.1:"], 2, "fan-agent: 127.0.0.1:: not a port from 0 to 65535"),
        (["--tcp", "localhost:7000"], 2, "fan-agent: localhost:7000: not an IPv4 address and a port, such as"),
        (["--tcp", "1.2.3.4.5.6.7.8.9.10:7000"], 2, "not an IPv4 address and a port, such as 0.0.0.0:7000"),
        (["--tcp", "8.8.8.8:7000"], 1, "fan-agent: 8.8.8.8:7000: Cannot assign requested address"),
        (["--tty", "/dev/there-is-none"], 1, "fan-agent: /dev/there-is-none: No such file or directory"),
        (["--tty", "/dev/null"], 1, "fan-agent: /dev/null: not a serial port"),
    ],
)
def test_bad_arguments(linux_agent: Path, arguments: list[str], code: int, message: str) -> None:
    found = subprocess.run([linux_agent, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert found.returncode == code
    assert message in found.stderr.splitlines()[-1]
    assert found.stdout == ""


def test_a_port_that_is_in_use(linux_agent: Path) -> None:
    with running(linux_agent, "--tcp", "0") as program:
        port = port_of(program)
        found = subprocess.run([linux_agent, "--tcp", str(port)], capture_output=True, text=True)
        assert (found.returncode, found.stderr) == (1, f"fan-agent: {port}: Address already in use\n")


def test_help(linux_agent: Path) -> None:
    found = subprocess.run([linux_agent, "--help"], capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("usage: fan-agent --stdio | --tty PATH [--baud N] | --tcp [ADDRESS:]PORT | --pty\n")
