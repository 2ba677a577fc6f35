"""DND folders as MATLAB writes them: HDF5 with transposed arrays, references and text as uint16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from denoiser.evaluation import matlab_files
from denoiser.evaluation.dnd import write_submission
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError

h5py = pytest.importorskip("h5py")
scipy_io = pytest.importorskip("scipy.io")

SIZE = (24, 32)
EVEN, ODD = (1, 1, 8, 10), (4, 7, 11, 18)
"""Boxes of 8x10 and 8x12 as MATLAB counts; the second starts at an odd row, 0-based, and an even column."""
COLOUR_LEVELS = {"R": 0.2, "G": 0.5, "B": 0.8}


def mosaic(cfa: str) -> np.ndarray:
    """Each colour has its own level, and a ramp shows where a pixel comes from."""
    levels = np.array([COLOUR_LEVELS[colour] for colour in cfa]).reshape(2, 2)
    ramp = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) * 1e-6
    return np.tile(levels, (SIZE[0] // 2, SIZE[1] // 2)) + ramp


def matlab_file(path: Path) -> h5py.File:
    """An HDF5 file with the 512 bytes in front that make it MATLAB's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return h5py.File(path, "w", userblock_size=512)


def put(group: h5py.Group, name: str, value: object) -> h5py.Dataset:
    """A numeric array or text, transposed and marked as MATLAB does."""
    if isinstance(value, str):
        data, kind = np.array([[ord(letter)] for letter in value], np.uint16), b"char"
    else:
        data, kind = np.atleast_2d(np.asarray(value)).T, b"double"
    dataset = group.create_dataset(name, data=data)
    dataset.attrs["MATLAB_class"] = np.bytes_(kind)
    return dataset


def data_set(
    folder: Path,
    cfas: Sequence[str] = ("rggb", "gbrg"),
    boxes: Sequence[Sequence[int]] = (EVEN, ODD),
    noise: tuple[float, float] = (1e-3, 2e-6),
) -> Path:
    with matlab_file(folder / "info.mat") as file:
        info, targets = file.create_group("info"), file.create_group("#refs#")
        info.attrs["MATLAB_class"] = np.bytes_(b"struct")
        references: dict[str, list[object]] = {"boundingboxes": [], "nlf": [], "camera": []}
        for index, cfa in enumerate(cfas):
            references["boundingboxes"].append(put(targets, f"b{index}", np.array(boxes, np.float64)).ref)
            nlf, camera = targets.create_group(f"n{index}"), targets.create_group(f"c{index}")
            put(nlf, "a", noise[0] * (index + 1))
            put(nlf, "b", noise[1] * (index + 1))
            put(camera, "bayertype", cfa)
            put(camera, "pattern", np.array([["rgb".index(colour) + 1 for colour in cfa]]).reshape(2, 2))
            references["nlf"].append(nlf.ref)
            references["camera"].append(camera.ref)
        for name, values in references.items():
            info.create_dataset(name, data=np.array([values], h5py.ref_dtype))
    for index, cfa in enumerate(cfas):
        with matlab_file(folder / "images_raw" / f"{index + 1:04d}.mat") as file:
            put(file, "Inoisy", mosaic(cfa.upper()))
    return folder


