"""Objects made without an assembler: what binutils, linkers and emulators make of them."""

from __future__ import annotations

import contextlib
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compile.elf_object import AARCH64, ARM, X86_64, Machine, defined_symbols, encode, machine_of, write
from isp.errors import ConfigError, InputError

MACHINES = (X86_64, AARCH64, ARM)
SYMBOLS = {"first": b"seven b", "second": struct.pack("<3f", 0.5, -2.25, 3e-5), "third": bytes(range(256))}

PRINTS_THEM = """
#include <stdint.h>
#include <stdio.h>
extern const unsigned char first[7], third[256];
extern const float second[3];
int main(void) {
    unsigned sum = 0;
    for (int i = 0; i < 256; ++i) sum += (unsigned)i * third[i];
    printf("%.7s %g %g %g %u", (const char *)first, second[0], second[1], second[2], sum);
    printf(" %u\\n", (unsigned)(((uintptr_t)first | (uintptr_t)second | (uintptr_t)third) % 64));
    return 0;
}
"""
PRINTED = f"seven b 0.5 -2.25 3e-05 {sum(i * i for i in range(256))} 0\n"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def output_of(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("compiler", "machine", "prefix"),
    [("gcc", X86_64, []), ("aarch64-linux-gnu-gcc", AARCH64, ["qemu-aarch64"])],
    ids=["x86-64", "AArch64"],
)
def test_a_program_reads_the_data_at_aligned_addresses(
    tmp_path: Path, compiler: str, machine: Machine, prefix: list[str]
) -> None:
    gcc = tool(compiler)
    if machine is X86_64 and not output_of(gcc, "-dumpmachine").startswith("x86_64"):
        pytest.skip(f"{compiler} builds for another machine")
    source, data, program = tmp_path / "main.c", tmp_path / "data.o", tmp_path / "program"
    source.write_text(PRINTS_THEM)
    write(data, machine, SYMBOLS)
    output_of(gcc, "-static", "-Wl,--fatal-warnings", source, data, "-o", program)
    assert output_of(*map(tool, prefix), program) == PRINTED


def test_a_shared_library_has_the_data_and_exports_none_of_it(tmp_path: Path) -> None:
    gcc = tool("aarch64-linux-gnu-gcc")
    source, data, library = tmp_path / "value.c", tmp_path / "data.o", tmp_path / "value.so"
    # Not position-independent, as of a code generator that was not told: fine with hidden symbols only.
    source.write_text("extern const float second[3];\nfloat value(int i) { return second[i]; }\n")
    write(data, AARCH64, SYMBOLS)
    output_of(gcc, "-fno-pic", "-shared", "-Wl,--fatal-warnings,-z,text", source, data, "-o", library)
    exported = {line.split()[2] for line in output_of("nm", "-D", "--defined-only", library).splitlines()}
    assert exported == {"value"}


def test_hard_float_code_for_arm_links_with_the_data_in_either_order(tmp_path: Path) -> None:
    assembler, linker = tool("arm-none-eabi-as"), tool("arm-none-eabi-ld")
    source, code, data, program = (tmp_path / name for name in ("start.s", "start.o", "data.o", "program"))
    source.write_text(
        ".syntax unified\n.cpu cortex-m33\n.fpu fpv5-sp-d16\n.thumb\n.eabi_attribute 28, 1\n"
        ".global _start\n_start: vadd.f32 s0, s0, s1\nldr r0, =second\n"
        '.section .note.GNU-stack,"",%progbits\n'
    )
    write(data, ARM, SYMBOLS)
    output_of(assembler, "-mfloat-abi=hard", source, "-o", code)
    for order in ((code, data), (data, code)):
        output_of(linker, "--fatal-warnings", *order, "-o", program)
        assert "hard-float ABI" in output_of("readelf", "-h", program)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_readelf_finds_constant_data_objects_and_nothing_odd(tmp_path: Path, machine: Machine) -> None:
    readelf = tool("readelf")
    write(tmp_path / "data.o", machine, SYMBOLS)
    shown = output_of(readelf, "-aW", tmp_path / "data.o")
    assert "REL (Relocatable file)" in shown
    assert {X86_64: "X86-64", AARCH64: "AArch64", ARM: "Version5 EABI"}[machine] in shown
    sections = {fields[1]: fields for line in shown.splitlines() if (fields := line.replace("[ ", "[").split())[1:]}
    assert sections[".rodata"][7:] == ["A", "0", "0", "64"]
    assert sections[".note.GNU-stack"][5] == "000000"  # and no X after it
    assert sections[".note.GNU-stack"][7:] == ["0", "0", "1"]
    symbols = [line.split()[2:] for line in shown.splitlines() if "HIDDEN" in line]
    assert symbols == [[str(len(SYMBOLS[name])), "OBJECT", "GLOBAL", "HIDDEN", "1", name] for name in SYMBOLS]


