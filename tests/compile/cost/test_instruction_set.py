"""T32 instructions, of two and of four bytes, and which of them are branches; A64's are in the tests of counts."""

from __future__ import annotations

import pytest

from compile.cost.instruction_set import A64, T32

BRANCHES = {
    "fee7": "b",
    "fdd1": "bne",
    "fff7fcbf": "b.w",
    "7ff4faaf": "bne.w",
    "fff7f8ff": "bl",
    "7047": "bx lr",
    "9847": "blx r3",
    "10bd": "pop {r4, pc}",
    "bde81081": "pop.w {r4, r8, pc}",
    "30e90280": "ldmdb r0!, {r1, pc}",
    "08b1": "cbz r0",
    "00b9": "cbnz r0",
    "dfe800f0": "tbb [pc, r0]",
    "dfe810f0": "tbh [pc, r0, lsl #1]",
    "d0f800f0": "ldr.w pc, [r0]",
    "5df804fb": "ldr pc, [sp], #4",
    "8746": "mov pc, r0",
    "8744": "add pc, r0",
    "00df": "svc #0",
    "abbe": "bkpt #0xab",
    "40f001c0": "wls lr, r0",
    "0ff013c0": "le lr",
    "20f001c0": "wlstp.32 lr, r0",
    "1ff019c0": "letp lr",
}
STRAIGHT_ON = {
    "40f001e0": "dls lr, r0",
    "20f001e0": "dlstp.32 lr, r0",
    "18bf": "it ne",
    "0846": "mov r0, r1",
    "00bf": "nop",
    "aff30080": "nop.w",
    "bff34f8f": "dsb sy",
    "80f30088": "msr apsr_nzcvq, r0",
    "eff30080": "mrs r0, apsr",
    "48f20000": "movw r0, #0x8000",
    "4ff48070": "mov.w r0, #0x100",
    "01f10400": "add.w r0, r1, #4",
    "0138": "subs r0, #1",
    "8046": "mov r8, r0",
    "8044": "add r8, r0",
    "10b5": "push {r4, lr}",
    "2de91041": "push.w {r4, r8, lr}",
    "10bc": "pop {r4}",
    "06c8": "ldm r0!, {r1, r2}",
    "d0f80070": "ldr.w r7, [r0]",
    "d2e90001": "ldrd r0, r1, [r2]",
    "0148": "ldr r0, [pc, #4]",
    "a0ee810a": "vfma.f32 s0, s1, s2",
    "90ed000a": "vldr s0, [r0]",
    "33ee420e": "vfma.f32 q0, q1, r2",
    "90ed001f": "vldrw.u32 q0, [r0]",
    "71fe4d0f": "vpst",
}


@pytest.mark.parametrize("code", BRANCHES, ids=BRANCHES.values())
def test_branches(code: str) -> None:
    assert T32.is_branch(bytes.fromhex(code))


@pytest.mark.parametrize("code", STRAIGHT_ON, ids=STRAIGHT_ON.values())
def test_what_goes_straight_on(code: str) -> None:
    assert not T32.is_branch(bytes.fromhex(code))


def test_code_is_cut_into_its_instructions() -> None:
    parts = [bytes.fromhex(code) for code in (*BRANCHES, *STRAIGHT_ON)]
    assert {len(part) for part in parts} == {2, 4}
    assert list(T32.instructions(b"".join(parts))) == parts
    assert A64.instructions(bytes(range(8))) == (bytes(range(4)), bytes(range(4, 8)))


def test_an_instruction_that_is_cut_off_stays_the_last() -> None:
    assert T32.instructions(bytes.fromhex("00bfa0ee")) == (bytes.fromhex("00bf"), bytes.fromhex("a0ee"))
    assert T32.instructions(b"") == ()
