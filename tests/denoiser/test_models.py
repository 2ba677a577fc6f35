"""The catalogue of models: that it agrees with the weights, and which network it chooses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from denoiser import Denoiser, manifest
from denoiser.evaluation.candidates import candidates
from denoiser.evaluation.comparison import Comparison, Result, SceneScore
from denoiser.evaluation.document import comparison_document
from denoiser.evaluation.rivals import NOISY_RAW_PSNR_DB
from denoiser.evaluation.scenes import SHOTS, read_variance
from denoiser.evaluation.scores import Score
from denoiser.manifest import Measurement
from denoiser.models import Catalogue, Family, LevelScore
from denoiser.network import FeatureAlignNetwork
from denoiser.weights_file import WEIGHTS_FOLDER
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.psnr import psnr_db
from isp.sample.scene import render
from isp.sample.sensor import mosaic_of
from tests.denoiser.model_folders import TWO, folder_of, put

STEP_DB = 0.1
STEP_SIGMAS = 0.02


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Two specialists that are the same network."""
    return folder_of(tmp_path_factory.mktemp("two"), TWO)


def test_the_shipped_manifest_agrees_with_the_shipped_weights() -> None:
    shipped = manifest.shipped()
    shipped.check_files()
    assert manifest.build(shipped.folder, manifest.kept(shipped)) == shipped, "run python -m denoiser models --rebuild"


def test_every_model_in_its_budget() -> None:
    for model in manifest.shipped().models:
        assert model.parameters <= 161_000
        assert model.mac_per_raw_pixel <= (1350 if model.family is Family.SMALL else 2670)


def test_the_manifest_comes_back_as_it_was_written(two: Catalogue) -> None:
    low, high = two.models
    assert (low.name, high.name) == ("specialist-1", "specialist-2")
    assert (low.shot_range, high.shot_range) == tuple(TWO.values())
    border = pytest.approx((1.5e-3 * 7e-4) ** 0.5, rel=1e-5)
    assert low.chosen_range == (0.0, border)
    assert high.chosen_range == (border, None)
    assert manifest.read(two.folder) == two


def test_each_noise_level_is_served_by_one_member(tmp_path: Path) -> None:
    ranges = {"small-1": (3e-5, 3e-4), "small-2": (2e-4, 2e-3), "small-3": (1e-3, 2e-2), "universal": (5e-5, 2e-2)}
    catalogue = folder_of(tmp_path, ranges)
    choice = catalogue.resolve("small")
    borders = [model.chosen_range[0] for model in catalogue.family("small")]
    assert [choice.member_for(shot).name[-1] for shot in (0.0, 1e-6, 2e-4, 5e-4, 1e-2, 0.5)] == list("111233")
    for number, border in enumerate(borders[1:], 2):
        assert choice.member_for(border).name == f"small-{number}"
        assert choice.member_for(np.nextafter(border, 0)).name == f"small-{number - 1}"
    assert [model.name for model in catalogue.models] == ["universal", "small-1", "small-2", "small-3"]


