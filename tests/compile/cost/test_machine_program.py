"""Programs on emulated Cortex-M machines: counted exactly, and ended by what they return or by a fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from compile.cost import machine_program, symbols
from compile.cost.block_counts import BlockCount, count_blocks
from compile.cost.instruction_set import T32
from compile.cost.program_cost import executed_instructions, measure
from targets.descriptions import load
from targets.machines import EMULATOR, Machine, load_machine
from targets.toolchain import ToolchainError, find_compiler

MACHINES = ("mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")
Build = Callable[[Machine, str], Path]

LOOP = """
int main(void);
void fan_k_counted(void);
__attribute__((naked)) void fan_k_counted(void)
{
    __asm__ volatile("movw r0, #1000\\n"
                     "1:\\n"
                     "vfma.f32 s0, s1, s2\\n"
                     "subs r0, #1\\n"
                     "bne 1b\\n"
                     "bx lr\\n");
}
int main(void) { fan_k_counted(); return 0; }
"""
PAGE = 4096
OVER_A_PAGE = LOOP.replace('"vfma', '".rept 1500\\nadd.w r1, r1, #4\\n.endr\\n.rept 1501\\nadds r1, #4\\n.endr\\nvfma')


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def made(machine: Machine, source: str) -> Path:
        target = load(machine.target)
        if not any(map(shutil.which, target.compilers)) or shutil.which(EMULATOR) is None or not shutil.which("cc"):
            pytest.skip(f"needs {target.install_hint}, {EMULATOR} and a C compiler for this machine")
        compiler = find_compiler(target)
        assert compiler is not None
        (tmp_path / "main.c").write_text(source)
        objects = compiler.compile_objects([tmp_path / "main.c"], [], tmp_path)
        machine_program.link(machine, compiler, objects, tmp_path / "program")
        return tmp_path / "program"

    return made


def blocks_of(machine: Machine, program: Path, cache: Path) -> list[BlockCount]:
    functions = symbols.read(program)
    counted = count_blocks(machine_program.command_prefix(machine), program, [], cache, T32)
    return [block for block in counted if functions.name_at(block.address) == "fan_k_counted"]


@pytest.mark.parametrize("name", MACHINES)
def test_a_loop_is_counted_exactly(build: Build, cache: Path, name: str) -> None:
    machine = load_machine(name)
    found = blocks_of(machine, build(machine, LOOP), cache)
    assert [(block.instructions, block.executions) for block in found] == [(1, 1), (3, 1000), (1, 1)]
    assert [len(block.code) for block in found] == [4, 8, 2]


def test_a_loop_over_the_borders_of_pages_is_one_block(build: Build, cache: Path) -> None:
    """Of instructions of both lengths, some of them on both sides of a border."""
    machine = load_machine("mps2-an386")
    found = blocks_of(machine, build(machine, OVER_A_PAGE), cache)
    assert [(block.instructions, block.executions) for block in found] == [(1, 1), (3004, 1000), (1, 1)]
    assert len(found[1].code) == 1500 * 4 + 1501 * 2 + 10 > 2 * PAGE


@pytest.mark.parametrize(("shift", "crossing"), [(0, "00f10400"), (2, "0430")])
def test_what_follows_an_instruction_at_the_end_of_a_page_is_not_its_own(
    build: Build, cache: Path, shift: int, crossing: str
) -> None:
    """QEMU looks ahead there: at one that crosses the border, and at one that does not."""
    before = f".p2align 12\\n.space {PAGE - 8 - shift}\\n"
    body = "nop\\n" * ((6 + shift) // 2) + f".inst.{'w' if len(crossing) == 8 else 'n'} "
    word = bytes.fromhex(crossing)
    halves = [int.from_bytes(word[at : at + 2], "little") for at in range(0, len(word), 2)]
    number = halves[0] if len(halves) == 1 else halves[0] << 16 | halves[1]
    source = f"""
    int main(void);
    void fan_k_counted(void);
    __asm__("{before}.thumb_func\\n.global fan_k_counted\\n.type fan_k_counted, %function\\nfan_k_counted:\\n"
            "{body}{number:#x}\\nnop\\nbx lr\\n.size fan_k_counted, . - fan_k_counted\\n");
    int main(void) {{ fan_k_counted(); return 0; }}
    """
    machine = load_machine("mps2-an386")
    (block,) = blocks_of(machine, build(machine, source), cache)
    assert block.code.hex() == "00bf" * ((6 + shift) // 2) + crossing + "00bf7047"
    assert block.executions == 1


def test_low_overhead_loops_are_counted(build: Build, cache: Path) -> None:
    machine = load_machine("mps3-an547")
    source = LOOP.replace("subs r0, #1", "nop").replace("bne 1b", "le lr, 1b").replace("bx lr", "bx r3")
    source = source.replace('"1:', '"mov r3, lr\\ndls lr, r0\\n1:')
    found = blocks_of(machine, build(machine, source), cache)
    assert [(block.instructions, block.executions) for block in found] == [(3, 1), (3, 1000), (1, 1)]


@pytest.mark.usefixtures("llvm")
def test_kernels_have_cycles_and_instructions(build: Build, cache: Path) -> None:
    machine = load_machine("mps2-an386")
    program, prefix = build(machine, LOOP), machine_program.command_prefix(machine)
    cost = measure(prefix, program, [], "cortex-m4", cache)
    assert {name: one.instructions for name, one in cost.by_symbol.items()} == {"fan_k_counted": 3002}
    # A multiply-accumulate takes the Cortex-M4 three cycles, what follows it one each.
    assert cost.cycles == pytest.approx(5000, rel=0.01)
    assert executed_instructions(prefix, program, [], T32, cache)["fan_k_counted"] == 3002


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("body", ["return 1;", '__asm__ volatile("udf #0"); return 0;'], ids=["returned", "faulted"])
def test_a_program_that_fails_is_noticed(build: Build, cache: Path, name: str, body: str) -> None:
    machine = load_machine(name)
    program = build(machine, f"int main(void); int main(void) {{ {body} }}")
    with pytest.raises(ToolchainError, match=rf"{EMULATOR} failed with status 1"):
        count_blocks(machine_program.command_prefix(machine), program, [], cache, T32)


def test_a_missing_emulator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_program.shutil, "which", lambda _: None)
    with pytest.raises(ToolchainError, match=rf"{EMULATOR}, which emulates mps2-an386.*apt-get install"):
        machine_program.command_prefix(load_machine("mps2-an386"))
