"""Small programs of 64-bit Arm, and the tools that count what they execute."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"


@pytest.fixture
def assemble(tmp_path: Path) -> Callable[..., Path]:
    """Makes a static program, or with "-c" an object, of assembly text."""
    if shutil.which(COMPILER) is None:
        pytest.skip(f"{COMPILER} is not on the PATH")

    def make(text: str, *options: str) -> Path:
        source, program = tmp_path / "program.S", tmp_path / "program"
        source.write_text(text)
        subprocess.run([COMPILER, "-nostdlib", "-static", *options, str(source), "-o", str(program)], check=True)
        return program

    return make


@pytest.fixture
def qemu() -> list[str]:
    if shutil.which(QEMU) is None or shutil.which("cc") is None:
        pytest.skip(f"{QEMU} or a C compiler is not on the PATH")
    return [QEMU, "-cpu", "cortex-a72"]


@pytest.fixture
def llvm() -> None:
    if shutil.which("llvm-mca-19") is None:
        pytest.skip("llvm-mca-19 is not on the PATH")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is made once is made once for all tests."""
    return tmp_path_factory.mktemp("cache") / "cost, made once"
