"""SIDD folders as downloaded: version 5 files, 40 scenes, metadata of MATLAB's TIFF reader."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser.evaluation.sidd import CFA_OF_PHONE, SCENES, evaluate, write_submission
from isp.cfa import Cfa
from isp.errors import InputError
from isp.psnr import psnr_db

scipy_io = pytest.importorskip("scipy.io")

BLOCKS, SIDE = 2, 32
COLOUR_LEVELS = {"R": 0.2, "G": 0.5, "B": 0.8}
NOISE_SIGMA = 0.02


def clean_blocks() -> np.ndarray:
    """float32 [40, blocks, side, side], each colour with its own level in the phase of the scene's phone."""
    phases = {"GP": "BGGR", "N6": "BGGR", "G4": "BGGR", "IP": "RGGB", "S6": "GRBG"}
    scenes = []
    for scene in SCENES:
        levels = np.array([COLOUR_LEVELS[colour] for colour in phases[scene.split("_")[2]]]).reshape(2, 2)
        scenes.append(np.tile(levels, (BLOCKS, SIDE // 2, SIDE // 2)).reshape(BLOCKS, SIDE, SIDE))
    ramp = np.arange(BLOCKS)[None, :, None, None] * 0.01 + np.arange(SIDE)[:, None] * 1e-3
    return (np.array(scenes) + ramp).astype(np.float32)


def noisy_blocks() -> np.ndarray:
    clean = clean_blocks()
    noise = np.random.default_rng(1).normal(0, NOISE_SIGMA, clean.shape)
    return np.clip(clean + noise, 0, 1).astype(np.float32)


def data_set(folder: Path) -> Path:
    folder.mkdir()
    scipy_io.savemat(folder / "ValidationGtBlocksRaw.mat", {"ValidationGtBlocksRaw": clean_blocks()})
    scipy_io.savemat(
        folder / "ValidationNoisyBlocksRaw.mat", {"ValidationNoisyBlocksRaw": noisy_blocks()}, do_compression=True
    )
    scipy_io.savemat(folder / "BenchmarkNoisyBlocksRaw.mat", {"BenchmarkNoisyBlocksRaw": noisy_blocks()})
    return folder


def add_metadata(folder: Path, number: str, tags: list[tuple[int, object]]) -> Path:
    """`imfinfo`'s struct: tags without a name are a struct array [N, 1] of ID, Offset and Value."""
    path = folder / "SIDD_Benchmark_Data" / f"{number}_a_scene" / f"{number}_METADATA_RAW_010.MAT"
    path.parent.mkdir(parents=True)
    unknown = np.zeros((len(tags), 1), [("ID", object), ("Offset", object), ("Value", object)])
    for row, (tag, value) in zip(unknown, tags, strict=True):
        row[0] = (float(tag), 8.0, value)
    scipy_io.savemat(path, {"metadata": {"Model": "a phone", "UnknownTags": unknown}}, appendmat=False)
    return path


class Recorder:
    """A denoiser that checks the phase it is told against the colours it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Cfa, float, float]] = []

    def __call__(self, block: np.ndarray, cfa: Cfa, shot: float, read: float) -> np.ndarray:
        assert block.shape == (SIDE, SIDE)
        self.calls.append((cfa, shot, read))
        for position, colour in enumerate(cfa):
            assert block[position // 2 :: 2, position % 2 :: 2].mean() == pytest.approx(COLOUR_LEVELS[colour], abs=0.05)
        block *= np.float32(0.5)
        return block


def test_every_scene_has_the_phase_of_its_phone(tmp_path: Path) -> None:
    recorder = Recorder()
    score = evaluate(recorder, data_set(tmp_path / "data"))
    assert score.blocks == len(recorder.calls) == 40 * BLOCKS
    counts = {cfa: sum(told == cfa for told, *_ in recorder.calls) // BLOCKS for cfa in Cfa}
    assert counts == {Cfa.RGGB: 8, Cfa.BGGR: 24, Cfa.GRBG: 8, Cfa.GBRG: 0}


def test_a_wrong_pattern_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CFA_OF_PHONE, "S6", Cfa.GBRG)
    with pytest.raises(AssertionError):
        evaluate(Recorder(), data_set(tmp_path / "data"))


def test_scores_are_means_over_blocks(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    score = evaluate(Recorder(), data_set(tmp_path / "data"), lambda done, total: steps.append((done, total)))
    assert steps[0] == (1, 80)
    assert steps[-1] == (80, 80)
    pairs = list(zip(noisy_blocks().reshape(-1, SIDE, SIDE), clean_blocks().reshape(-1, SIDE, SIDE), strict=True))
    assert score.noisy_psnr_db == pytest.approx(np.mean([psnr_db(noisy, clean) for noisy, clean in pairs]), abs=1e-9)
    assert score.noisy_psnr_db == pytest.approx(-20 * np.log10(NOISE_SIGMA), abs=0.1)
    halved = np.mean([psnr_db(noisy / 2, clean) for noisy, clean in pairs])
    assert score.denoised_psnr_db == pytest.approx(halved, abs=1e-4)
    assert score.noisy_ssim > score.denoised_ssim


def test_ssim_is_that_of_the_challenge(tmp_path: Path) -> None:
    """Gaussian window of 11 pixels, sigma 1.5, peak 1, population variances, borders left out."""
    clean, noisy = (blocks[0, 0].astype(np.float64) for blocks in (clean_blocks(), noisy_blocks()))
    window = np.outer(*[cv2.getGaussianKernel(11, 1.5).ravel()] * 2)
    x, y = (np.lib.stride_tricks.sliding_window_view(image, (11, 11)) for image in (clean, noisy))
    mx, my = (x * window).sum((2, 3)), (y * window).sum((2, 3))
    vx, vy = (x * x * window).sum((2, 3)) - mx**2, (y * y * window).sum((2, 3)) - my**2
    cov = (x * y * window).sum((2, 3)) - mx * my
    expected = ((2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean()
    folder = data_set(tmp_path / "data")
    for name, block in (("ValidationGtBlocksRaw", clean), ("ValidationNoisyBlocksRaw", noisy)):
        same = np.broadcast_to(block.astype(np.float32), (40, BLOCKS, SIDE, SIDE))
        scipy_io.savemat(folder / f"{name}.mat", {name: same})
    assert evaluate(lambda block, *_: block, folder).noisy_ssim == pytest.approx(expected, abs=1e-4)


def test_noise_comes_from_the_metadata_else_from_the_blocks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = data_set(tmp_path / "data")
    add_metadata(folder, "0009", [(33422, [1, 0, 2, 1]), (51041, [3e-3, 4e-5])])
    add_metadata(folder, "0187", [(51041, [1e-3, 1e-5, 2e-3, 2e-5, 3e-3, 3e-5]), (51111, "end")])
    recorder = Recorder()
    with caplog.at_level(logging.WARNING):
        score = evaluate(recorder, folder)
    assert score.profiled_scenes == 2
    assert "38 of 40" in caplog.text
    assert recorder.calls[0][1:] == pytest.approx((3e-3, 4e-5))
    assert recorder.calls[-1][1:] == pytest.approx((2e-3, 2e-5))
    estimated = [np.sqrt(0.5 * shot + read) for _, shot, read in recorder.calls[BLOCKS:-BLOCKS]]
    assert np.median(estimated) == pytest.approx(NOISE_SIGMA, rel=0.25)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([(33422, [1, 0, 2, 1])], "NoiseProfile"),
        ([(51041, [1e-3, 1e-5, 2e-3])], "pairs"),
        ([(51041, [-1e-3, 1e-5])], "none negative"),
        ([(51041, "text")], "NoiseProfile"),
    ],
)
def test_metadata_without_a_usable_profile_is_refused(
    tags: list[tuple[int, object]], message: str, tmp_path: Path
) -> None:
    folder = data_set(tmp_path / "data")
    add_metadata(folder, "0021", tags)
    with pytest.raises(InputError, match=message):
        evaluate(Recorder(), folder)


def test_the_submission_is_what_the_server_reads(tmp_path: Path) -> None:
    folder, out = data_set(tmp_path / "data"), tmp_path / "new" / "out"
    assert write_submission(Recorder(), folder, out) == 80
    assert [path.name for path in out.iterdir()] == ["SubmitRaw.mat"]
    submission = scipy_io.loadmat(out / "SubmitRaw.mat")
    cells = submission["DenoisedBlocksRaw"]
    assert cells.shape == (40, BLOCKS)
    assert cells.dtype == object
    np.testing.assert_array_equal(cells[3, 1], noisy_blocks()[3, 1] / 2)
    assert cells[3, 1].dtype == np.float32
    assert 0 < submission["TimeMPRaw"].item() < 600
    assert set(submission["OptionalData"].dtype.names) == {"MethodName", "Authors", "PaperTitle", "Venue"}


def test_values_are_clipped_to_where_the_truth_is(tmp_path: Path) -> None:
    write_submission(lambda block, *_: 4 * block - 2, data_set(tmp_path / "data"), tmp_path / "out")
    block = scipy_io.loadmat(tmp_path / "out" / "SubmitRaw.mat")["DenoisedBlocksRaw"][0, 0]
    assert (block.min(), block.max()) == (0, 1)


def test_missing_damaged_and_wrong_files_are_named(tmp_path: Path) -> None:
    folder = data_set(tmp_path / "data")
    name = "ValidationGtBlocksRaw"
    path = folder / f"{name}.mat"
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"not a MATLAB file" * 50):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"GtBlocksRaw\.mat cannot be read"):
            evaluate(Recorder(), folder)
    path.unlink()
    with pytest.raises(InputError, match=r"GtBlocksRaw\.mat: no such file"):
        evaluate(Recorder(), folder)
    for variables, message in (
        ({"x": clean_blocks()}, "holds x; expected ValidationGtBlocksRaw"),
        ({name: (clean_blocks() * 255).astype(np.uint8)}, "uint8"),
        ({name: clean_blocks()[:39]}, "39"),
        ({name: clean_blocks()[:, :, :, :30]}, "the same"),
        ({name: "text"}, "str"),
    ):
        scipy_io.savemat(path, variables)
        with pytest.raises(InputError, match=message):
            evaluate(Recorder(), folder)
