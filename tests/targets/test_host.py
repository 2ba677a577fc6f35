"""The target `host`: what this and other machines are."""

from __future__ import annotations

import platform
import re
import subprocess
from pathlib import Path

import pytest

from isp.errors import ConfigError
from targets.descriptions import OperatingSystem, Precision, cpu_flags, host, load

# What /proc/cpuinfo lists for two generations of CPUs, as far as it matters here.
HASWELL = frozenset({"fpu", "sse", "sse2", "pni", "ssse3", "fma", "cx16", "sse4_1", "sse4_2", "movbe", "popcnt"}) | {
    "xsave",
    "avx",
    "f16c",
    "lahf_lm",
    "abm",
    "bmi1",
    "avx2",
    "bmi2",
}
SKYLAKE_SP = HASWELL | {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl", "pku"}


@pytest.mark.parametrize(
    ("flags", "cpu", "lanes"),
    [(SKYLAKE_SP, "x86-64-v4", 16), (HASWELL, "x86-64-v3", 8), (frozenset({"sse2", "sse4_2"}), "x86-64", 4)],
)
def test_x86_64_by_its_level(flags: frozenset[str], cpu: str, lanes: int) -> None:
    target = host("x86_64", "Linux", flags)
    assert (target.cpu, target.lanes) == (cpu, {Precision.FLOAT32: lanes})
    assert target.triple == "x86_64-linux-gnu"
    assert target.compiler_flags == (f"-march={cpu}",)


@pytest.mark.parametrize("lacking", ["avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"])
def test_part_of_avx512_is_not_enough(lacking: str) -> None:
    assert host("x86_64", "Linux", SKYLAKE_SP - {lacking}).cpu == "x86-64-v3"


@pytest.mark.parametrize("lacking", ["avx2", "fma", "bmi1", "bmi2", "abm", "movbe", "f16c", "popcnt"])
def test_a_masked_instruction_lowers_the_level(lacking: str) -> None:
    assert host("x86_64", "Linux", SKYLAKE_SP - {lacking}).cpu == "x86-64"


def test_arm_has_half_precision_where_vectors_do() -> None:
    with_half = host("aarch64", "Linux", frozenset({"fp", "asimd", "fphp", "asimdhp"}))
    assert with_half.lanes == {Precision.FLOAT32: 4, Precision.FLOAT16: 8}
    assert with_half.features == ("+neon", "+fullfp16")
    assert set(with_half.thresholds) == set(Precision)
    without = host("aarch64", "Linux", frozenset({"fp", "asimd", "fphp"}))
    assert without.lanes == {Precision.FLOAT32: 4}
    assert without.features == ("+neon",)
    assert set(without.thresholds) == {Precision.FLOAT32}


def test_macos() -> None:
    target = host("arm64", "Darwin", frozenset())
    assert target.operating_system is OperatingSystem.MACOS
    assert (target.triple, target.zig_target) == ("aarch64-apple-darwin", "aarch64-macos")


@pytest.mark.parametrize(("machine", "system"), [("riscv64", "Linux"), ("x86_64", "FreeBSD")])
def test_other_machines_are_refused(machine: str, system: str) -> None:
    with pytest.raises(ConfigError, match=f"this machine is {machine} with {system}"):
        host(machine, system, frozenset())


def test_flags_are_those_that_every_core_has(tmp_path: Path) -> None:
    facts = tmp_path / "cpuinfo"
    facts.write_text(
        "processor\t: 0\nFeatures\t: fp asimd asimdhp\nCPU part\t: 0xd05\n\n"
        "processor\t: 4\nFeatures\t: fp asimd aes\nCPU part\t: 0xd09\n"
    )
    assert cpu_flags(facts) == {"fp", "asimd"}
    facts.write_text("processor\t: 0\nflags\t\t: fpu avx2\nbugs\t\t: spectre_v1\n")
    assert cpu_flags(facts) == {"fpu", "avx2"}


def test_no_flags_are_known_without_the_file(tmp_path: Path) -> None:
    assert cpu_flags(tmp_path / "cpuinfo") == frozenset()


def test_this_machine_is_at_the_level_that_glibc_finds() -> None:
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    if platform.machine() != "x86_64" or not loader.exists():
        pytest.skip("glibc tells the level of x86-64 machines only")
    text = subprocess.run([loader, "--help"], capture_output=True, text=True, timeout=30, check=True).stdout
    supported = re.findall(r"^\s*(x86-64-v[34]) \(supported", text, re.MULTILINE)
    if "x86-64-v" not in text:
        pytest.skip("this glibc doesn't tell the level")
    assert load("host").cpu == max(supported, default="x86-64")
