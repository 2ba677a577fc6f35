"""The functions of an ELF program: which of them a piece of its code belongs to.

References
----------
Tool Interface Standard, "Executable and Linking Format", version 1.2; "ELF for the Arm 64-bit Architecture"; "ELF for
the Arm Architecture", 5.5.3: bit 0 of a function's address says that its code is T32, and is no part of the address.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from isp.errors import InputError

UNKNOWN: Final = "?"
"""Stands for a function that the program does not name."""
_RELOCATABLE, _SYMBOL_TABLE, _FUNCTION, _UNDEFINED = 1, 2, 2, 0


@dataclass(frozen=True)
class _Layout:
    """Of the parts of an ELF file. symbol: an entry of the symbol table as name, info, section, address, extent."""

    header: struct.Struct
    section: struct.Struct
    symbol: struct.Struct
    symbol_order: tuple[int, int, int, int, int]
    mode_bit: int


_LAYOUTS: Final = {
    b"\x7fELF\x01\x01": _Layout(
        struct.Struct("<16x HHIIIIIHHHHHH"), struct.Struct("<IIIIIIIIII"), struct.Struct("<IIIBBH"), (0, 3, 5, 1, 2), 1
    ),
    b"\x7fELF\x02\x01": _Layout(
        struct.Struct("<16x HHIQQQIHHHHHH"), struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), (0, 1, 3, 4, 5), 0
    ),
}


@dataclass(frozen=True, order=True)
class Function:
    """end: the address behind it."""

    start: int
    end: int
    name: str


@dataclass(frozen=True)
class FunctionTable:
    """Functions in the order of their addresses, none within another."""

    functions: tuple[Function, ...]

    def name_at(self, address: int) -> str:
        """The function that an address belongs to, UNKNOWN if to none."""
        index = bisect_right(self.functions, address, key=lambda function: function.start) - 1
        if index < 0 or address >= self.functions[index].end:
            return UNKNOWN
        return self.functions[index].name


def read(program: Path) -> FunctionTable:
    """The functions of a little-endian ELF program or shared library; none for a stripped one.

    Raises InputError if the file is none, and for an object file, where addresses are those within a section.
    """
    content = _content(program)
    if int.from_bytes(content[16:18], "little") == _RELOCATABLE:
        raise InputError(f"{program}: an object file, not yet linked", expected="a program or a shared library")
    return FunctionTable(_without_overlaps(_functions(content, program)))


def names(file: Path) -> frozenset[str]:
    """The functions that a little-endian ELF file defines, an object file among others.

    Raises InputError if the file is none.
    """
    return frozenset(function.name for function in _functions(_content(file), file))


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}", expected="a program") from error
    if content[:6] not in _LAYOUTS:
        raise InputError(f"{file}: not a little-endian ELF file", expected="code of Arm")
    return content


def _functions(content: bytes, file: Path) -> list[Function]:
    try:
        return _defined(content)
    except (struct.error, ValueError, IndexError) as error:
        raise InputError(f"{file}: a damaged ELF file") from error


def _defined(content: bytes) -> list[Function]:
    layout = _LAYOUTS[content[:6]]
    header = layout.header.unpack_from(content)
    at, entry_bytes, count = header[5], header[10], header[11]
    sections = [layout.section.unpack_from(content, at + index * entry_bytes) for index in range(count)]
    found = []
    for _, kind, _, _, offset, size, names, *_ in sections:
        if kind != _SYMBOL_TABLE:
            continue
        texts = sections[names][4]
        for entry in layout.symbol.iter_unpack(content[offset : offset + size]):
            name, info, section, value, extent = (entry[index] for index in layout.symbol_order)
            if info & 0xF == _FUNCTION and section != _UNDEFINED:
                text = content[texts + name : content.index(b"\0", texts + name)].decode("utf-8", "replace")
                start = value & ~layout.mode_bit
                found.append(Function(start, start + extent, text))
    return found


def _without_overlaps(functions: list[Function]) -> tuple[Function, ...]:
    """Of several names of one place the first; a function ends where the next begins, if its size says no more."""
    first = list({function.start: function for function in sorted(functions, reverse=True)}.values())[::-1]
    ends = [
        min(function.end, following.start) if function.end > function.start else following.start
        for function, following in pairwise(first)
    ] + [function.end for function in first[-1:]]
    return tuple(Function(function.start, end, function.name) for function, end in zip(first, ends, strict=True))
