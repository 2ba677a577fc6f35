"""Relocatable ELF objects without an assembler: constant data under global symbols, and the symbols of any object.

The file format is that of the System V gABI, edition 4.1, chapter 4 (https://refspecs.linuxfoundation.org/elf/gabi4+/),
with the header values of the System V psABI for AMD64 (4.1), ELF for the Arm 64-bit Architecture (aaelf64, 5.2) and
ELF for the Arm Architecture (aaelf32, 5.2). All are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from isp.atomic import replacing
from isp.errors import ConfigError, InputError


@dataclass(frozen=True)
class Machine:
    """What an object's header says of the processor it is for."""

    name: str
    number: int  # e_machine
    bits: Literal[32, 64]
    flags: int = 0  # e_flags


X86_64: Final = Machine("x86-64", number=62, bits=64)
AARCH64: Final = Machine("AArch64", number=183, bits=64)
# EABI version 5. The hard-float bit beside it belongs to programs only; of an object, the linker asks its build
# attributes for the floating-point convention, and one without attributes, as data needs none, goes with either.
ARM: Final = Machine("Arm", number=40, bits=32, flags=0x05000000)

_ARCHITECTURES: Final = {"x86_64": X86_64, "amd64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}
_OTHER_FORMATS: Final = ("darwin", "macos", "ios", "windows", "mingw", "cygwin", "uefi")


@dataclass(frozen=True)
class _Layout:
    """The structures of one file class: their `struct` formats, and where ELF32 and ELF64 order fields differently."""

    file_class: int
    header: struct.Struct
    section: struct.Struct
    symbol: struct.Struct
    word_bytes: int

    def pack_symbol(self, name: int, value: int, size: int, info: int, visibility: int, section: int) -> bytes:
        if self is _ELF64:
            return self.symbol.pack(name, info, visibility, section, value, size)
        return self.symbol.pack(name, value, size, info, visibility, section)

    def unpack_symbol(self, entry: tuple[int, ...]) -> tuple[int, int, int]:
        """Name, information and section."""
        return (entry[0], entry[1], entry[3]) if self is _ELF64 else (entry[0], entry[3], entry[5])


_ELF32: Final = _Layout(1, struct.Struct("<16sHHIIIIIHHHHHH"), struct.Struct("<10I"), struct.Struct("<IIIBBH"), 4)
_ELF64: Final = _Layout(
    2, struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), 8
)

_LITTLE_ENDIAN: Final = 1
_VERSION: Final = 1
_RELOCATABLE: Final = 1  # ET_REL
_PROGRAM_BITS, _SYMBOL_TABLE, _STRING_TABLE = 1, 2, 3  # sh_type
_ALLOCATED: Final = 2  # SHF_ALLOC: no SHF_WRITE and no SHF_EXECINSTR, so constant
_OBJECT: Final = 1  # STT_OBJECT
_GLOBAL, _WEAK, _UNIQUE = 1, 2, 10  # st_info >> 4
_HIDDEN: Final = 2  # STV_HIDDEN
_UNDEFINED: Final = 0  # SHN_UNDEF


def machine_of(triple: str) -> Machine:
    """The machine of an LLVM triple (`aarch64-linux-gnu`, `thumbv8.1m.main-none-none-eabihf`).

    Raises ConfigError for an architecture that is not little-endian x86-64, AArch64 or Arm, and for systems whose
    objects are not ELF.
    """
    architecture, *rest = triple.lower().split("-")
    machine = _ARCHITECTURES.get(architecture)
    if (
        machine is None
        and architecture.startswith(("arm", "thumb"))
        and not architecture.startswith(("armeb", "thumbeb"))
    ):
        machine = ARM
    if machine is None or any(part.startswith(_OTHER_FORMATS) for part in rest):
        raise ConfigError(
            f"no object files can be written for the triple {triple!r}",
            expected="a little-endian x86_64, aarch64, arm or thumb triple of a system with ELF objects",
        )
    return machine


