"""The command `python -m compile` for an NPU: how it ends, what it says, and what it leaves when it fails."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from compile.cli import main
from compile.ethos_u import network_bundle
from compile.ethos_u.network_bundle import Built
from compile.relax_import import to_relax
from targets.descriptions import FOLDER
from tests.compile.ethos_u.conftest import TARGET, NpuBundle
from tests.compile.ethos_u.test_network_bundle import TILES, content_of
from tests.compile.ethos_u.test_verification import with_an_unknown_command, with_other_biases
from tests.compile.test_cli import errors, raising

Run = Callable[..., int]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(tiny_weights: Path, here: Path) -> Run:
    def command(*arguments: str, target: str = TARGET) -> int:
        return main(["--target", target, "--model", str(tiny_weights), "-o", "out", *arguments])

    return command


@pytest.fixture
def prebuilt(npu_bundle: NpuBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks are not compiled but taken; what follows is the command's own."""
    monkeypatch.setattr(network_bundle, "build", lambda _request: npu_bundle.built)


@pytest.fixture
def previous(here: Path, npu_bundle: NpuBundle) -> dict[str, bytes]:
    """A bundle of before in the command's output folder."""
    shutil.copytree(npu_bundle.folder, here / "out")
    (here / "out" / "old.txt").write_text("of before")
    return content_of(here / "out")


