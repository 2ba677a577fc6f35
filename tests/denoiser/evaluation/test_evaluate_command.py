"""`python -m denoiser evaluate`: its sources, its output, its refusals."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser import cli_evaluate
from denoiser.__main__ import main
from denoiser.denoise import Denoiser
from denoiser.evaluation import bursts, dnd, sidd
from denoiser.evaluation.candidates import candidates
from denoiser.evaluation.scenes import scenes
from denoiser.evaluation.scores import evaluate
from denoiser.network import complexity
from isp.report.sidecar import sha256

WEIGHTS = Path(cli_evaluate.__file__).parent / "weights" / "universal.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photographs"
    path.mkdir()
    for seed in (1, 2):
        grain = np.random.default_rng(seed).integers(0, 255, (64, 96, 3), np.uint8)
        cv2.imwrite(str(path / f"{seed}.png"), cv2.GaussianBlur(grain, (9, 9), 3))
    return path


def test_json_is_what_the_library_measures(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["evaluate", "--photographs", str(folder), "--json", "--model", "universal"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    (model,) = document["models"]
    expected = evaluate(Denoiser("universal").denoise, scenes(folder))
    assert [level["raw_psnr_db"] for level in model["levels"]] == pytest.approx(
        [score.raw_psnr_db for score in expected.values()], abs=1e-4
    )
    assert document["source"]["photographs"] == ["1.png", "2.png"]
    assert document["source"]["recognised_as"] is None
    assert "left out" in caplog.text
    assert "[2/2] 2.png" in err


def test_several_models_and_a_report(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "mine.safetensors"
    shutil.copy(WEIGHTS, own)
    report = tmp_path / "new" / "report"
    models = ["--model", "universal", "--model", str(own)]
    assert main(["evaluate", "--photographs", str(folder), *models, "--report", str(report)]) == 0
    document = json.loads((report / "evaluation.json").read_text(encoding="utf-8"))
    assert [model["model"] for model in document["models"]] == ["universal", "mine"]
    network = document["models"][1]["networks"][0]
    assert network["sha256"] == sha256(own)
    denoiser = Denoiser("universal")
    cost = complexity(denoiser.loaded(denoiser.members[0]).network)
    assert (network["parameters"], network["kmac_per_px"]) == (cost.parameters, cost.mac_per_raw_pixel / 1e3)
    page = (report / "evaluation.html").read_text(encoding="utf-8")
    assert "<h4>shot noise 4e-3" in page
    assert "mine" in page
    table = capsys.readouterr().out
    assert table.count("| mean |") == 2
    assert f"{document['models'][0]['mean']['raw_psnr_db']:.2f}" in table


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / run / "weights.safetensors" for run in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        shutil.copy(WEIGHTS, path)
    asked = ["universal", str(paths[0]), str(paths[1]), "universal"]
    assert [one.label for one in candidates(asked)] == ["universal", str(paths[0]), str(paths[1])]


@dataclass(frozen=True)
class _BurstScore:
    name: str
    gain_db: float
    levels: tuple[float, ...]


def test_bursts_are_wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[object] = []

    def scored(denoise: object, folder: Path, *, layout: object) -> list[_BurstScore]:
        asked.extend([folder, layout])
        return [_BurstScore("one", 9.25, (1.0, 2.0)), _BurstScore("two", -0.5, (3.0,))]

    monkeypatch.setattr(bursts, "evaluate", scored)
    report = tmp_path / "report"
    options = ["--cfa", "BGGR", "--black", "60", "--white", "1023", "--report", str(report)]
    assert main(["evaluate", "--bursts", str(tmp_path), *options]) == 0
    assert "| two | -0.50 |" in capsys.readouterr().out
    assert asked[0] == tmp_path
    assert (asked[1].cfa, asked[1].black_dn, asked[1].white_dn) == ("BGGR", 60, 1023)
    (model,) = json.loads((report / "evaluation.json").read_text(encoding="utf-8"))["models"]
    assert model["scores"][0] == {"name": "one", "gain_db": 9.25, "levels": [1.0, 2.0]}
    assert "<td>9.25</td>" in (report / "evaluation.html").read_text(encoding="utf-8")


def test_sidd_is_wired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    score = sidd.SiddScore(40.0, 51.5, 0.8, 0.99, 1280, 40)
    monkeypatch.setattr(sidd, "evaluate", lambda denoise, folder, progress: score)
    assert main(["evaluate", "--sidd", str(tmp_path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["source"]["kind"] == "sidd"
    assert document["models"][0]["scores"][0]["denoised_psnr_db"] == 51.5


@pytest.mark.parametrize(("source", "module"), [("--sidd", sidd), ("--dnd", dnd)])
def test_submissions_are_wired(
    source: str, module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[tuple[Path, Path]] = []

    def write(denoise: object, folder: Path, out: Path, progress: object) -> int:
        progress(1, 2)
        written.append((folder, out))
        return 2

    monkeypatch.setattr(module, "write_submission", write)
    out = tmp_path / "out"
    assert main(["evaluate", source, str(tmp_path), "--submission", str(out)]) == 0
    assert written == [(tmp_path, out)]
    assert capsys.readouterr().out == f"{out}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dnd", "."], "--submission OUT"),
        (["--photographs", ".", "--submission", "out"], "--sidd DIR or --dnd DIR"),
        (["--dnd", ".", "--submission", "o", "--model", "universal", "--model", "auto"], "one --model"),
        (["--sidd", ".", "--submission", "o", "--report", "r"], "no scores"),
        (["--photographs", ".", "--threads", "0"], "1 or more"),
        (["--photographs", ".", "--cfa", "RGGB"], "--bursts DIR"),
        (["--photographs", ".", "--model", "no_such_model"], "no_such_model"),
    ],
)
def test_what_does_not_go_together_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("sources", [[], ["--photographs", ".", "--bursts", "."], ["--sidd", "no/such/folder"]])
def test_exactly_one_source(sources: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["evaluate", *sources])
    assert stopped.value.code == 2


def test_a_report_that_cannot_be_written_is_refused_first(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert main(["evaluate", "--photographs", str(folder), "--report", str(taken)]) == 2
    out, err = capsys.readouterr()
    assert "taken" in err
    assert out == ""