class Recorder:
    """A denoiser that checks the phase it is told against the colours it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[np.ndarray, Cfa, float, float]] = []

    def __call__(self, crop: np.ndarray, cfa: Cfa, shot: float, read: float) -> np.ndarray:
        self.calls.append((crop.copy(), cfa, shot, read))
        for position, colour in enumerate(cfa):
            assert crop[position // 2 :: 2, position % 2 :: 2] == pytest.approx(COLOUR_LEVELS[colour], abs=2e-3)
        return crop + np.float32(1e-3)


@pytest.mark.parametrize("cfa", ["rggb", "bggr", "grbg", "gbrg"])
def test_boxes_come_with_their_pixels_phase_and_noise(cfa: str, tmp_path: Path) -> None:
    recorder = Recorder()
    count = write_submission(recorder, data_set(tmp_path / "data", [cfa, "rggb"]), tmp_path / "out")
    assert count == 4
    (even, phase, shot, read), (odd, odd_phase, *_), (_, _, second_shot, second_read), _ = recorder.calls
    image = mosaic(cfa.upper()).astype(np.float32)
    np.testing.assert_array_equal(even, image[0:8, 0:10])
    np.testing.assert_array_equal(odd, image[3:11, 6:18])
    assert even.dtype == np.float32
    assert even.flags["C_CONTIGUOUS"]
    assert phase == Cfa(cfa.upper())
    assert odd_phase == Cfa(cfa.upper()).shifted(1, 0) != phase
    assert (shot, read) == (1e-3, 2e-6)
    assert (second_shot, second_read) == (2e-3, 4e-6)


def test_a_wrong_pattern_is_noticed(tmp_path: Path) -> None:
    """The recorder itself: it must not pass whatever it is told."""
    folder = data_set(tmp_path / "data")
    with matlab_file(folder / "images_raw" / "0002.mat") as file:
        put(file, "Inoisy", mosaic("GRBG"))
    with pytest.raises(AssertionError):
        write_submission(Recorder(), folder, tmp_path / "out")


def test_the_submission_is_what_the_server_reads(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    folder, out = data_set(tmp_path / "data"), tmp_path / "new" / "out"
    write_submission(Recorder(), folder, out, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sorted(path.name for path in (out / "bundled").iterdir()) == ["0001.mat", "0002.mat"]
    bundle = scipy_io.loadmat(out / "bundled" / "0002.mat")
    assert bundle["Idenoised"].shape == (1, 2)
    assert bundle["Idenoised"].dtype == object
    assert bundle["eval_version"].tolist() == ["1.0"]
    assert bundle["israw"].tolist() == [[1]]
    box = bundle["Idenoised"][0, 1]
    assert box.dtype == np.float32
    np.testing.assert_allclose(box, mosaic("GBRG")[3:11, 6:18] + 1e-3, atol=1e-6)


def test_values_are_clipped_to_where_the_truth_is(tmp_path: Path) -> None:
    write_submission(lambda crop, *_: 4 * crop - 2, data_set(tmp_path / "data"), tmp_path / "out")
    box = scipy_io.loadmat(tmp_path / "out" / "bundled" / "0001.mat")["Idenoised"][0, 0]
    assert (box.min(), box.max()) == (0, 1)


def test_a_failing_denoiser_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    calls: list[int] = []

    def failing(crop: np.ndarray, *_: object) -> np.ndarray:
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError
        return crop

    with pytest.raises(RuntimeError):
        write_submission(failing, data_set(tmp_path / "data"), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out" / "bundled").iterdir()] == ["0001.mat"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cfas": ["rgbg"]}, "rgbg|RGBG"),
        ({"boxes": [(1, 1, 7, 10)]}, "even"),
        ({"boxes": [(9, 1, 8, 10)]}, "even"),
        ({"boxes": [(1, 1, 40, 10)]}, "0001.mat is of 24x32"),
        ({"boxes": [(1, 1, 8)]}, "unpack"),
        ({"noise": (-1e-3, 1e-6)}, "noise a"),
        ({"noise": (float("nan"), 1e-6)}, "noise a"),
    ],
)
def test_facts_that_cannot_be_are_refused(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_submission(Recorder(), data_set(tmp_path / "data", **change), tmp_path / "out")


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"info\.mat: no such file"):
        write_submission(Recorder(), tmp_path, tmp_path / "out")
    folder = data_set(tmp_path / "data")
    second = folder / "images_raw" / "0002.mat"
    content = second.read_bytes()
    second.unlink()
    recorder = Recorder()
    with pytest.raises(InputError, match=r"0002\.mat: no such file"):
        write_submission(recorder, folder, tmp_path / "out")
    assert not recorder.calls
    second.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"0002\.mat cannot be read"):
        write_submission(Recorder(), folder, tmp_path / "out")
    with matlab_file(second) as file:
        put(file, "InoisySRGB", mosaic("RGGB"))
    with pytest.raises(InputError, match="holds InoisySRGB; expected Inoisy"):
        write_submission(Recorder(), folder, tmp_path / "out")
    with h5py.File(folder / "info.mat", "r+") as file:
        del file["info"]["nlf"]
    with pytest.raises(InputError, match="nlf"):
        write_submission(Recorder(), folder, tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_submission(Recorder(), data_set(tmp_path / "data"), tmp_path / "out")


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(matlab_files.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'fan-isp\[datasets\]'"):
        write_submission(Recorder(), tmp_path, tmp_path / "out")
