"""`python -m denoiser models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from denoiser import manifest
from denoiser.__main__ import main
from denoiser.weights_file import WEIGHTS_FOLDER
from tests.denoiser.model_folders import TWO, folder_of, put


def test_lists_the_shipped_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["name", "family"]
    for model, row in zip(manifest.shipped().models, rows, strict=True):
        assert row.split()[:2] == [model.name, model.family]
        assert f"{model.parameters:,}" in row
        assert f"{model.mac_per_raw_pixel / 1e3:.2f}" in row
        assert model.sha256[:12] in row
        for score in model.scores:
            assert f"{score.raw_psnr_db:.2f}" in row


def test_json_tells_everything_and_the_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["models"]
    written = json.loads((WEIGHTS_FOLDER / manifest.MANIFEST).read_text())["models"]
    for model, listed in zip(told, written, strict=True):
        assert model.pop("bytes") == (WEIGHTS_FOLDER / listed["file"]).stat().st_size
    assert told == written


def test_rebuild_takes_new_weights_and_scores_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["models", "--folder", str(tmp_path)]
    for name, shot_range in TWO.items():
        put(tmp_path, name, shot_range)
    assert main(folder) == 3
    assert "manifest.json" in capsys.readouterr().err
    assert main([*folder, "--rebuild"]) == 0
    out = capsys.readouterr().out
    border = f"{manifest.read(tmp_path).models[1].chosen_range[0]:.2e}"
    assert f"below {border}" in out
    assert f"from {border}" in out

    level = {"shot": 1e-4, "raw_psnr_db": 50.987, "rendered_psnr_db": 41.0, "ssim": 0.9, "dark_bias": 0.2}
    weights = manifest.read(tmp_path).models[0].sha256
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(
        json.dumps(
            {
                "source": {"recognised_as": "Kodak 13 to 24"},
                "models": [{"model": "specialist-1", "networks": [{"sha256": weights}], "levels": [level]}],
            }
        )
    )
    assert main([*folder, "--rebuild", "--scores", str(evaluation)]) == 0
    assert "50.99" in capsys.readouterr().out
    assert main([*folder, "--rebuild"]) == 0
    assert "50.99" in capsys.readouterr().out

    put(tmp_path, "specialist-1", TWO["specialist-1"], lambda network: network.head.bias.add_(0.01))
    assert main(folder) == 3
    assert "not those listed for specialist-1" in capsys.readouterr().err
    assert main([*folder, "--rebuild"]) == 0
    assert "50.99" not in capsys.readouterr().out
    assert main(folder) == 0


def test_scores_of_none_of_the_models_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder_of(tmp_path, TWO)
    before = (tmp_path / manifest.MANIFEST).read_bytes()
    level = {"shot": 1e-4, "raw_psnr_db": 50.987, "rendered_psnr_db": 41.0, "ssim": 0.9, "dark_bias": 0.2}
    evaluation = tmp_path / "evaluation.json"
    evaluation.write_text(
        json.dumps(
            {
                "source": {"recognised_as": "Kodak 13 to 24"},
                "models": [{"model": "teacher", "networks": [{"sha256": "0" * 64}], "levels": [level]}],
            }
        )
    )
    assert main(["models", "--folder", str(tmp_path), "--rebuild", "--scores", str(evaluation)]) == 3
    assert "evaluation.json: scores of other weights" in capsys.readouterr().err
    assert (tmp_path / manifest.MANIFEST).read_bytes() == before


def test_scores_without_rebuild_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--scores", "a.json"]) == 2
    assert "--scores without --rebuild" in capsys.readouterr().err


def test_a_missing_folder_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["models", "--folder", "no/such"])
    assert "no/such: no such folder" in capsys.readouterr().err