def test_a_bundle(
    run: Run, here: Path, prebuilt: None, npu_bundle: NpuBundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    out = capsys.readouterr().out
    assert [(line.split()[1], line.split()[-1]) for line in out.splitlines()[1:5]] == [(name, "ok") for name in TILES]
    assert out.endswith("\nout\n")
    assert [path.name for path in here.iterdir()] == ["out"]
    assert (here / "out").stat().st_mode & 0o777 == 0o755
    assert content_of(here / "out") == content_of(npu_bundle.folder)


def test_the_manifest_on_stdout(run: Run, here: Path, prebuilt: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    assert capsys.readouterr().out == (here / "out" / "manifest.json").read_text()


def test_the_default_folder_without_verification(
    here: Path, tiny_weights: Path, prebuilt: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Golden tiles are there all the same: a board can be validated with them."""
    assert main(["--target", TARGET, "--model", str(tiny_weights), "--no-verify"]) == 0
    assert capsys.readouterr().out == f"build/{TARGET}\n"
    assert [path.name for path in (here / "build").iterdir()] == [TARGET]
    folder = here / "build" / TARGET
    assert json.loads((folder / "manifest.json").read_text())["verification"] is None
    assert {path.name for path in folder.iterdir()} == {"golden", "include", "manifest.json", "networks", "src"}
    assert len(list((folder / "golden" / "0").glob("*.output.bin"))) == 4


def test_a_bundle_is_replaced_by_a_new_one(run: Run, here: Path, prebuilt: None, previous: dict[str, bytes]) -> None:
    assert run("--no-verify") == 0
    assert not (here / "out" / "old.txt").exists()
    assert [path.name for path in here.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["out", "out.failed"])
def test_a_folder_with_something_else_is_left_alone(
    run: Run, here: Path, prebuilt: None, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (here / name).mkdir()
    (here / name / "holiday.jpg").write_bytes(b"precious")
    assert run() == 2
    assert errors(capsys).startswith(f"error: {name}: a folder with something else in it")
    assert content_of(here) == {f"{name}/holiday.jpg": b"precious"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", TARGET, "--precision", "float16"], ["'float16' for ethos-u55-64", "expected a16w8, a8w8"]),
        (["--target", TARGET, "--precision", "fp16"], ["'fp16' for ethos-u55-64", "expected a16w8, a8w8"]),
        (["--target", "host", "--precision", "a16w8"], ["'a16w8' for host", "expected float32"]),
        (["--target", TARGET, "--tune", "4"], ["--tune for ethos-u55-64", "a target whose core computes the network"]),
        (["--target", "host", "--calibrate", "."], ["--calibrate for host", "a target whose network an NPU computes"]),
        (["--target", TARGET, "--calibrate", "nowhere"], ["--calibrate nowhere: no such folder", "sRGB photographs"]),
        (["--target", TARGET, "--model", "universe"], ["'universe'", "universal"]),
        (["--target", "ethos-u55-65"], ["'ethos-u55-65'", "ethos-u55-64"]),
        (["--target", "ethos-u9000"], ["'ethos-u9000'"]),
    ],
)
def test_what_cannot_be_compiled(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: list[str]
) -> None:
    assert main(arguments) == 2
    message = errors(capsys)
    assert all(part in message for part in said)
    assert list(here.iterdir()) == []


def test_memory_that_is_too_small(
    run: Run, here: Path, npu_bundle: NpuBundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    description = yaml.safe_load((FOLDER / f"{TARGET}.yaml").read_text())
    description["npu"]["sram_bytes"] = 65536
    (here / "small.yaml").write_text(yaml.safe_dump(description))
    monkeypatch.setattr(network_bundle, "lowered", lambda *_: npu_bundle.built[0].network)
    assert run(target="small.yaml") == 2
    message = errors(capsys)
    assert "error: tiny: a tile of 128 px takes" in message
    assert "expected at most 64 and 0 KiB, as ethos-u55-64 is described" in message
    assert [path.name for path in here.iterdir()] == ["small.yaml"]


def test_an_operator_that_an_npu_lacks(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Sigmoid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(5, 4, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(self.convolution(image))

    monkeypatch.setattr(network_bundle, "to_relax", lambda *_: to_relax(Sigmoid(), 5))
    assert run() == 2
    assert errors(capsys).startswith("error: tiny: the NPU has no operation for sigmoid; expected convolutions")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("side", ["100", "64", "0", "-128"])
def test_a_tile_that_makes_no_sense_is_refused_before_any_work(
    run: Run, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], side: str
) -> None:
    monkeypatch.setattr(network_bundle, "lowered", raising(AssertionError("work")))
    assert run("--tile", side) == 2
    assert f"error: a tile of {side} px; expected a multiple of 16 above 64" in errors(capsys)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("damage", [with_other_biases, with_an_unknown_command])
def test_a_command_stream_that_computes_something_else_fails(
    run: Run,
    here: Path,
    npu_bundle: NpuBundle,
    previous: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: Callable,
) -> None:
    (built,) = npu_bundle.built
    wrong = Built(
        built.source, built.network, built.layout, replace(built.tile, compiled=damage(built.tile.compiled))
    )  # fmt: skip
    wrong.__dict__["golden"] = built.golden
    monkeypatch.setattr(network_bundle, "build", lambda _request: (wrong,))
    assert run() == 1
    captured = capsys.readouterr()
    assert "error: out.failed: 4 of 4 golden tiles fail; expected all within the target's thresholds" in captured.err
    assert "the evidence is kept there, out is as it was" in captured.err
    assert captured.out.count("FAILS") == 4
    assert content_of(here / "out") == previous
    assert sorted(path.name for path in here.iterdir()) == ["out", "out.failed"]
    failed = here / "out.failed"
    assert json.loads((failed / "manifest.json").read_text())["verification"]["passes"] is False
    assert json.loads((failed / "verification.json").read_text())["passes"] is False
    assert "What fails" in (failed / "report.html").read_text()
    evidence = {path.name for path in (failed / "evidence").iterdir()}
    assert {f"0-{tile}{suffix}" for tile in TILES for suffix in (".f32", ".txt")} <= evidence
    assert "the command stream" in (failed / "evidence" / "0-low.txt").read_text()
    # What is not verified goes unseen: it is what --no-verify is for.
    assert run("--no-verify") == 0


def test_integers_that_cost_too_much_fail(
    here: Path,
    tiny_weights: Path,
    npu_bundle: NpuBundle,
    prebuilt: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    description = yaml.safe_load((FOLDER / f"{TARGET}.yaml").read_text())
    loss = max(one.measures.quality_loss_db for one in npu_bundle.results[:3])
    description["npu"]["quality_loss_db"] = loss / 2
    (here / "strict.yaml").write_text(yaml.safe_dump(description))
    assert main(["--target", "strict.yaml", "--model", str(tiny_weights), "-o", "out"]) == 1
    assert f"the integers cost {loss:.3f} dB, expected at most {loss / 2:g}" in capsys.readouterr().out
    assert sorted(path.name for path in here.iterdir()) == ["out.failed", "strict.yaml"]


@pytest.mark.parametrize("stage", ["build", "write", "verified", "write_verification", "write_manifest"])
@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights"), 2, "weights: No space left on device; nothing"),
    ],
)
def test_what_breaks_off_leaves_all_as_it_was(
    run: Run,
    here: Path,
    prebuilt: None,
    previous: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    error: BaseException,
    code: int,
    said: str,
) -> None:
    if stage in {"write_verification", "write_manifest"}:
        monkeypatch.setattr(network_bundle, "verified", lambda *_: ())
        monkeypatch.setattr(network_bundle, "write_verification", lambda *_: None)
    monkeypatch.setattr(network_bundle, stage, raising(error))
    assert run() == code
    assert said in errors(capsys)
    assert [path.name for path in here.iterdir()] == ["out"]
    assert content_of(here / "out") == previous


def test_a_tile_that_vela_falls_over_is_told_with_its_network(
    run: Run, here: Path, npu_bundle: NpuBundle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vela 5.2 has no tensors as large."""
    monkeypatch.setattr(network_bundle, "lowered", lambda *_: npu_bundle.built[0].network)
    assert run("--tile", "131072") == 2
    assert errors(capsys).startswith("error: tiny, a tile of 131072 px: Vela ended with 1: ")
    assert list(here.iterdir()) == []


def test_eight_bit_activations_on_request(
    run: Run, here: Path, npu_bundle: NpuBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def build(request: network_bundle.Request) -> tuple[Built, ...]:
        asked.append(str(request.precision))
        return npu_bundle.built

    monkeypatch.setattr(network_bundle, "build", build)
    assert run("--no-verify") == 0
    assert run("--no-verify", "--precision", "a8w8") == 0
    assert asked == ["a16w8", "a8w8"]
