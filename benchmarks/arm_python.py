"""A 64-bit Arm Python with packages of its own, in a folder, for running peers under QEMU on another machine.

It is Debian's, unpacked and not installed, beside wheels from PyPI: nothing on this machine changes. It needs the
commands apt-get and dpkg.
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

from compile.errors import ToolchainError
from isp.errors import ConfigError

EMULATOR: Final = ("qemu-aarch64", "-cpu", "cortex-a72")
_PYTHON: Final = "usr/bin/python3.11"
_VERSION: Final = "311"
_RELEASE: Final = "deb [signed-by={key}] http://deb.debian.org/debian bookworm main"
_KEYS: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_DEBIAN: Final = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libstdc++6", "libgcc-s1"),
    *("libexpat1", "zlib1g", "libssl3", "libffi8", "libbz2-1.0", "liblzma5"),
)
_WHEELS: Final = ("numpy==2.4.6", "ncnn==1.0.20261020")
_PLATFORMS: Final = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_24_aarch64")
_SHOWN_LINES: Final = 4


@dataclass(frozen=True)
class ArmPython:
    """The folder that `prepare` filled."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / "root" / _PYTHON

    @property
    def command_prefix(self) -> tuple[str, ...]:
        """What runs it: QEMU with its libraries and packages, in surroundings that are the same every time."""
        settings = {
            "PYTHONPATH": str(self.folder / "site"),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        environment = [part for name, value in settings.items() for part in ("-E", f"{name}={value}")]
        return (*EMULATOR, "-L", str(self.folder / "root"), *environment)


def find(folder: Path) -> ArmPython:
    """What `prepare` made. Raises ConfigError if it is not there."""
    python = ArmPython(folder.absolute())
    if not python.program.exists() or not (folder / "site").is_dir():
        raise ConfigError(
            f"{folder}: no peers", remedy=f"prepare them with: python -m benchmarks.arm_cost --prepare-peers {folder}"
        )
    return python


def prepare(folder: Path) -> None:
    """Downloads and unpacks all of it, about 100 MB. Raises ToolchainError where a command fails."""
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