def write(path: Path, machine: Machine, symbols: Mapping[str, bytes], alignment: int = 64) -> None:
    """Write an object that holds the bytes of each symbol as constant data.

    Each symbol starts at a multiple of `alignment` bytes, a power of two. Symbols are global, so that any object of the
    program finds them, and hidden, so that a shared library does not export them. The file appears whole or not at all.
    Raises ValueError for another alignment and for names that are empty or hold a zero character.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(encode(machine, symbols, alignment))


def encode(machine: Machine, symbols: Mapping[str, bytes], alignment: int = 64) -> bytes:
    """The content of the file that `write` makes."""
    if alignment < 1 or alignment & (alignment - 1):
        raise ValueError(f"an alignment of {alignment} bytes is no power of two")
    layout = _ELF64 if machine.bits == 64 else _ELF32
    data, entries, names = bytearray(), [bytes(layout.symbol.size)], bytearray(1)
    for name, value in symbols.items():
        if not name or "\0" in name:
            raise ValueError(f"{name!r} cannot name a symbol")
        data += bytes(-len(data) % alignment)
        info = _GLOBAL << 4 | _OBJECT
        entries.append(layout.pack_symbol(len(names), len(data), len(value), info, _HIDDEN, section=1))
        names += name.encode() + b"\0"
        data += value
    sections = (
        _Section(".rodata", _PROGRAM_BITS, bytes(data), alignment, flags=_ALLOCATED),
        _Section(".note.GNU-stack", _PROGRAM_BITS, b""),  # the program's stack need not be executable
        _Section(
            ".symtab",
            _SYMBOL_TABLE,
            b"".join(entries),
            layout.word_bytes,
            link=4,  # its names
            information=1,  # its first global symbol
            entry_bytes=layout.symbol.size,
        ),
        _Section(".strtab", _STRING_TABLE, bytes(names)),
    )
    return _assemble(layout, machine, sections)


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    content: bytes
    alignment: int = 1
    flags: int = 0
    link: int = 0
    information: int = 0
    entry_bytes: int = 0


def _assemble(layout: _Layout, machine: Machine, sections: Sequence[_Section]) -> bytes:
    """The file header, the sections' contents and names, and the table of sections, whose first entry is void."""
    sections = [*sections, _Section(".shstrtab", _STRING_TABLE, b"")]
    section_names = b"\0" + b"".join(section.name.encode() + b"\0" for section in sections)
    body, table, name_offset = bytearray(layout.header.size), bytearray(layout.section.size), 1
    for section in sections:
        content = section.content if section is not sections[-1] else section_names
        body += bytes(-len(body) % section.alignment)
        table += layout.section.pack(
            name_offset,
            section.kind,
            section.flags,
            0,
            len(body),
            len(content),
            section.link,
            section.information,
            section.alignment,
            section.entry_bytes,
        )
        body += content
        name_offset += len(section.name) + 1
    body += bytes(-len(body) % layout.word_bytes)
    identity = b"\x7fELF" + bytes([layout.file_class, _LITTLE_ENDIAN, _VERSION])
    layout.header.pack_into(
        body,
        0,
        identity,
        _RELOCATABLE,
        machine.number,
        _VERSION,
        0,  # no entry point
        0,  # no program headers
        len(body),
        machine.flags,
        layout.header.size,
        0,
        0,
        layout.section.size,
        len(sections) + 1,
        len(sections),  # the section with the sections' names
    )
    return bytes(body + table)


def defined_symbols(path: Path) -> tuple[str, ...]:
    """Names of the global symbols that a relocatable object defines, in its order: what an archive's index lists.

    Raises InputError if the file is no little-endian relocatable ELF object or its tables point outside it.
    """
    content = path.read_bytes()
    layout = {1: _ELF32, 2: _ELF64}.get(content[4]) if len(content) > 5 else None
    if content[:4] != b"\x7fELF" or layout is None or content[5] != _LITTLE_ENDIAN:
        raise _unusable(path, "is no little-endian ELF file")
    try:
        header = layout.header.unpack_from(content)
        if header[1] != _RELOCATABLE:
            raise _unusable(path, "is an ELF file, but a linked program or library")
        offset, count = header[6], header[12]
        sections = [layout.section.unpack_from(content, offset + i * layout.section.size) for i in range(count)]
        return tuple(_defined(content, layout, sections))
    except (struct.error, IndexError, ValueError) as error:  # ValueError: a name that does not end, or is no UTF-8
        raise _unusable(path, "is an ELF object whose tables are damaged") from error


def _defined(content: bytes, layout: _Layout, sections: Sequence[tuple[int, ...]]) -> Iterator[str]:
    for _, kind, _, _, start, size, link, *_ in sections:
        if kind != _SYMBOL_TABLE:
            continue
        _, _, _, _, names_start, names_size, *_ = sections[link]
        if max(start + size, names_start + names_size) > len(content):
            raise IndexError("a table ends beyond the file")
        names = content[names_start : names_start + names_size]
        for entry in layout.symbol.iter_unpack(content[start : start + size]):
            name, information, section = layout.unpack_symbol(entry)
            if information >> 4 in (_GLOBAL, _WEAK, _UNIQUE) and section != _UNDEFINED:
                yield names[name : names.index(b"\0", name)].decode()


def _unusable(path: Path, found: str) -> InputError:
    return InputError(f"{path} {found}", expected="a relocatable object", remedy="compile it anew")