names_and_values = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.binary(max_size=99)
)


@given(
    machine=st.sampled_from(MACHINES), symbols=names_and_values, alignment=st.sampled_from([1, 2, 4, 8, 16, 64, 4096])
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, machine: Machine, symbols: dict[str, bytes], alignment: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.o"
    write(path, machine, symbols, alignment)
    assert defined_symbols(path) == tuple(symbols)
    content = path.read_bytes()
    for value, (start, size) in zip(symbols.values(), places(content, machine), strict=True):
        assert start % alignment == 0
        assert content[start : start + size] == value


def places(content: bytes, machine: Machine) -> list[tuple[int, int]]:
    """Offset in the file and size of each symbol but the void one, by the fixed places of ELF's fields."""
    word, table_at, sections_size = ("<I", 32, 40) if machine.bits == 32 else ("<Q", 40, 64)
    (table,) = struct.unpack_from(word, content, table_at)
    data, symbols = (
        struct.unpack_from(word[0] + 2 * word[1], content, table + index * sections_size + (16, 24)[machine.bits == 64])
        for index in (1, 3)
    )
    entry_bytes, value_at = (16, 4) if machine.bits == 32 else (24, 8)
    found = []
    for start in range(symbols[0] + entry_bytes, symbols[0] + symbols[1], entry_bytes):
        value, size = struct.unpack_from(word[0] + 2 * word[1], content, start + value_at)
        found.append((data[0] + value, size))
    return found


def test_equal_data_gives_equal_objects() -> None:
    assert encode(AARCH64, SYMBOLS) == encode(AARCH64, dict(SYMBOLS))


def test_global_weak_and_common_symbols_of_a_compiler_are_found(tmp_path: Path) -> None:
    gcc = tool("gcc")
    source, compiled = tmp_path / "some.c", tmp_path / "some.o"
    source.write_text(
        "int plain(void) { return 1; }\n__attribute__((weak)) int weak(void) { return 2; }\nint common;\n"
        "static int hidden_here = 3;\nextern int elsewhere;\nint *uses(void) { return &hidden_here + elsewhere; }\n"
    )
    output_of(gcc, "-fcommon", "-c", source, "-o", compiled)
    assert sorted(defined_symbols(compiled)) == ["common", "plain", "uses", "weak"]


@pytest.mark.parametrize(
    ("triple", "machine"),
    [
        ("x86_64-linux-gnu", X86_64),
        ("amd64-unknown-freebsd", X86_64),
        ("aarch64-linux-gnu", AARCH64),
        ("arm64-none-elf", AARCH64),
        ("armv7a-linux-gnueabihf", ARM),
        ("thumbv8.1m.main-none-none-eabihf", ARM),
    ],
)
def test_machine_of_a_triple(triple: str, machine: Machine) -> None:
    assert machine_of(triple) is machine


@pytest.mark.parametrize(
    "triple",
    [
        "riscv64-linux-gnu",
        "aarch64_be-linux-gnu",
        "armebv7-linux-gnueabi",
        "thumbeb-none-eabi",
        "arm64-apple-darwin23",
        "x86_64-pc-windows-msvc",
        "aarch64-apple-ios",
        "",
    ],
)
def test_other_triples_are_refused_by_name(triple: str) -> None:
    with pytest.raises(ConfigError, match="expected a little-endian") as refusal:
        machine_of(triple)
    assert repr(triple) in str(refusal.value)


@pytest.mark.parametrize("alignment", [0, -64, 48])
def test_an_alignment_is_a_power_of_two(alignment: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        encode(X86_64, SYMBOLS, alignment)


@pytest.mark.parametrize("name", ["", "two\0names"])
def test_names_that_a_symbol_cannot_have(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a symbol"):
        encode(X86_64, {name: b""})


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"!<arch>\n" + bytes(60), b"\x7fELF\x02\x02" + bytes(99)])
def test_other_files_are_no_objects(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.o"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.o is no little-endian ELF file"):
        defined_symbols(path)


def test_a_linked_library_is_no_object(tmp_path: Path) -> None:
    content = bytearray(encode(AARCH64, SYMBOLS))
    struct.pack_into("<H", content, 16, 3)  # ET_DYN
    path = tmp_path / "library.so"
    path.write_bytes(content)
    with pytest.raises(InputError, match="linked program or library"):
        defined_symbols(path)


@given(machine=st.sampled_from(MACHINES), data=st.data())
def test_a_truncated_or_damaged_object_is_an_input_error_or_still_an_object(
    tmp_path_factory: pytest.TempPathFactory, machine: Machine, data: st.DataObject
) -> None:
    content = bytearray(encode(machine, SYMBOLS, alignment=4))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.o"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(InputError):
        defined_symbols(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.o"
    write(path, ARM, {"kept": b"x"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, ARM, SYMBOLS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["data.o"]
    assert defined_symbols(path) == ("kept",)
