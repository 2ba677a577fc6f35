"""`python -m targets validate` against agents that run on this machine."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults, PtyCable
from compile.golden import write
from isp.report.sidecar import sha256
from isp.sample import SAMPLE
from targets.__main__ import main
from targets.agent_build import build_agent
from targets.descriptions import load
from targets.errors import LinkError
from targets.golden import read
from targets.link.client import Board
from tests.targets.conftest import StartAgent

TILES = ("low", "middle", "high", "per-colour", "cleanest", "extremes", "smallest", "short", "narrow")


@pytest.fixture(scope="module")
def other_bundle(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same networks, yet not the same library."""
    folder = tmp_path_factory.mktemp("other") / "host"
    shutil.copytree(tiny_bundle, folder)
    library = folder / "lib/libfan.a"
    library.write_bytes(library.read_bytes() + b"\n")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["library"]["sha256"]["lib/libfan.a"] = sha256(library)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def wrong_reference(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle whose library computes other than one of its golden tiles says, by twice what is allowed."""
    folder = tmp_path / "wrong"
    shutil.copytree(tiny_bundle, folder)
    (golden,) = read(folder / "golden")
    low, *others = golden.tiles
    reference = low.reference.copy()
    reference[3, 4] += np.float32(2e-5)
    write(folder / "golden", [replace(golden, tiles=(replace(low, reference=reference), *others))])
    return folder


def test_a_board_that_computes_what_the_float_model_computes_passes(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new folder" / "report.html"
    assert main(["validate", str(tiny_bundle), "--board", "user:host", "-o", str(page)]) == 0
    out = capsys.readouterr().out
    assert [line.split()[1] for line in out.splitlines()[1:10]] == list(TILES)
    assert all(line.endswith(" ok") for line in out.splitlines()[1:10])
    assert "at user:host" in out
    assert page.read_text().count("<figure>") == 5 * len(TILES)
    assert list(page.parent.iterdir()) == [page]


def test_what_was_measured_as_json(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--board", "user:host", "--json", "--tiles", "low,narrow", "--specialist", "tiny"]
    assert main(["validate", str(tiny_bundle), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["passes"] is True
    assert [tile["tile"] for tile in told["tiles"]] == ["low", "narrow"]
    assert told["raw"] is None
    assert all(0 < tile["best_s"] < 1 for tile in told["tiles"])
    assert told["megapixels_per_s"] > 0
    arena = json.loads((tiny_bundle / "manifest.json").read_text())["specialists"][0]["arena_bytes_of_width"]
    assert told["tiles"][0]["arena_bytes"] == told["peak_arena_bytes"] == arena["128"]
    assert told["link"]["bytes_sent"] > 4 * 128 * 128


@pytest.mark.parametrize(
    ("first", "options", "expected"),
    [(115200, [], 3_000_000), (115200, ["--keep-baud"], 115200), (57600, ["--baud", "57600", "--keep-baud"], 57600)],
)
def test_the_rate_of_a_serial_port(
    tiny_bundle: Path,
    tmp_path: Path,
    first: int,
    options: list[str],
    expected: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program = build_agent(tiny_bundle, tmp_path / "fan-agent")
    cable = PtyCable(Faults())
    with cable, agent_process([program, "--tty", cable.board_path, "--baud", str(first)]):
        arguments = ["--board", cable.host_url, "--json", "--tiles", "short", *options]
        assert main(["validate", str(tiny_bundle), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["link"]["baud"] == expected
    # How much of the time the link took depends on how busy this machine is.
    assert [each for each in told["warnings"] if "of the time went into the link" not in each] == []


def test_a_mismatch_is_told_and_shown(
    wrong_reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    arguments = ["--board", "user:host", "--tiles", "low,short", "-o", str(page)]
    assert main(["validate", str(wrong_reference), *arguments]) == 1
    said = capsys.readouterr()
    assert "tiny, tile low: max error 2e-05, expected at most 1e-05" in said.out
    assert "error: host: 1 of 2 golden tiles fail; expected all within the target's thresholds" in said.err
    assert "<dd>1 of 2 fail</dd>" in page.read_text()


def test_a_board_with_another_bundle_is_refused(
    tiny_bundle: Path, other_bundle: Path, start_agent: StartAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    url = start_agent(tiny_bundle)
    assert main(["validate", str(other_bundle), "--board", url]) == 6
    assert "carries the bundle" in capsys.readouterr().err
    assert main(["validate", str(tiny_bundle), "--board", url, "--tiles", "short"]) == 0


def test_a_board_with_little_memory_is_told_what_is_needed(
    tiny_bundle: Path, start_agent: StartAgent, capsys: pytest.CaptureFixture[str]
) -> None:
    url = start_agent(tiny_bundle, "--memory", "100000")
    assert main(["validate", str(tiny_bundle), "--board", url]) == 6
    said = capsys.readouterr().err
    assert "for input, output and arena; tiny needs" in said
    fitting = said.split("--tiles ")[1].strip()
    assert fitting == "smallest,short,narrow"
    assert main(["validate", str(tiny_bundle), "--board", url, "--tiles", fitting]) == 0


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `build` in the folder where commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").mkdir()
    return tmp_path / "build"


def test_the_only_bundle_need_not_be_named(
    tiny_bundle: Path, build: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert main(["validate", "--board", "user:host"]) == 2
    assert "there is none in build" in capsys.readouterr().err
    for name in ("host", "arm64.failed"):
        shutil.copytree(tiny_bundle, build / name)
    (build / "tuning").mkdir()
    (build / "broken").mkdir()
    (build / "broken/manifest.json").write_text("{}")
    assert main(["validate", "--board", "user:host", "--tiles", "smallest"]) == 0
    assert "left out: build/broken/manifest.json" in caplog.text
    assert "bundle: build/host" in caplog.text


def test_of_several_bundles_that_is_taken_which_the_board_carries(
    tiny_bundle: Path,
    other_bundle: Path,
    build: Path,
    start_agent: StartAgent,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    url = start_agent(other_bundle)
    for name in ("first", "second"):
        shutil.copytree(tiny_bundle, build / name)
    assert main(["validate", "--board", "user:host"]) == 2
    assert "build has build/first, build/second; name one of them" in capsys.readouterr().err
    assert main(["validate", "--board", url]) == 2
    assert "which is none of build/first, build/second" in capsys.readouterr().err
    shutil.copytree(other_bundle, build / "third")
    assert main(["validate", "--board", url, "--tiles", "smallest"]) == 0
    assert "bundle: build/third" in caplog.text


def test_where_there_is_no_board(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"socket://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    for board in (["--board", "/dev/no-such-port"], ["--board", nobody], []):
        assert main(["validate", str(tiny_bundle), *board]) == 4
        assert capsys.readouterr().err.startswith("error: ")


def test_a_link_that_fails_is_no_mismatch(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silence(*_: object) -> None:
        raise LinkError("user:host has fallen silent")

    monkeypatch.setattr(Board, "run", silence)
    assert main(["validate", str(tiny_bundle), "--board", "user:host"]) == 5
    assert "error: user:host has fallen silent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{bundle}x", "--board", "user:host"], 2, "no such folder"),
        (["{bundle}", "--board", "pigeon:post"], 2, "names no board"),
        (["{bundle}", "--board", "user:host", "--tiles", "lo"], 2, "no golden tile 'lo'; did you mean 'low'"),
        (["{bundle}", "--board", "user:host", "--specialist", "tin"], 2, "did you mean 'tiny'"),
        (["{bundle}", "--board", "user:host", "--raw", "none.dng"], 2, "none.dng: no such file"),
        (["{bundle}", "--target", "none.yaml"], 3, "none.yaml: No such file"),
        (["{bundle}", "--target", "arm64", "--board", "user:host"], 2, "a bundle for host; expected one for arm64"),
        (["{bundle}", "--board", "user:host", "--baud", "9600"], 2, "--baud 9600 for user:host; expected --board and"),
        (["{bundle}", "--raw", str(SAMPLE), "--keep-baud"], 2, "--raw with --keep-baud"),
        (["{bundle}", "--baud", "9600"], 2, "--baud 9600 for no port"),
        (["{bundle}", "--board", "/dev/ttyUSB7", "--baud", "-1"], 2, "--baud -1; expected a number above 0"),
        (["{bundle}", "--board", "user:host", "-o", "{bundle}"], 2, ": a folder; expected the name of a page, such as"),
        (["{bundle}", "--board", "user:host", "-o", "{bundle}/manifest.json/r.html"], 2, "json cannot be made"),
    ],
)
def test_what_cannot_be_done_is_refused(
    tiny_bundle: Path, arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", *(text.format(bundle=tiny_bundle) for text in arguments)]) == code
    assert words in capsys.readouterr().err


def test_a_target_of_ones_own(tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its agent is built as its description says."""
    folder, description = tmp_path / "bundle", tmp_path / "my-core.yaml"
    shutil.copytree(tiny_bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "target": "my-core"}))
    host = asdict(load("host"))
    described = json.loads(json.dumps({**host, "name": "my-core"}))
    description.write_text(yaml.safe_dump(described))
    board = ["--board", "user:host", "--tiles", "short"]
    assert main(["validate", str(folder), *board, "--target", str(description)]) == 0
    assert main(["validate", str(folder), *board]) == 2
    assert "'my-core'" in capsys.readouterr().err


