"""Bundles for 64-bit Arm cores on boards that QEMU emulates, which refuses what a core lacks."""

from __future__ import annotations

import json
import shutil

import pytest

from targets.__main__ import main
from tests.targets.conftest import MakeTiny

if shutil.which("qemu-aarch64") is None and shutil.which("qemu-aarch64-static") is None:
    pytest.skip("qemu-aarch64 is not on this machine", allow_module_level=True)


@pytest.mark.parametrize(
    ("target", "core"),
    [("arm64", "cortex-a53"), ("cortex-a53", "cortex-a53"), ("cortex-a72", "cortex-a72"), ("cortex-a76", "cortex-a76")],
)
def test_a_bundle_passes_on_its_core(
    tiny_bundle_for: MakeTiny, target: str, core: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tiny_bundle_for(target)
    capsys.readouterr()  # what compiling it said
    assert main(["validate", str(bundle), "--board", f"user:{core}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passes"] is True
    assert len(told["tiles"]) == 9
    assert told["worst"]["max_error"] <= 1e-5
    assert "neon" in told["board"]["features"]
    assert told["warnings"] == ["this board is emulated: its times tell nothing of a real one"]


@pytest.mark.parametrize("core", ["cortex-a53", "cortex-a72"])
def test_a_core_that_lacks_what_the_bundle_needs_is_refused_before_it_can_fault(
    tiny_bundle_for: MakeTiny, core: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", str(tiny_bundle_for("cortex-a76")), "--board", f"user:{core}"]) == 6
    said = capsys.readouterr().err
    assert (
        f"error: QEMU {core}: its core has neon and lacks fp16, dot-product, which the library for cortex-a76 needs"
        in said
    )
    assert "SIGILL" not in said
