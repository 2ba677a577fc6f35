"""Finding compilers and emulators, building with them, and what is said when they fail or are missing."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from targets import toolchain
from targets.descriptions import Target, host, load
from targets.toolchain import Compiler, ToolchainError, find_compiler, missing_compiler_message, run_prefix

LIBRARY = """
#include <math.h>
#include <string.h>
#include "triple.h"
float triple(float x) { float y; memcpy(&y, &x, sizeof y); return 3 * floorf(sqrtf(y)); }
"""
PROGRAM = """
#include <stdio.h>
#include "triple.h"
int main(int argc, char **argv) {
    (void)argv;
    fprintf(stderr, "on stderr\\n");
    printf("%g\\n", triple((float)argc + 16.5f));
    return 0;
}
"""
UNDEFINED = "int nowhere(void);\nint asks(void);\nint asks(void) { return nowhere(); }\n"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    (folder / "include").mkdir(parents=True)
    (folder / "include" / "triple.h").write_text("float triple(float x);\n")
    (folder / "triple.c").write_text(LIBRARY)
    (folder / "main.c").write_text(PROGRAM)
    (folder / "undefined.c").write_text(UNDEFINED)
    (folder / "unused.c").write_text("int f(int x);\nint f(int x) { int unused; return x; }\n")
    return folder


def installed_compiler(target: Target) -> Compiler:
    if not any(shutil.which(name) for name in target.compilers):
        pytest.skip(missing_compiler_message(target))
    compiler = find_compiler(target)
    assert compiler is not None
    return compiler


def with_zig(target: Target, monkeypatch: pytest.MonkeyPatch) -> Compiler:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda _: None)
        compiler = find_compiler(target)
    assert compiler is not None
    return compiler


def emulated(target: Target) -> list[str]:
    prefix = run_prefix(target)
    if prefix is None:
        pytest.skip(f"nothing here runs programs of {target.name}")
    return prefix


def fake_tool(folder: Path, name: str, body: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def check_build(compiler: Compiler, target: Target, sources: Path, out: Path) -> None:
    """Both kinds of program and the shared library, from the same objects."""
    include = [sources / "include"]
    library, main = compiler.compile_objects([sources / "triple.c", sources / "main.c"], include, out / "obj")
    assert (library, main) == (out / "obj" / "triple.o", out / "obj" / "main.o")
    compiler.link_program([main, library], out / "program")
    compiler.link_shared([library], out / "lib" / "libtriple.so")
    assert left_behind(out) == ["libtriple.so", "main.o", "program", "triple.o"]
    ran = subprocess.run([*emulated(target), out / "program"], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("12\n", "on stderr\n")
    dynamic = subprocess.run(
        ["readelf", "-dW", out / "lib" / "libtriple.so"], capture_output=True, text=True, check=True
    )
    assert "soname: [libtriple.so]" in dynamic.stdout
    needed = [line.split("[")[1].rstrip("]") for line in dynamic.stdout.splitlines() if "NEEDED" in line]
    assert set(needed) <= {"libc.so.6", "libm.so.6"}


@pytest.mark.parametrize("name", ["host", "arm64", "cortex-a76"])
def test_an_installed_compiler_builds_programs_and_libraries(sources: Path, tmp_path: Path, name: str) -> None:
    target = load(name)
    check_build(installed_compiler(target), target, sources, tmp_path / "out")


def test_zig_builds_programs_and_libraries(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load("arm64")
    compiler = with_zig(target, monkeypatch)
    assert compiler.version.startswith("zig 0.")
    check_build(compiler, target, sources, tmp_path / "out")


def test_the_shared_library_loads_here(sources: Path, tmp_path: Path) -> None:
    compiler = installed_compiler(load("host"))
    (compiled,) = compiler.compile_objects([sources / "triple.c"], [sources / "include"], tmp_path)
    compiler.link_shared([compiled], tmp_path / "libtriple.so")
    function = ctypes.CDLL(str(tmp_path / "libtriple.so")).triple
    function.argtypes, function.restype = [ctypes.c_float], ctypes.c_float
    assert function(26.0) == 15.0


def test_a_program_may_use_the_libraries_of_the_system(sources: Path, tmp_path: Path) -> None:
    compiler = installed_compiler(load("host"))
    compiled = compiler.compile_objects([sources / "main.c", sources / "triple.c"], [sources / "include"], tmp_path)
    compiler.link_program(compiled, tmp_path / "program", static=False)
    assert subprocess.run([tmp_path / "program"], capture_output=True, check=True).stdout == b"12\n"
    assert b"/ld-linux" in (tmp_path / "program").read_bytes()


def test_equal_sources_give_equal_objects(sources: Path, tmp_path: Path) -> None:
    compiler = installed_compiler(load("host"))
    for name in ("once", "again"):
        compiler.compile_objects([sources / "triple.c"], [sources / "include"], tmp_path / name)
    assert (tmp_path / "once" / "triple.o").read_bytes() == (tmp_path / "again" / "triple.o").read_bytes()


def test_a_warning_is_an_error_that_says_what_the_compiler_said(sources: Path, tmp_path: Path) -> None:
    compiler = installed_compiler(load("host"))
    with pytest.raises(ToolchainError, match=r"failed with status 1:\n.*unused\.c(.|\n)*unused variable") as failure:
        compiler.compile_objects([sources / "unused.c"], [], tmp_path / "out")
    assert failure.value.exit_code == 2
    assert left_behind(tmp_path / "out") == []


def test_a_shared_library_with_undefined_symbols_is_refused(sources: Path, tmp_path: Path) -> None:
    compiler = installed_compiler(load("host"))
    compiled = compiler.compile_objects([sources / "undefined.c"], [], tmp_path / "obj")
    with pytest.raises(ToolchainError, match="undefined reference to `nowhere'"):
        compiler.link_shared(compiled, tmp_path / "out" / "libundefined.so")
    assert left_behind(tmp_path / "out") == []


def test_the_first_compiler_of_the_description_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = load("arm64")
    first, second = target.compilers
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_tool(tmp_path, second, "echo 'gcc 9.8.7 (second)'; echo 'Copyright'")
    found = find_compiler(target)
    assert found is not None
    assert found.command == (second, *target.compiler_flags)
    assert found.version == "gcc 9.8.7 (second)"
    fake_tool(tmp_path, first, "echo 'gcc 1.2.3 (first)'")
    found = find_compiler(target)
    assert found is not None
    assert found.version == "gcc 1.2.3 (first)"


def test_without_any_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    target = load("arm64")
    assert find_compiler(target) is None
    message = missing_compiler_message(target)
    for part in ("'arm64'", *target.compilers, "the package gcc-aarch64-linux-gnu", "pip install ziglang"):
        assert part in message


def test_zig_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ziglang").mkdir()
    (tmp_path / "ziglang" / "__init__.py").write_text("")
    (tmp_path / "ziglang" / "__main__.py").write_text("print('0.0.1')\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.syspath_prepend(str(tmp_path))
    found = find_compiler(load("cortex-a55"))
    assert found is not None
    assert found.version == "zig 0.0.1"
    zig = (sys.executable, "-m", "ziglang", "cc", "-target")
    assert found.command == (*zig, "aarch64-linux-gnu", "-mcpu=cortex_a55")
    assert found.static_command == (*zig, "aarch64-linux-musl", "-mcpu=cortex_a55")


def test_a_compiler_that_only_fails_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load("arm64")
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_tool(tmp_path, target.compilers[0], "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i >&2; done; exit 7")
    with pytest.raises(ToolchainError) as failure:
        find_compiler(target)
    assert str(failure.value).splitlines()[:2] == [f"{target.compilers[0]} failed with status 7:", "line 1"]
    assert len(str(failure.value).splitlines()) < 12


def test_a_compiler_that_is_gone_is_reported(sources: Path, tmp_path: Path) -> None:
    gone = Compiler(("gone-gcc",), ("gone-gcc",), "1", load("arm64").operating_system)
    with pytest.raises(ToolchainError, match="gone-gcc cannot be started: No such file"):
        gone.compile_objects([sources / "triple.c"], [], tmp_path / "out")


@pytest.mark.parametrize(("name", "independent"), [("arm64", True), ("cortex-m55", False)])
def test_code_is_position_independent_where_libraries_are_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, independent: bool
) -> None:
    target = load(name)
    log = tmp_path / "arguments"
    fake_tool(tmp_path / "bin", target.compilers[0], f'echo "$@" > {log}; for last; do true; done; : > "$last"')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    command = (target.compilers[0], *target.compiler_flags)
    compiler = Compiler(command, command, "1", target.operating_system)
    compiler.compile_objects([tmp_path / "a.c"], [tmp_path / "include"], tmp_path / "out")
    arguments = log.read_text().split()
    assert ("-fPIC" in arguments) is independent
    assert {*target.compiler_flags, "-std=c99", "-Werror", f"-I{tmp_path / 'include'}", "-c"} <= set(arguments)


def test_programs_of_this_machine_need_no_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert run_prefix(load("host")) == []


def test_other_programs_need_the_emulator_of_their_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load("cortex-a72")
    monkeypatch.setattr(toolchain, "load", lambda _: host("x86_64", "Linux", frozenset()))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_prefix(target) is None
    fake_tool(tmp_path, "qemu-aarch64", "")
    assert run_prefix(target) == ["qemu-aarch64", "-cpu", "cortex-a72"]
    assert run_prefix(load("cortex-m55")) is None


@pytest.mark.parametrize(
    ("name", "native"), [("arm64", True), ("cortex-a53", False), ("cortex-a76", False), ("cortex-m55", False)]
)
def test_an_arm_machine_runs_what_it_surely_can(monkeypatch: pytest.MonkeyPatch, name: str, native: bool) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(toolchain, "load", lambda _: host("aarch64", "Linux", frozenset({"asimdhp"})))
    assert (run_prefix(load(name)) == []) is native


def test_features_that_the_machine_may_lack_need_the_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(toolchain, "load", lambda _: host("aarch64", "Linux", frozenset()))
    adapter = TypeAdapter(Target)
    content = adapter.dump_python(load("arm64"), mode="json") | {"features": ["+neon", "+fullfp16"]}
    assert run_prefix(adapter.validate_json(TypeAdapter(dict).dump_json(content))) is None


def test_a_machine_that_is_not_known_still_has_emulators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setenv("PATH", str(tmp_path))
    fake_tool(tmp_path, "qemu-aarch64", "")
    assert run_prefix(load("arm64")) == ["qemu-aarch64", "-cpu", "cortex-a53"]
