"""Golden tiles on an emulated board without an operating system: what passes, what differs, what dies."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compile import golden, machine_verification
from compile.machine_verification import verify_on_machine
from targets import bundle as bundles
from targets.agent_build import link_machine_agent
from targets.core_features import CoreFeature
from targets.descriptions import Precision, load
from targets.golden import read
from targets.machines import EMULATOR, INSTALL, load_machine
from targets.toolchain import find_compiler, missing_compiler_message
from tests.compile.conftest import SMALL_SCENES

TARGET = load("cortex-m55")
THRESHOLD = TARGET.thresholds[Precision.FLOAT32]
MACHINE = load_machine("mps3-an547")


@pytest.fixture(scope="module")
def made(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from compile.cli import main

    if shutil.which(EMULATOR) is None:
        pytest.skip(f"{EMULATOR} is not installed ({INSTALL})")
    if find_compiler(TARGET) is None:
        pytest.skip(missing_compiler_message(TARGET))
    folder = tmp_path_factory.mktemp("machine") / TARGET.name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "SCENES", tuple(scene for scene in golden.SCENES if scene.name in SMALL_SCENES))
        arguments = ["--target", TARGET.name, "--model", str(tiny_weights), "--no-verify", "-o", str(folder)]
        assert main(arguments) == 0
    return folder


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "bundle")


def test_a_tile_that_differs_fails_alone_and_is_kept(bundle: Path) -> None:
    (only,) = read(bundle / "golden")
    *others, last = only.tiles
    reference = last.reference.copy()
    reference[3, 4] += np.float32(2e-5)
    golden.write(bundle / "golden", [replace(only, tiles=(*others, replace(last, reference=reference)))])
    verification = verify_on_machine(bundle, TARGET, MACHINE, THRESHOLD)
    assert [result.tile.name for result in verification.failures] == [last.name]
    assert "max error 2e-05, expected at most 1e-05" in verification.failures[0].failure
    kept = np.fromfile(bundle / f"evidence/0-{last.name}.f32", "<f4").reshape(last.height, last.width)
    assert kept.tobytes() == np.asarray(verification.results[-1].output).tobytes()
    told = (bundle / f"evidence/0-{last.name}.txt").read_text()
    assert f"$ {EMULATOR} -M {MACHINE.name}" in told
    assert f"fan-agent on {MACHINE.name}" in told


def test_every_tile_that_kills_a_board_has_one_of_its_own(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MVE on a core without it, from an agent that believes that its core has everything."""
    machine = load_machine("mps2-an505")

    def unchecked(bundle: Path, output: Path, *_: object, **__: object) -> Path:
        return link_machine_agent(bundles.read(bundle), machine, CoreFeature(0), output)

    monkeypatch.setattr(machine_verification, "build_agent", unchecked)
    verification = verify_on_machine(bundle, TARGET, machine, THRESHOLD)
    assert len(verification.failures) == len(SMALL_SCENES)
    assert all(re.search(r"FAULT HardFault .* pc=[0-9a-f]{8}", one.failure) for one in verification.failures)
    assert "FAULT HardFault" in (bundle / "evidence/0-smallest.txt").read_text()


def test_a_library_with_another_network_fails(bundle: Path) -> None:
    (only,) = read(bundle / "golden")
    golden.write(bundle / "golden", [replace(only, specialist="other")])
    verification = verify_on_machine(bundle, TARGET, MACHINE, THRESHOLD)
    assert {one.failure for one in verification.failures} == {"specialist 0 calls itself 'tiny', expected 'other'"}