def test_auto_means_the_specialists_where_there_are_any(two: Catalogue) -> None:
    assert [member.name for member in two.resolve("auto").members] == list(TWO)
    without = Catalogue(WEIGHTS_FOLDER, manifest.shipped().family("universal"))
    assert [member.name for member in without.resolve("auto").members] == ["universal"]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("specialist", "did you mean 'specialists'"),
        ("small", "family 'small' has no models"),
        ("nothing/like/it.safetensors", "no model is named"),
        ("", "there are: auto, specialist-1, specialist-2, specialists"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(two: Catalogue, model: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        two.resolve(model)


def test_weights_other_than_those_listed_are_refused(tmp_path: Path) -> None:
    catalogue = folder_of(tmp_path, TWO)
    denoiser = Denoiser("specialists", catalogue=catalogue)
    put(tmp_path, "specialist-2", TWO["specialist-2"], lambda network: network.head.bias.add_(0.01))
    noisy = np.zeros((16, 16), np.float32)
    denoiser.denoise(noisy, "RGGB", 1e-4, 1e-8)
    with pytest.raises(InputError, match=r"not those listed for specialist-2.*--rebuild"):
        denoiser.denoise(noisy, "RGGB", 1e-2, 1e-4)
    with pytest.raises(InputError, match="not those listed for specialist-2"):
        catalogue.check_files()
    (tmp_path / "specialist-2.safetensors").unlink()
    with pytest.raises(InputError, match="No such file"):
        catalogue.check_files()


def test_weights_that_are_not_listed_are_noticed(tmp_path: Path) -> None:
    catalogue = folder_of(tmp_path, TWO)
    put(tmp_path, "universal", (5e-5, 2e-2))
    with pytest.raises(InputError, match=r"universal.safetensors not listed"):
        catalogue.check_files()


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"specialist-1": (5e-5, 1e-3), "specialist-2": (2e-3, 2e-2)}, "without a gap"),
        ({"specialist-1": (5e-5, 1e-3), "specialist-2": (5e-4, 1e-2)}, "without a gap"),
        ({"small-1": (1e-4, 2e-2)}, "without a gap"),
        ({"specialist-1": (7e-4, 2e-2), "specialist-2": (5e-5, 1.5e-3)}, "from clean to noisy"),
        ({"small-2": (5e-5, 2e-2)}, "no family expects small-2.safetensors"),
        ({"pupil": (5e-5, 2e-2)}, "no family expects pupil.safetensors"),
    ],
)
def test_a_family_that_leaves_noise_out_is_refused(
    tmp_path: Path, ranges: dict[str, tuple[float, float]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        folder_of(tmp_path, ranges)
    assert not (tmp_path / manifest.MANIFEST).exists()


def test_weights_under_a_name_that_is_not_theirs_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "universal", (5e-5, 2e-2)).rename(tmp_path / "small-1.safetensors")
    with pytest.raises(InputError, match="call themselves 'universal'; expected 'small-1'"):
        manifest.build(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("schema_version"), "schema_version"),
        (lambda content: content.update(schema_version=2), "schema_version"),
        (lambda content: content.update(notes=""), "notes"),
        (lambda content: content["models"][0].update(widths=[8]), "widths"),
        (lambda content: content["models"][0].update(sha256="ab"), "models.0.sha256"),
        (lambda content: content["models"][0].update(parameters="140328"), "models.0.parameters"),
        (lambda content: content["models"][0].update(family="big"), "models.0.family"),
        (lambda content: content["models"][1].update(file="../other.safetensors"), "models.1.file"),
        (lambda content: content["models"][1].update(name="specialist-1"), "each once"),
        (lambda content: content["models"][1].update(chosen_range=[2e-3, None]), "where the one before ends"),
        (lambda content: content["models"][1].update(chosen_range=[1e-3, 1e-2]), "no end"),
        (lambda content: content["models"].pop(0), "begin at 0"),
        (lambda content: content["models"].reverse(), "begin at 0"),
    ],
)
def test_a_manifest_that_is_none_is_refused(two: Catalogue, tmp_path: Path, change: object, message: str) -> None:
    content = json.loads((two.folder / manifest.MANIFEST).read_text())
    change(content)
    (tmp_path / manifest.MANIFEST).write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        manifest.read(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", None])
def test_a_folder_without_a_readable_manifest_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / manifest.MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"manifest.json: .*--rebuild"):
        manifest.read(tmp_path)


def levels(raw_psnr_db: float) -> tuple[LevelScore, ...]:
    return tuple(LevelScore(shot, raw_psnr_db, 30.0, 0.5) for shot in SHOTS)


def test_scores_belong_to_the_weights_they_were_measured_with(two: Catalogue, tmp_path: Path) -> None:
    shutil.copy(two.folder / "specialist-1.safetensors", tmp_path)
    put(tmp_path, "specialist-2", TWO["specialist-2"], lambda network: network.head.bias.add_(0.01))
    other = manifest.build(tmp_path)
    low, high = other.models
    assert low.sha256 == two.models[0].sha256
    assert high.sha256 != two.models[1].sha256

    def scored(*measured: Measurement) -> list[list[tuple[float, float]]]:
        built = manifest.build(other.folder, measured)
        return [[(score.shot, score.raw_psnr_db) for score in model.scores] for model in built.models]

    both = frozenset({low.sha256, high.sha256})
    assert scored(Measurement(frozenset({low.sha256}), levels(1.0))) == [[(shot, 1.0) for shot in SHOTS[:3]], []]
    # A family's score at a level is that of the member which it chose there.
    family = Measurement(both, levels(2.0))
    assert scored(family) == [[(shot, 2.0) for shot in SHOTS[:2]], [(shot, 2.0) for shot in SHOTS[2:]]]
    # The later one counts.
    alone = Measurement(frozenset({high.sha256}), levels(3.0)[2:3])
    assert scored(family, alone)[1] == [(SHOTS[2], 3.0), (SHOTS[3], 2.0), (SHOTS[4], 2.0)]
    # Another family's scores say nothing of a member in this one; scores of former weights are gone.
    assert scored(Measurement(both | {"0" * 64}, levels(4.0))) == [[], []]
    former = manifest.build(two.folder, [Measurement(frozenset({two.models[1].sha256}), levels(5.0))])
    assert len(former.models[1].scores) == 3
    assert scored(*manifest.kept(former)) == [[], []]


