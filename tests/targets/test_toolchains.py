"""The descriptions against the tools that they are for: TVM's LLVM, C compilers, QEMU."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from targets.descriptions import Target, host, load, names

EMULATED = tuple(name for name in names() if load(name).emulator)
MACHINES = {
    "x86-64 on macOS": host("x86_64", "Darwin", frozenset()),
    "Arm on macOS": host("arm64", "Darwin", frozenset()),
    "Arm with half precision": host("aarch64", "Linux", frozenset({"asimdhp"})),
}
INSTRUCTION = {
    "+neon": "fmul v0.4s, v0.4s, v0.4s",
    "+fullfp16": "fmul v0.8h, v0.8h, v0.8h",
    "+dotprod": "udot v0.4s, v0.16b, v0.16b",
}
"""Of each feature of the emulated targets, an instruction that only a core with it can run."""


@pytest.fixture(scope="module")
def tvm() -> Any:
    return pytest.importorskip("tvm", reason="apache-tvm is not installed (pip install 'fan-isp[compile]')")


@pytest.mark.parametrize(
    "target", [*map(load, names()), *MACHINES.values()], ids=lambda target: f"{target.name}-{target.triple}"
)
def test_tvm_knows_the_core_and_its_features(tvm: Any, target: Target) -> None:
    # TVM itself takes any text here and only warns when it compiles, so LLVM is asked.
    assert tvm.target.codegen.llvm_is_valid_cpu(target.cpu, target.triple)
    float_abi = {} if target.float_abi is None else {"mfloat-abi": target.float_abi}
    options = {"mtriple": target.triple, "mcpu": target.cpu, "mattr": list(target.features)}
    features = tvm.target.codegen.llvm_get_cpu_features(tvm.target.Target({"kind": "llvm", **options, **float_abi}))
    for feature in target.features:
        assert (feature[1:] in features) == feature.startswith("+"), feature


@pytest.mark.parametrize("name", names())
def test_the_compiler_takes_the_flags(tmp_path: Path, name: str) -> None:
    target = load(name)
    (tmp_path / "a.c").write_text("float twice(float x) { return 2 * x; }\n")
    command = [_compiler(target), *target.compiler_flags, "-ffreestanding", "-c", "a.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", EMULATED)
def test_the_emulator_runs_the_features_of_the_core(tmp_path: Path, name: str) -> None:
    target = load(name)
    assert target.features
    for feature in target.features:
        assert _run(tmp_path, target, target.compiler_flags, INSTRUCTION[feature]) == 0, feature


@pytest.mark.parametrize("name", EMULATED)
def test_the_emulator_refuses_features_that_the_core_lacks(tmp_path: Path, name: str) -> None:
    target = load(name)
    for feature in INSTRUCTION.keys() - set(target.features):
        code = _run(tmp_path, target, ("-march=armv8.2-a+fp16+dotprod",), INSTRUCTION[feature])
        assert code == -signal.SIGILL, feature


def _compiler(target: Target) -> str:
    for compiler in target.compilers:
        if shutil.which(compiler):
            return compiler
    pytest.skip(f"none of {', '.join(target.compilers)} is installed (Debian: {target.install_hint})")


def _run(folder: Path, target: Target, flags: tuple[str, ...], instruction: str) -> int:
    """What the emulator returns for a Linux program of that one instruction, which then exits with 0."""
    assert target.emulator is not None
    if not shutil.which(target.emulator.program):
        pytest.skip(f"{target.emulator.program} is not installed (Debian: {target.emulator.install_hint})")
    source = f'void _start(void) {{ __asm__ volatile("{instruction}\\nmov x0, #0\\nmov x8, #93\\nsvc #0"); }}\n'
    (folder / "a.c").write_text(source)
    build = [_compiler(target), *flags, "-nostdlib", "-static", "-o", "a.out", "a.c"]
    subprocess.run(build, cwd=folder, capture_output=True, timeout=60, check=True)
    run = [target.emulator.program, "-cpu", target.emulator.cpu, "./a.out"]
    return subprocess.run(run, cwd=folder, capture_output=True, timeout=60, check=False).returncode
