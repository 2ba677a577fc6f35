"""Static libraries: `ar` archives with the index of symbols that linkers look in, as GNU ar's `rcsD` makes them.

The format is that of System V and GNU, as described in the System V ABI, edition 4.1, chapter 7 ("Archive File") and in
GNU's <ar.h>: the first member, `/`, lists each global symbol with the offset of the member that defines it; the member
`//` keeps names that don't fit a member's header. Times, owners and groups are 0, so equal objects give equal archives.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from compile.elf_object import defined_symbols
from isp.atomic import replacing

_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60
_SHORT_NAME_BYTES: Final = 15  # of the 16 in a header, one is the slash that ends the name
_FILE_MODE: Final = "644"


def write(path: Path, members: Sequence[Path]) -> None:
    """Write the relocatable ELF objects `members`, under their file names and in their order, as the archive `path`.

    The archive appears whole or not at all. Raises InputError if a member is no relocatable ELF object.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = encode(members)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def encode(members: Sequence[Path]) -> bytes:
    """The content of the file that `write` makes."""
    symbols = [defined_symbols(member) for member in members]
    names = b"".join(name.encode() + b"\0" for defined in symbols for name in defined)
    count = sum(map(len, symbols))
    names += bytes(len(names) % 2)
    long_names, name_fields = _name_fields(members)

    contents = [member.read_bytes() for member in members]
    offset = len(_MAGIC) + _HEADER_BYTES + 4 * (count + 1) + len(names) + len(long_names)
    offsets: list[int] = []
    bodies: list[bytes] = []
    for field, content, defined in zip(name_fields, contents, symbols, strict=True):
        body = _header(field, len(content), "0", "0", "0", _FILE_MODE) + content + _padding(content)
        offsets += [offset] * len(defined)
        offset += len(body)
        bodies.append(body)

    index = struct.pack(f">{count + 1}I", count, *offsets) + names
    return b"".join([_MAGIC, _header("/", len(index), "0", "0", "0", "0"), index, long_names, *bodies])


def _name_fields(members: Sequence[Path]) -> tuple[bytes, list[str]]:
    """The whole member `//` (nothing if all names are short), and what each member's header says for its name."""
    table, fields = b"", []
    for member in members:
        if len(member.name.encode()) <= _SHORT_NAME_BYTES:
            fields.append(f"{member.name}/")
        else:
            fields.append(f"/{len(table)}")
            table += member.name.encode() + b"/\n"
    if not table:
        return b"", fields
    table += _padding(table)
    return _header("//", len(table)) + table, fields


def _header(name: str, size: int, time: str = "", owner: str = "", group: str = "", mode: str = "") -> bytes:
    return f"{name:<16}{time:<12}{owner:<6}{group:<6}{mode:<8}{size:<10}`\n".encode()


def _padding(content: bytes) -> bytes:
    """Members start at even offsets."""
    return b"\n" * (len(content) % 2)
