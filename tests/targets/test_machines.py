"""The table of machines: checked, and in agreement with targets, with the linker script's needs and with QEMU."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from isp.errors import ConfigError
from targets.core_features import needed_features
from targets.descriptions import OperatingSystem, load
from targets.machines import ALIGNMENT, EMULATOR, INSTALL, Machine, load_machine, machine_names, machines_for


@pytest.mark.parametrize("name", machine_names())
def test_its_target_is_a_core_that_it_has(name: str) -> None:
    machine = load_machine(name)
    target = load(machine.target)
    assert target.operating_system is OperatingSystem.NONE
    assert needed_features(target) & ~machine.core_features == 0
    assert machine in machines_for(machine.target)


@pytest.mark.parametrize("name", machine_names())
def test_its_memory_is_there_and_apart(name: str) -> None:
    machine = load_machine(name)
    regions = (machine.code, machine.ram, machine.memory)
    for one in regions:
        assert one.start % ALIGNMENT == 0
        assert one.end <= 1 << 32
        assert sum(one.start < other.end and other.start < one.end for other in regions) == 1
    # SysTick counts to 2**24 at most, and the port has it wrap eight times a second.
    assert machine.tick_hz / 8 < 1 << 24
    # A UART's clock is divided by 16 at least.
    assert machine.uart.clock_hz / 16 > 115200


def test_every_core_of_the_targets_has_one() -> None:
    assert {load_machine(name).target for name in machine_names()} == {
        "cortex-m4",
        "cortex-m7",
        "cortex-m33",
        "cortex-m55",
    }
    assert machines_for("arm64") == ()


def test_the_emulator_knows_them() -> None:
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"{EMULATOR} is not installed ({INSTALL})")
    known = subprocess.run([EMULATOR, "-M", "help"], capture_output=True, text=True, check=True).stdout
    lines = {line.split()[0]: line for line in known.splitlines() if line.strip()}
    for name in machine_names():
        assert f"{load_machine(name).target.removesuffix('f')}" in lines[name].lower()


def test_a_name_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match=r"no machine is named 'mps2-an501'; did you mean 'mps2-an50[05]'"):
        load_machine("mps2-an501")


def test_it_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        load_machine("mps2-an386").tick_hz = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tick_hz": 0}, "tick_hz"),
        ({"target": "arm64"}, "target"),
        ({"features": ["fpu", "neon"]}, "features"),
        ({"colour": "green"}, "colour"),
        ({"ram": {"start": 0x20000001, "bytes": 64}}, "ram.start"),
        ({"ram": {"start": 0x003FFFC0, "bytes": 128}}, "0x3fffc0 overlaps that at 0x0"),
        ({"uart": {"base": 0x40004000, "receive_interrupt": 480, "clock_hz": 1}}, "uart.receive_interrupt"),
    ],
)
def test_entries_are_checked(change: dict[str, Any], complaint: str) -> None:
    adapter = TypeAdapter(Machine)
    content = adapter.dump_python(load_machine("mps2-an386"), mode="json") | change
    with pytest.raises(ValidationError) as failure:
        adapter.validate_json(json.dumps(content))
    assert complaint in "".join([*(".".join(map(str, e["loc"])) + e["msg"] for e in failure.value.errors())])
