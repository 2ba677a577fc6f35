"""A 64-bit Arm Python with packages of its own, in a folder, for running peers under QEMU on another machine.

It is Debian's, unpacked and not installed, beside wheels from PyPI: nothing on this machine changes. It needs the
commands apt-get and dpkg.

What an engine finds out about the core comes from QEMU's model of it and from /proc/cpuinfo, which QEMU passes on from
this machine unless the folder that it takes for the root has one. So there is such a folder for each core: engines
choose the kernels that they have for it. Without it, ONNX Runtime ends at its import by a segmentation fault.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isp.errors import ConfigError
from targets.toolchain import ToolchainError

EMULATOR: Final = "qemu-aarch64"
_PYTHON: Final = "usr/bin/python3.11"
_VERSION: Final = "311"
_RELEASE: Final = "deb [signed-by={key}] http://deb.debian.org/debian bookworm main"
_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DEBIAN: Final = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libstdc++6", "libgcc-s1"),
    *("libexpat1", "zlib1g", "libssl3", "libffi8", "libbz2-1.0", "liblzma5"),
)
_WHEELS: Final = ("numpy==2.4.6", "ncnn==1.0.20261020", "executorch==1.5.1", "onnxruntime==1.32.0")
_PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_24_aarch64")
_SHOWN_LINES: Final = 4
_CPUINFO: Final = """\
processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x1
CPU part\t: {part:#05x}
CPU revision\t: 0

"""


@dataclass(frozen=True)
class Core:
    """What programs are told they run on. model: QEMU's. part: Arm's number of the core, as Linux tells it."""

    name: str
    model: str
    part: int


# QEMU has a cortex-a55 from 8.1 on only; the instructions of this model are the same.
CORES: Final = (
    Core("cortex-a55", "cortex-a76", 0xD05),
    Core("cortex-a72", "cortex-a72", 0xD08),
    Core("cortex-a76", "cortex-a76", 0xD0B),
)
ANY: Final = Core("any core", "cortex-a72", 0xFFF)
"""None that an engine knows: it chooses kernels that run on all cores."""


@dataclass(frozen=True)
class ArmPython:
    """The folder that `prepare` filled."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "root" / _PYTHON

    def root_on(self, core: Core) -> Path:
        """The folder that is the root for programs on a core."""
        return self.folder / "on" / core.name.replace(" ", "-")

    def command_prefix(self, core: Core) -> tuple[str, ...]:
        """What runs it: QEMU with its libraries and packages, in surroundings that are the same every time."""
        settings = {
            "PYTHONPATH": str(self.folder / "site"),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment = [part for name, value in settings.items() for part in ("-E", f"{name}={value}")]
        return (EMULATOR, "-cpu", core.model, "-L", str(self.root_on(core)), *environment)


def find(folder: Path) -> ArmPython:
    """What `prepare` made. Raises ConfigError if it is not there."""
    python = ArmPython(folder.absolute())
    if not python.program.exists() or not (folder / "site").is_dir() or not (folder / "on").is_dir():
        raise ConfigError(
            f"{folder}: no peers", remedy=f"prepare them with: python -m benchmarks.arm_cost --prepare-peers {folder}"
        )
    return python


def prepare(folder: Path) -> None:
    """Downloads and unpacks all of it, some 80 MB. Raises ToolchainError where a command fails."""
    if not _KEYS.exists():
        raise ToolchainError(f"{_KEYS} is missing", remedy="install the package debian-archive-keyring")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fan-arm-python-") as name:
        work = Path(name)
        for package in _debian_packages(work):
            _run(["dpkg", "-x", str(package), str(folder / "root")], work)
        platforms = [part for platform in _PLATFORMS for part in ("--platform", platform)]
        fixed = ["--no-deps", "--only-binary=:all:", "--python-version", _VERSION, *platforms]
        _run([sys.executable, "-m", "pip", "download", "-q", *fixed, "-d", str(work), *_WHEELS], work)
        for wheel in sorted(work.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder / "site")
    for core in (*CORES, ANY):
        make_root(ArmPython(folder), core)


def make_root(python: ArmPython, core: Core) -> None:
    """The unpacked system by links, and files of Linux's that tell of one processor."""
    root = python.root_on(core)
    processors = root / "sys/devices/system/cpu"
    for folder in (root / "proc", processors):
        folder.mkdir(parents=True, exist_ok=True)
    for part in (python.folder / "root").iterdir():
        link = root / part.name
        if not link.is_symlink():
            link.symlink_to(Path("../../root", part.name))
    (root / "proc/cpuinfo").write_text(_CPUINFO.format(part=core.part), encoding="ascii")
    for name in ("possible", "present", "online"):
        (processors / name).write_text("0\n", encoding="ascii")


def _debian_packages(work: Path) -> list[Path]:
    """Downloads with a list of packages of its own, so that this machine's is left alone."""
    for part in ("lists/partial", "archives/partial"):
        (work / part).mkdir(parents=True)
    (work / "status").touch()
    (work / "sources.list").write_text(_RELEASE.format(key=_KEYS) + "\n", encoding="ascii")
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
        "Dir::State": str(work),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work),
        "Dir::Etc::sourcelist": str(work / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    _run(["apt-get", *options, "-q", "update"], work)
    _run(["apt-get", *options, "-q", "download", *_DEBIAN], work)
    return sorted(work.glob("*.deb"))


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=folder)
    except OSError as error:
        raise ToolchainError(f"{command[0]} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise ToolchainError("\n".join([f"{command[0]} failed with status {done.returncode}:", *said[-_SHOWN_LINES:]]))
