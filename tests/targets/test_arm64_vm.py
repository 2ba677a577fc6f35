"""A whole 64-bit Arm machine with Linux, booted under QEMU, its agent on a serial port.

Runs where FAN_ARM64_KERNEL names a kernel with drivers for the PL011 and for 8250 ports on PCI (docs/validate.md says
where to get one).
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults, PtyCable
from targets.__main__ import main
from targets.agent_build import build_agent
from targets.descriptions import load
from targets.errors import NoBoardError
from targets.toolchain import required_compiler
from targets.transports.serial_port import SerialPort
from tests.targets.conftest import MakeTiny
from tests.targets.link.boards import opened

KERNEL = "FAN_ARM64_KERNEL"
EMULATOR = "qemu-system-aarch64"
INIT = Path(__file__).with_name("arm64_vm_init.c")
BOOT_S = 120.0
PL011, PCI = "ttyAMA0", "ttyS0"
DEVICES = {"console": (5, 1), "kmsg": (1, 11), PL011: (204, 64), PCI: (4, 64)}
SENSOR = "sensor: embedded data line"

pytestmark = [
    pytest.mark.skipif(KERNEL not in os.environ, reason=f"{KERNEL} names no kernel to boot"),
    pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed"),
]


@pytest.fixture(scope="module")
def system(tiny_bundle_for: MakeTiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle for any 64-bit Arm core, and what the kernel finds its agent and the first process in."""
    bundle, folder = tiny_bundle_for("arm64"), tmp_path_factory.mktemp("vm")
    compiler = required_compiler(load("arm64"))
    (init,) = compiler.compile_objects([INIT], [], folder)
    compiler.link_program([init], folder / "init")
    agent = build_agent(bundle, folder / "fan-agent")
    files = [archived("dev", stat.S_IFDIR | 0o755)]
    files += [archived(f"dev/{name}", stat.S_IFCHR | 0o600, device=number) for name, number in DEVICES.items()]
    files += [archived(path.name, stat.S_IFREG | 0o755, path.read_bytes()) for path in (folder / "init", agent)]
    (folder / "initramfs").write_bytes(b"".join([*files, archived("TRAILER!!!", 0)]))
    return bundle, folder / "initramfs"


def archived(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """A file of a cpio archive as Linux takes it (Documentation/driver-api/early-userspace/buffer-format.rst)."""
    named = name.encode() + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(named), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + named
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


@contextmanager
def booting(initramfs: Path, port: str, console: str) -> Iterator[PtyCable]:
    """A machine whose agent works on a port, with a cable to that. console: where its kernel writes."""
    with ExitStack() as stack:
        cable = stack.enter_context(PtyCable(Faults()))
        command = [EMULATOR, "-M", "virt", "-cpu", "cortex-a72", "-m", "256", "-nodefaults", "-display", "none"]
        command += ["-kernel", os.environ[KERNEL], "-initrd", str(initramfs)]
        command += ["-append", f"console={console} -- /dev/{port}"]
        command += ["-chardev", f"serial,id=cable,path={cable.board_path}"]
        on_pci = ["-serial", "null", "-device", "pci-serial,chardev=cable"]
        command += ["-serial", "chardev:cable"] if port == PL011 else on_pci
        process: subprocess.Popen[str] = stack.enter_context(agent_process(command))
        yield cable
        assert process.poll() is None


def wait_for_line(url: str, line: bytes) -> bytes:
    """What comes over a cable up to a line. Nothing is sent: a PL011 of QEMU 7.2 that was asked again and again before
    Linux opened it hears nothing afterwards, either."""
    text, deadline = b"", time.monotonic() + BOOT_S
    with closing(SerialPort(url)) as port:
        while line not in text:
            assert time.monotonic() < deadline, text
            text += port.read(1.0)
    return text


def wait_for_agent(url: str) -> list[str]:
    """What an impatient user is told meanwhile."""
    said, deadline = [], time.monotonic() + BOOT_S
    while True:
        try:
            opened(url, patience_s=2.0).close()
            return said
        except NoBoardError as error:
            said.append(str(error))
            assert time.monotonic() < deadline, said


def validated(bundle: Path, url: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `validate` says of a machine that is up."""
    capsys.readouterr()
    assert main(["validate", str(bundle), "--board", url, "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["passes"] is True
    assert told["board"]["features"] == "neon"
    assert told["link"]["reconnects"] == told["link"]["resets"] == 0
    return told


def kernel_lines(told: dict[str, Any]) -> list[str]:
    return [line for line in told["console"] if SENSOR in line]


def test_the_port_is_the_kernels_console(system: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, initramfs = system
    with booting(initramfs, PL011, PL011) as cable:
        text = wait_for_line(cable.host_url, SENSOR.encode())
        told = validated(bundle, cable.host_url, capsys)
    assert b"Booting Linux" in text
    assert kernel_lines(told)


def test_a_host_that_asks_from_power_on(system: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, initramfs = system
    with booting(initramfs, PCI, PCI) as cable:
        impatient = wait_for_agent(cable.host_url)
        told = validated(bundle, cable.host_url, capsys)
    assert any("where something says" in each and "[    " in each for each in impatient), impatient
    assert kernel_lines(told)


def test_a_port_of_the_agents_own(system: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    bundle, initramfs = system
    with booting(initramfs, PCI, PL011) as cable:
        wait_for_agent(cable.host_url)
        told = validated(bundle, cable.host_url, capsys)
    assert told["console"] == []
    assert told["link"]["retransmits"] == 0
