"""Which function an address belongs to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from compile.cost import symbols
from compile.cost.symbols import UNKNOWN
from isp.errors import InputError

FUNCTIONS = """
.macro function name
.global \\name
.type \\name, %function
\\name:
    nop
    ret
.size \\name, . - \\name
.endm
function first
    nop
function second
.section .text.apart, "ax"
function apart
.data
.global value
.type value, %object
value: .word 1
.text
.global _start
_start: nop
"""


def test_addresses_belong_to_functions(assemble: Callable[..., Path]) -> None:
    table = symbols.read(assemble(FUNCTIONS))
    at = {function.name: function.start for function in table.functions}
    assert set(at) == {"first", "second", "apart"}
    for name, start in at.items():
        assert [table.name_at(start + offset) for offset in (0, 4, 7)] == [name] * 3
    assert table.name_at(at["first"] + 8) == UNKNOWN
    assert table.name_at(min(at.values()) - 4) == UNKNOWN


def test_an_object_has_names_of_all_its_sections_but_no_addresses(assemble: Callable[..., Path]) -> None:
    """In an object the first functions of two sections have the same address."""
    compiled = assemble(FUNCTIONS, "-c")
    assert symbols.names(compiled) == {"first", "second", "apart"}
    with pytest.raises(InputError, match="an object file, not yet linked"):
        symbols.read(compiled)


def test_a_stripped_program_names_nothing(assemble: Callable[..., Path]) -> None:
    program = assemble(FUNCTIONS)
    if (strip := shutil.which("aarch64-linux-gnu-strip")) is None:
        pytest.skip("aarch64-linux-gnu-strip is not on the PATH")
    subprocess.run([strip, str(program)], check=True)
    assert symbols.read(program).functions == ()


def test_what_is_no_program_is_refused(tmp_path: Path, assemble: Callable[..., Path]) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(InputError, match="not a little-endian ELF file"):
        symbols.read(text)
    with pytest.raises(InputError, match="No such file"):
        symbols.read(tmp_path / "none")
    whole = assemble(FUNCTIONS).read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="a damaged ELF file"):
        symbols.read(text)


def test_the_bit_that_marks_t32_code_is_no_part_of_an_address(tmp_path: Path) -> None:
    """A program of 32 bits."""
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not on the PATH")
    source, program = tmp_path / "t32.S", tmp_path / "t32"
    text = FUNCTIONS.replace("    ret\n", "    bx lr\n")
    source.write_text(text.replace("_start: nop", ".thumb_func\n.type _start, %function\n_start: nop"))
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-nostdlib", "-static", str(source)]
    subprocess.run([*command, "-o", str(program)], check=True)
    table = symbols.read(program)
    assert {function.name for function in table.functions} == {"_start", "apart", "first", "second"}
    assert [function.start % 2 for function in table.functions] == [0] * 4
    for function in table.functions:
        assert table.name_at(function.start) == function.name
    subprocess.run([*command, "-c", "-o", str(program)], check=True)
    assert symbols.names(program) >= {"first", "second", "apart"}
