"""Cycles of basic blocks, and their text, by LLVM."""

from __future__ import annotations

from pathlib import Path

import pytest

from compile.cost import machine_code, machine_cycles
from compile.cost.instruction_set import T32
from compile.cost.machine_code import Kind, disassembled, kind_of
from compile.cost.machine_cycles import cycles_per_block
from isp.errors import ConfigError
from targets.toolchain import ToolchainError

pytestmark = pytest.mark.usefixtures("llvm")


def fmla(total: int) -> bytes:
    """fmla vN.4s, v30.4s, v31.4s"""
    return (0x4E20CC00 | 31 << 16 | 30 << 5 | total).to_bytes(4, "little")


INDEPENDENT = b"".join(fmla(total) for total in range(16))
CHAIN = fmla(0) * 16
UNKNOWN = bytes.fromhex("ffffffff")


@pytest.mark.parametrize(("core", "cycles"), [("cortex-a55", 8), ("cortex-a72", 16), ("cortex-a76", 8)])
def test_independent_products_take_what_the_vector_units_allow(core: str, cycles: float, cache: Path) -> None:
    """Two a cycle on the A76, which LLVM's own choice of a model would miss. On the A55 LLVM allows too many."""
    assert cycles_per_block([INDEPENDENT], core, cache)[INDEPENDENT] == pytest.approx(cycles, rel=0.03)


@pytest.mark.parametrize("core", ["cortex-a55", "cortex-a72", "cortex-a76"])
def test_a_chain_waits_for_each_of_its_products(core: str, cache: Path) -> None:
    cycles = cycles_per_block([INDEPENDENT, CHAIN], core, cache)
    assert cycles[CHAIN] > 1.9 * cycles[INDEPENDENT]


def test_blocks_of_every_length_are_told_apart(cache: Path) -> None:
    codes = [INDEPENDENT[: 4 * length] * repeats for length in (1, 5, 16) for repeats in (1, 3, 40)]
    together = cycles_per_block(codes, "cortex-a55", cache / "together")
    for code in codes:
        assert cycles_per_block([code], "cortex-a55", cache / f"alone-{len(code)}") == {code: together[code]}


def test_an_unknown_instruction_counts_as_one_that_does_nothing(cache: Path) -> None:
    assert disassembled([fmla(3) + UNKNOWN + fmla(4)]) == {
        fmla(3) + UNKNOWN + fmla(4): ("fmla v3.4s, v30.4s, v31.4s", "nop", "fmla v4.4s, v30.4s, v31.4s")
    }
    assert cycles_per_block([UNKNOWN], "cortex-a55", cache)[UNKNOWN] < 2


def test_a_microcontroller_multiplies_and_adds_one_by_one(cache: Path) -> None:
    """vmul.f32 s0, s1, s2 and vadd.f32 s3, s3, s4; vfma.f32 s0, s1, s2, which takes longer than both."""
    apart, fused = bytes.fromhex("60ee810a71ee821a"), bytes.fromhex("a0ee810a")
    cycles = cycles_per_block([apart, fused], "cortex-m4", cache)
    assert cycles == {apart: pytest.approx(2, rel=0.03), fused: pytest.approx(3, rel=0.03)}
    assert cycles_per_block([apart, fused], "cortex-m33", cache) == cycles


def test_helium_takes_two_cycles_for_four_lanes(cache: Path) -> None:
    """vfma.f32 q0, q1, r2, alone and with le lr, for which there are no times."""
    product, loop = bytes.fromhex("33ee420e"), bytes.fromhex("0ff013c0")
    cycles = cycles_per_block([product, product + loop, loop], "cortex-m55", cache)
    assert cycles[product] == cycles[product + loop] == pytest.approx(2, rel=0.03)
    assert cycles[loop] == 0


def test_what_makes_others_conditional_stands_alone() -> None:
    """it ne, subne r0, #1, then vpst, vaddt.f32 q0, q1, q2, then nop."""
    code = bytes.fromhex("18bf013871fe4d0f02ef440d00bf")
    assert disassembled([code], T32) == {code: ("nop", "subs r0, #1", "nop", "vadd.f32 q0, q1, q2", "nop")}


def test_what_was_found_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cycles_per_block([CHAIN], "cortex-a72", tmp_path)

    def simulated_again(*_: object) -> None:
        raise AssertionError("simulated again")

    monkeypatch.setattr(machine_cycles, "_simulated", simulated_again)
    assert cycles_per_block([CHAIN], "cortex-a72", tmp_path) == first
    with pytest.raises(AssertionError, match="again"):
        cycles_per_block([CHAIN], "cortex-a76", tmp_path)


def test_an_unknown_core_gets_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model of the core 'cortex-a557'.*did you mean 'cortex-a55'"):
        cycles_per_block([CHAIN], "cortex-a557", tmp_path)


def test_a_missing_llvm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match=r"llvm-mca is not on the PATH; .*install the package llvm-19"):
        cycles_per_block([CHAIN], "cortex-a72", tmp_path)


def test_an_old_llvm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "llvm-mca"
    program.write_text("#!/bin/sh\necho 'Debian LLVM version 14.0.6'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(machine_code.shutil, "which", lambda name: str(program) if name == "llvm-mca" else None)
    with pytest.raises(ToolchainError, match=r"of LLVM 14\.0\.6; expected LLVM 19 or newer; .*llvm-19"):
        cycles_per_block([CHAIN], "cortex-a72", tmp_path)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fmla v0.4s, v1.4s, v2.s[1]", Kind.FMA),
        ("fmla v0.8h, v1.8h, v2.8h", Kind.FMA),
        ("sdot v0.4s, v1.16b, v2.16b", Kind.FMA),
        ("fmadd s0, s1, s2, s3", Kind.FMA),
        ("fmax v0.4s, v1.4s, v2.4s", Kind.ARITHMETIC),
        ("fsqrt v0.4s, v1.4s", Kind.ARITHMETIC),
        ("add v0.4s, v1.4s, v2.4s", Kind.ARITHMETIC),
        ("scvtf s0, w1", Kind.ARITHMETIC),
        ("ldp q0, q1, [x0], #32", Kind.LOAD),
        ("ld1r { v0.4s }, [x0]", Kind.LOAD),
        ("stp q0, q1, [sp, #32]", Kind.STORE),
        ("movi v0.2d, #0000000000000000", Kind.MOVE),
        ("mov v0.16b, v1.16b", Kind.MOVE),
        ("dup v0.4s, v1.s[0]", Kind.MOVE),
        ("fmov s0, wzr", Kind.MOVE),
        ("b.ne #-64", Kind.BRANCH),
        ("bl #128", Kind.BRANCH),
        ("ret", Kind.BRANCH),
        ("cbz x0, #16", Kind.BRANCH),
        ("bic x0, x1, x2", Kind.ADDRESS),
        ("add x0, x0, #16", Kind.ADDRESS),
        ("mov x0, x1", Kind.ADDRESS),
        ("cmp x0, x1", Kind.ADDRESS),
    ],
)
def test_kinds_of_instructions(text: str, kind: Kind) -> None:
    assert kind_of(text) is kind
