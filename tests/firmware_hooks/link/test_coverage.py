"""No line of the parser that faces the cable is left out; and its headers stand alone."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.firmware_hooks.link.programs import HERE, HOOKS, build
from tests.firmware_hooks.link.wire import Frame, stuffed, with_crc


def commands() -> bytes:
    """What a cable can bring, good and bad."""
    good = Frame(11, 1, 2, 0x01020304, b"abc" * 100)
    pieces = [
        *(good.encoded, Frame(1, 0, 0, 0).encoded, b"\0", b"text\0", b"\x05a\0"),
        stuffed(good.content[:-1] + bytes([good.content[-1] ^ 1])),
        stuffed(with_crc(b"\xd8" + good.content[1:-4])),
        b"\xff" * 2000 + b"\0",
    ]
    wire = b"".join(pieces)
    header = struct.pack("<BBBHHI", 1, 2, 3, 4, 600, 5)
    encoded = [
        b"e" + struct.pack("<I", capacity) + header + payload
        for capacity, payload in ((10, bytes(600)), (700, bytes(600)), (700, b"x" * 600))
    ]
    return b"d" + struct.pack("<I", len(wire)) + wire + b"".join(encoded) + b"n" + bytes(8) + b"z"


def test_every_line_of_the_parser_is_reached(tmp_path: Path) -> None:
    source = HOOKS / "link" / "fan_link.c"
    program = build(tmp_path / "driver", [source, HERE / "codec_driver.c"], "-O0", "--coverage")
    subprocess.run([program, "600"], input=commands(), stdout=subprocess.DEVNULL, check=True)
    gcov = shutil.which("gcov")
    assert gcov, "gcov comes with gcc"
    notes = next(path for path in tmp_path.iterdir() if path.name.endswith("fan_link.gcno"))
    found = subprocess.run([gcov, "--stdout", notes], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    missed = [line for line in found.splitlines() if re.match(r"\s*#####:", line)]
    reached = [line for line in found.splitlines() if re.match(r"\s*\d+\*?:", line)]
    assert not missed, "\n".join(missed)
    assert len(reached) > 80
    assert any("bad_crc" in line for line in reached)


@pytest.mark.parametrize("header", ["fan_link.h", "fan_job.h", "fan_agent.h"])
def test_a_header_stands_alone(header: str, tmp_path: Path) -> None:
    source = tmp_path / "includes.c"
    source.write_text(f'#include "{header}"\nint there_is_something;\n')
    build(tmp_path / "includes.o", [source], "-c")
