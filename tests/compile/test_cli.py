"""The command `python -m compile`: what it makes, what it says, how it ends, and what it leaves when it fails."""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compile import bundle, elf_object, static_archive
from compile.bundle import Built, Request
from compile.cli import main
from compile.relax_import import to_relax
from denoiser import bundle as denoiser_bundle
from denoiser import weights_file
from isp.report.sidecar import sha256
from targets import bundle as bundles
from targets.descriptions import load
from targets.machines import EMULATOR, INSTALL
from targets.toolchain import find_compiler, missing_compiler_message
from tests.compile.conftest import SMALL_SCENES, MadeBundle

Run = Callable[..., int]


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in: no tuning records of the user's."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(tiny_weights: Path, here: Path) -> Run:
    """The command with the tiny network."""

    def command(*arguments: str, target: str = "host") -> int:
        return main(["--target", target, "--model", str(tiny_weights), "-o", "out", *arguments])

    return command


@pytest.fixture(scope="session")
def tiny_module(tiny_weights: Path) -> object:
    network, _ = weights_file.load(tiny_weights)
    return to_relax(network, 5)


@pytest.fixture
def prebuilt(tiny_bundle: MadeBundle, tiny_module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundle is not built but taken from one that was; what follows is the command's own."""

    def build(_request: Request, folder: Path) -> Built:
        shutil.copytree(tiny_bundle.folder, folder, dirs_exist_ok=True)
        return Built(tiny_bundle.scratch_bytes)

    monkeypatch.setattr(bundle, "build", build)
    monkeypatch.setattr(bundle, "to_relax", lambda *_: tiny_module)


@pytest.fixture
def previous(here: Path, tiny_bundle: MadeBundle) -> dict[str, bytes]:
    """A bundle of before in the command's output folder."""
    shutil.copytree(tiny_bundle.folder, here / "out")
    before = {"schema": 1, "target": "before", "abi": 1, "specialists": [], "library": {}}
    (here / "out" / "manifest.json").write_text(json.dumps(before))
    return content_of(here / "out")


def without(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, *rest, **more: None if name in programs else which(name, *rest, **more)
    )


def without_compilers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No program on the PATH, and no Zig."""
    monkeypatch.setenv("PATH", "")
    without_zig(monkeypatch)


def without_zig(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ziglang" else find_spec(name, *rest)
    )


def errors(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on stderr beside the log; one line."""
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    return said[0]


def test_a_bundle_for_this_machine(
    run: Run, here: Path, small_scenes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert [path.name for path in here.iterdir()] == ["out"]
    assert (here / "out").stat().st_mode & 0o777 == 0o755
    out = capsys.readouterr().out
    assert [line.split()[:2] + line.split()[-1:] for line in out.splitlines()[1:5]] == [
        ["tiny", name, "ok"] for name in ("cleanest", "smallest", "short", "narrow")
    ]
    assert out.endswith("\nout\n")
    opened = denoiser_bundle.read(here / "out")
    assert opened.load().specialists == ("tiny",)
    assert opened.library_sha256 == sha256(here / "out" / "lib" / "libfan.so")
    manifest = json.loads((here / "out" / "manifest.json").read_text())
    assert manifest["verification"]["passes"] is True
    assert manifest["verification"]["tiles"] == 4
    assert manifest["verification"]["worst"]["max_error"] < 1e-5
    verification = json.loads((here / "out" / "verification.json").read_text())
    assert verification["passes"] is True
    assert "<html" in (here / "out" / "report.html").read_text()
    assert not (here / "out" / "evidence").exists()


def test_the_manifest_on_stdout(run: Run, here: Path, prebuilt: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    out = capsys.readouterr().out
    assert out == (here / "out" / "manifest.json").read_text()
    assert json.loads(out)["verification"]["passes"] is True


def test_the_default_folder(here: Path, tiny_weights: Path, prebuilt: None) -> None:
    assert main(["--target", "host", "--model", str(tiny_weights), "--no-verify"]) == 0
    assert json.loads((here / "build" / "host" / "manifest.json").read_text())["verification"] is None
    assert [path.name for path in (here / "build").iterdir()] == ["host"]


def test_a_bundle_is_replaced_by_a_new_one(run: Run, here: Path, prebuilt: None, previous: dict[str, bytes]) -> None:
    (here / "out" / "lib" / "old.o").touch()
    assert run() == 0
    assert not (here / "out" / "lib" / "old.o").exists()
    assert json.loads((here / "out" / "manifest.json").read_text())["target"] == "host"
    assert [path.name for path in here.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--target", "hots"], 2, ["'hots'", "host"]),
        (["--target", "cortex-a54"], 2, ["'cortex-a54'", "cortex-a5"]),
        (["--target", "host", "--precision", "float61"], 2, ["'float61' for host", "expected float32"]),
        (["--target", "cortex-a53", "--precision", "float16"], 2, ["'float16' for cortex-a53", "expected float32"]),
        (["--target", "host", "--model", "universe"], 2, ["'universe'", "universal"]),
        (["--target", "host", "--model", "gone.safetensors"], 2, ["'gone.safetensors'"]),
        (["--target", "host", "--model", "broken.safetensors"], 3, ["broken.safetensors: not usable as weights"]),
        (["--target", "host", "--tune", "0"], 2, ["--tune 0", "at least 1"]),
        (["--target", "gone.yaml"], 3, ["gone.yaml: No such file"]),
    ],
)
def test_what_cannot_be_compiled(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: list[str]
) -> None:
    (here / "broken.safetensors").write_bytes(b"no weights")
    assert main(arguments) == code
    message = errors(capsys)
    assert all(part in message for part in said)
    assert [path.name for path in here.iterdir()] == ["broken.safetensors"]


def test_a_usage_error(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "--target" in capsys.readouterr().err


FOREIGN: dict[str, Callable[[Path], None]] = {
    "pictures": lambda folder: (folder / "holiday.jpg").write_bytes(b"precious"),
    "hidden": lambda folder: (folder / ".config").write_text("precious"),
    # Other programs, and the folder of our own weights, have manifests, too.
    "manifest": lambda folder: (folder / "manifest.json").write_text('{"name": "a page", "icons": []}'),
    "weights": lambda folder: shutil.copy(weights_file.WEIGHTS_FOLDER / "manifest.json", folder),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_something_else_is_left_alone(
    run: Run, here: Path, prebuilt: None, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (here / "out").mkdir()
    FOREIGN[name](here / "out")
    before = content_of(here)
    assert run() == 2
    assert errors(capsys).startswith("error: out: a folder with something else in it; expected a bundle")
    assert content_of(here) == before


def test_an_empty_folder_is_taken(run: Run, here: Path, prebuilt: None) -> None:
    (here / "out").mkdir()
    assert run("--no-verify") == 0
    assert (here / "out" / "manifest.json").is_file()


def test_a_file_is_left_alone(run: Run, here: Path, prebuilt: None, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "out").write_text("precious")
    assert run() == 2
    assert errors(capsys).startswith("error: out: a file; expected a folder")
    assert content_of(here) == {"out": b"precious"}


def test_a_folder_that_cannot_be_made(
    here: Path, tiny_weights: Path, prebuilt: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "file").write_text("precious")
    assert main(["--target", "host", "--model", str(tiny_weights), "-o", "file/out"]) == 2
    assert "nothing was written" in errors(capsys)
    assert content_of(here) == {"file": b"precious"}


def test_without_a_compiler_there_is_an_archive_of_kernels_and_weights(
    run: Run,
    here: Path,
    small_scenes: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    without_compilers(monkeypatch)
    assert run(target="arm64") == 2
    message = errors(capsys)
    for part in (
        "out: made, but not verified",
        "aarch64-linux-gnu-gcc",
        "gcc-aarch64-linux-gnu",
        "pip install ziglang",
    ):
        assert part in message
    assert "--no-verify" in message
    assert "The archive lacks the engine" in caplog.text
    folder = here / "out"
    assert {path.name for path in (folder / "lib").iterdir()} == {"kernels.o", "weights.o", "libfan.a"}
    archive = (folder / "lib" / "libfan.a").read_bytes()
    for name in ("kernels.o", "weights.o"):
        assert (folder / "lib" / name).read_bytes() in archive
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["library"]["shared"], manifest["verification"]) == (None, None)
    assert manifest["toolchain"]["compiler"] == "none"
    assert [path.name for path in here.iterdir()] == ["out"]


def test_without_a_compiler_and_without_verification(
    run: Run, here: Path, prebuilt: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """All that was asked for is there; that the engine is not is said."""
    without_compilers(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert run("--no-verify", target="arm64") == 0
    assert "pip install ziglang" in caplog.text
    assert "The archive lacks the engine" in caplog.text


def test_without_an_emulator_the_bundle_is_made_but_not_verified(
    run: Run, here: Path, prebuilt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "qemu-aarch64")
    assert run(target="arm64") == 2
    message = errors(capsys)
    for part in ("out: made, but not verified", "qemu-aarch64 is not on the PATH", "qemu-user", "--no-verify"):
        assert part in message
    assert json.loads((here / "out" / "manifest.json").read_text())["verification"] is None
    assert not (here / "out" / "verification.json").exists()


def test_without_an_emulator_and_without_verification(
    run: Run, here: Path, prebuilt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without(monkeypatch, "qemu-aarch64")
    assert run("--no-verify", target="arm64") == 0
    assert "error" not in capsys.readouterr().err


@pytest.fixture
def emulated_machine() -> None:
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"{EMULATOR} is not installed ({INSTALL})")
    if find_compiler(load("cortex-m55")) is None:
        pytest.skip(missing_compiler_message(load("cortex-m55")))


def test_a_core_without_a_system_is_verified_on_an_emulated_board(
    run: Run, here: Path, small_scenes: None, emulated_machine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(target="cortex-m55") == 0
    assert capsys.readouterr().out.count(" ok\n") == len(SMALL_SCENES)
    verification = json.loads((here / "out" / "manifest.json").read_text())["verification"]
    assert (verification["passes"], verification["tiles"]) == (True, len(SMALL_SCENES))
    assert verification["command"] == [EMULATOR, "-M", "mps3-an547"]
    assert 0 < verification["worst"]["max_error"] < 1e-5
    tiles = json.loads((here / "out" / "verification.json").read_text())["tiles"]
    (specialist,) = bundles.read(here / "out").manifest.specialists
    assert [tile["arena_bytes"] for tile in tiles] == [specialist.arena_bytes(tile["width"]) for tile in tiles]
    assert not (here / "out" / "evidence").exists()


@pytest.mark.parametrize(
    ("missing", "parts"),
    [
        (EMULATOR, ("qemu-system-arm, which emulates a board with that core, is not on the PATH", "apt-get install")),
        ("arm-none-eabi-gcc", ("no C compiler for the target 'cortex-m55'", "gcc-arm-none-eabi")),
    ],
)
def test_a_core_without_a_system_is_not_verified_where_a_tool_is_missing(
    run: Run,
    here: Path,
    prebuilt: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    parts: tuple[str, ...],
) -> None:
    without_zig(monkeypatch)
    without(monkeypatch, missing)
    assert run(target="cortex-m55") == 2
    message = errors(capsys)
    assert all(part in message for part in ("out: made, but not verified", *parts, "--no-verify"))
    assert json.loads((here / "out" / "manifest.json").read_text())["verification"] is None
    assert run("--no-verify", target="cortex-m55") == 0


@pytest.fixture
def wrong(tiny_bundle: MadeBundle, prebuilt: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library computes with weights that are not the network's."""
    made = bundle.build

    def build(request: Request, folder: Path) -> Built:
        built, objects = made(request, folder), folder / "lib"
        size = (tiny_bundle.folder / "lib" / "weights.o").stat().st_size
        nothing = {"fan_weights_0": bytes(size)}
        elf_object.write(objects / "weights.o", elf_object.machine_of(load("host").triple), nothing)
        names = ("kernels.o", "weights.o", "fan.o", "fan_model.o")
        static_archive.write(objects / "libfan.a", [objects / name for name in names])
        return built

    monkeypatch.setattr(bundle, "build", build)


def test_a_library_that_computes_something_else_fails(
    run: Run, here: Path, wrong: None, previous: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 1
    captured = capsys.readouterr()
    assert "error: out.failed: 4 of 4 golden tiles fail" in captured.err
    assert "out is as it was" in captured.err
    assert captured.out.count("FAILS") == 4
    assert "max error" in captured.out
    assert content_of(here / "out") == previous
    assert sorted(path.name for path in here.iterdir()) == ["out", "out.failed"]
    failed = here / "out.failed"
    assert json.loads((failed / "manifest.json").read_text())["verification"]["passes"] is False
    assert json.loads((failed / "verification.json").read_text())["passes"] is False
    evidence = sorted(path.name for path in (failed / "evidence").iterdir())
    assert len(evidence) == 8
    assert "0-smallest.f32" in evidence
    output = np.fromfile(failed / "evidence" / "0-smallest.f32", np.float32)
    assert output.size == 16 * 16
    # The next failure takes the place of this one.
    assert run() == 1
    assert content_of(here / "out") == previous
    assert sorted(path.name for path in here.iterdir()) == ["out", "out.failed"]


def test_a_failure_where_there_was_no_bundle(run: Run, here: Path, wrong: None) -> None:
    assert run() == 1
    assert [path.name for path in here.iterdir()] == ["out.failed"]


def test_a_failure_without_verification_goes_unseen(run: Run, here: Path, wrong: None) -> None:
    """It is what --no-verify is for."""
    assert run("--no-verify") == 0


def test_evidence_does_not_take_the_place_of_something_else(
    run: Run, here: Path, wrong: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "out.failed").mkdir()
    (here / "out.failed" / "holiday.jpg").write_bytes(b"precious")
    assert run() in (1, 2)
    assert (here / "out.failed" / "holiday.jpg").read_bytes() == b"precious"


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


STAGES = ["compile_kernels", "_archive_and_link", "write_manifest"]


@pytest.mark.parametrize("stage", STAGES)
def test_an_interruption_leaves_all_as_it_was(
    run: Run,
    here: Path,
    previous: dict[str, bytes],
    small_scenes: None,
    tiny_module: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stage: str,
) -> None:
    monkeypatch.setattr(bundle, "to_relax", lambda *_: tiny_module)
    monkeypatch.setattr(bundle, stage, raising(KeyboardInterrupt()))
    assert run("--no-verify") == 130
    assert errors(capsys) == "error: interrupted; nothing was written"
    assert [path.name for path in here.iterdir()] == ["out"]
    assert content_of(here / "out") == previous


def test_an_interruption_during_verification(
    run: Run, here: Path, prebuilt: None, previous: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "link_runner", raising(KeyboardInterrupt()))
    assert run() == 130
    assert [path.name for path in here.iterdir()] == ["out"]
    assert content_of(here / "out") == previous


def test_a_full_disk(
    run: Run,
    here: Path,
    prebuilt: None,
    previous: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(here / "out" / "lib" / "weights.o"))
    monkeypatch.setattr(bundle, "write_manifest", raising(full))
    assert run("--no-verify") == 2
    message = errors(capsys)
    assert "weights.o: No space left on device; nothing was written" in message
    assert [path.name for path in here.iterdir()] == ["out"]
    assert content_of(here / "out") == previous


def test_a_full_disk_without_a_file_s_name(
    run: Run, here: Path, prebuilt: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bundle, "write_manifest", raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    assert run("--no-verify") == 2
    assert "No space left on device" in errors(capsys)
    assert list(here.iterdir()) == []


def test_the_command_line_is_fast_to_complain() -> None:
    """Neither TVM nor PyTorch is imported for help and mistakes."""
    code = "import sys, compile.cli; sys.exit(bool({'tvm', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_as_a_program(here: Path) -> None:
    root = Path(bundle.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "compile", "--target", "hots"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: no target is named 'hots'")
    assert done.stdout == ""


def test_a_terminated_program_leaves_nothing(tiny_weights: Path, here: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(bundle.__file__).parents[1])}
    command = [sys.executable, "-m", "compile", "--target", "host", "--model", str(tiny_weights), "-o", "out"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as running:
        deadline_s = time.monotonic() + 120
        while not list(here.glob(".out.*.partial")):
            assert running.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        running.terminate()
        _, said = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said.splitlines()[-1] == "error: interrupted; nothing was written"
    assert list(here.iterdir()) == []


def test_the_shipped_model_for_arm_under_its_emulator(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of it: real weights, a cross compiler, another instruction set."""
    target = load("arm64")
    assert target.emulator is not None
    for program in (target.compilers[0], target.emulator.program):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    assert main(["--target", "arm64", "--model", "universal", "--json"]) == 0
    manifest = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in manifest["specialists"]] == ["universal"]
    assert manifest["verification"]["passes"] is True
    assert manifest["verification"]["command"][:1] == ["qemu-aarch64"]
    assert manifest["verification"]["worst"]["max_error"] <= 1e-5
    assert manifest["verification"]["tiles"] == 9
    library = here / "build" / "arm64" / manifest["library"]["shared"]
    assert elf_object.AARCH64.number == int.from_bytes(library.read_bytes()[18:20], "little")