def evaluation(folder: Path, noisy_db: tuple[float, ...]) -> Path:
    """What `evaluate --json` would write of the universal network."""

    def result(label: str, raw_psnr_db: tuple[float, ...]) -> Result:
        scores = [Score(db, 30 + number, 0.9, number) for number, db in enumerate(raw_psnr_db)]
        return Result(label, tuple(SceneScore("a.png", *pair) for pair in zip(SHOTS, scores, strict=True)))

    comparison = Comparison(
        folder,
        (),
        candidates(["universal"]),
        result("noisy", noisy_db),
        (result("universal", (50, 46, 42, 38, 34)),),
        (),
    )
    path = folder / "evaluation.json"
    path.write_text(json.dumps(comparison_document(comparison)))
    return path


def test_an_evaluation_is_read_as_it_is_written(tmp_path: Path) -> None:
    (measured,) = manifest.read_evaluation(evaluation(tmp_path, NOISY_RAW_PSNR_DB))
    assert measured.networks == {manifest.shipped().resolve("universal").members[0].sha256}
    assert measured.levels[1] == LevelScore(4e-4, 46, 31, 1)
    assert [level.shot for level in measured.levels] == list(SHOTS)


def test_scores_on_other_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Kodak 13 to 24"):
        manifest.read_evaluation(evaluation(tmp_path, (40, 40, 40, 40, 40)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"source": {"recognised_as": "x"}, "models": [{}]}'])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "e.json").write_text(text)
    with pytest.raises(InputError, match=r"e.json.*evaluate"):
        manifest.read_evaluation(tmp_path / "e.json")


@dataclass(frozen=True)
class Step:
    """What a viewer sees where one member hands over to the next. offset_sigmas: largest difference of
    the means of a colour plane, in standard deviations of the noise."""

    psnr_db: float
    offset_sigmas: float

    @property
    def is_visible(self) -> bool:
        return self.psnr_db >= STEP_DB or self.offset_sigmas >= STEP_SIGMAS


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """Mosaic of a still life, stone, a dark corner and part of a star, float32 [512, 512], GBRG."""
    return mosaic_of(np.clip(render()[152:664, 664:1176], 0, 1), Cfa.GBRG)


def steps(catalogue: Catalogue, clean: np.ndarray) -> Iterator[tuple[str, Step]]:
    """The step at each border of each family: a static scene just below it and just above."""
    grain = np.random.default_rng(7).standard_normal(clean.shape)
    for family in Family:
        denoiser = Denoiser(family, catalogue=catalogue) if catalogue.family(family) else None
        for below, above in pairwise(denoiser.members if denoiser else ()):
            outputs, psnrs_db = [], []
            for shot, member in ((above.chosen_from * (1 - 1e-6), below), (above.chosen_from * (1 + 1e-6), above)):
                assert denoiser.member_for(shot) == member
                sigma = np.sqrt(shot * clean + read_variance(shot))
                noisy = (clean + sigma * grain).astype(np.float32)
                outputs.append(denoiser.denoise(noisy, Cfa.GBRG, shot, read_variance(shot)))
                psnrs_db.append(psnr_db(outputs[-1], clean))
            difference = (outputs[1] - outputs[0]).astype(np.float64)
            offsets = [difference[row::2, column::2].mean() / sigma.mean() for row in (0, 1) for column in (0, 1)]
            yield above.name, Step(abs(psnrs_db[1] - psnrs_db[0]), float(np.abs(offsets).max()))


def test_no_step_shows_where_a_shipped_family_changes_its_member(clean: np.ndarray) -> None:
    found = dict(steps(manifest.shipped(), clean))
    if not found:
        pytest.skip("no family of several models is shipped")
    assert not {name: step for name, step in found.items() if step.is_visible}


def _lifted(network: FeatureAlignNetwork) -> None:
    network.head.bias += 0.02


def _weakened(network: FeatureAlignNetwork) -> None:
    network.head.weight *= 0.8
    network.head.bias *= 0.8


def test_a_step_would_show(clean: np.ndarray, two: Catalogue, tmp_path: Path) -> None:
    ((name, none),) = steps(two, clean)
    assert name == "specialist-2"
    assert none.psnr_db < 1e-3
    assert none.offset_sigmas < 1e-4
    for number, change in enumerate((_lifted, _weakened)):
        (folder := tmp_path / str(number)).mkdir()
        ((_, step),) = steps(folder_of(folder, TWO, {"specialist-2": change}), clean)
        assert step.is_visible, change
        if change is _lifted:
            assert step.offset_sigmas == pytest.approx(0.08, rel=0.1)
        else:
            assert step.psnr_db > STEP_DB