def test_a_bundle_with_a_damaged_library_is_refused(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(tiny_bundle, folder)
    (folder / "lib/libfan.a").write_bytes(b"")
    assert main(["validate", str(folder), "--board", "user:host"]) == 3
    assert "is not the one that the manifest lists" in capsys.readouterr().err


def test_a_capture_is_developed_by_the_board_as_by_the_host(
    tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    page = tmp_path / "report.html"
    arguments = ["--board", "user:host", "--tiles", "smallest", "-o", str(page), "--json"]
    raw = ["--raw", str(SAMPLE), "--host-backend", str(tiny_bundle)]
    assert main(["validate", str(tiny_bundle), *arguments, *raw]) == 0
    told = json.loads(capsys.readouterr().out)["raw"]
    assert told["passes"] is True
    assert told["model"] == "tiny"
    assert "host float32 on host (host), library" in told["board"]
    assert told["host"].startswith("host float32, library")
    assert told["max_error"] <= 1e-6
    assert told["most_codes"] <= 1
    board, host, both = (cv2.imread(path) for path in told["pictures"])
    assert [Path(path).parent for path in told["pictures"]] == [tmp_path] * 3
    assert board.shape == host.shape == (800, 1200, 3)
    assert both.shape[1] > 3 * 1200


def test_a_host_that_has_not_the_networks_is_refused(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--board", "user:host", "--tiles", "smallest", "--raw", str(SAMPLE)]
    assert main(["validate", str(tiny_bundle), *arguments]) == 2
    assert "no model is named 'tiny'" in capsys.readouterr().err
    assert list(tmp_path.glob("*.png")) == [tmp_path / "sample.board.png"]
