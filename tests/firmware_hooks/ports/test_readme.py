"""What the README tells firmware engineers: its C compiles, its files exist, its table is that of the machines."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from targets.descriptions import load
from targets.machines import Region, load_machine, machine_names
from targets.toolchain import find_compiler, missing_compiler_message

HOOKS = Path(__file__).resolve().parents[3] / "firmware_hooks"
README = (HOOKS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("core", ["cortex-m7", "host"])
def test_its_c_compiles(tmp_path: Path, core: str) -> None:
    compiler = find_compiler(load(core))
    if compiler is None:
        pytest.skip(missing_compiler_message(load(core)))
    (code,) = re.findall(r"^ *```c\n(.*?)^ *```", README, re.MULTILINE | re.DOTALL)
    declared = "int denoise(const float *in, float *out, float shot, float read);\n"
    source = textwrap.dedent(code).replace('#include "fan.h"\n', f'#include "fan.h"\n{declared}')
    (tmp_path / "snippet.c").write_text(source)
    compiler.compile_objects([tmp_path / "snippet.c"], [HOOKS / "include"], tmp_path)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 8
    assert [link for link in links if not (HOOKS / link).exists()] == []


def test_its_table_is_that_of_the_machines() -> None:
    rows = dict(re.findall(r"^\| (mps\S+) \| (.*) \|$", README, re.MULTILINE))
    assert tuple(sorted(rows)) == machine_names()
    for name, row in rows.items():
        machine = load_machine(name)
        _, *memory = row.split(" | ")
        assert memory == [_words(region) for region in (machine.code, machine.ram, machine.memory)]


def _words(region: Region) -> str:
    size = f"{region.bytes >> 20} MB" if region.bytes >= 1 << 20 else f"{region.bytes >> 10} KB"
    return f"{size} at {region.start:#010x}"
