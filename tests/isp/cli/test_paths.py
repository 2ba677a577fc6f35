from __future__ import annotations

from pathlib import Path

import pytest

from isp.cli.paths import captures, targets
from isp.errors import ConfigError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.dng", "a.NEF", "c.raw", "notes.txt", "picture.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder.dng").mkdir()
    return tmp_path


def test_folder_gives_its_captures_sorted(folder: Path) -> None:
    assert [path.name for path in captures([str(folder)])] == ["a.NEF", "b.dng", "c.raw"]


def test_pattern_gives_what_it_matches(folder: Path) -> None:
    assert [path.name for path in captures([str(folder / "*.dng")])] == ["b.dng"]
    with pytest.raises(InputError, match="no file matches"):
        captures([str(folder / "*.arw")])


def test_files_are_taken_as_named_and_once(folder: Path) -> None:
    named = [str(folder / "notes.txt"), str(folder / "b.dng"), str(folder)]
    assert [path.name for path in captures(named)] == ["notes.txt", "b.dng", "a.NEF", "c.raw"]


def test_name_that_looks_like_a_pattern_is_a_file_if_it_exists(folder: Path) -> None:
    (folder / "[1].dng").touch()
    assert [path.name for path in captures([str(folder / "[1].dng")])] == ["[1].dng"]


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no capture"):
        captures([str(tmp_path)])


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("", "one.png"),
        ("x.tiff", "x.tiff"),
        ("folder/", "folder/one.png"),
        ("folder", "folder/one.png"),
        ("out/{stem}_small.jpg", "out/one_small.jpg"),
    ],
)
def test_target_of_one_capture(output: str, expected: str) -> None:
    assert targets([Path("in/one.dng")], output) == (Path(expected),)


def test_existing_folder_is_a_folder_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()
    assert targets([Path("one.dng")], str(tmp_path / "v1.2")) == (tmp_path / "v1.2/one.png",)


def test_one_file_for_many_captures() -> None:
    with pytest.raises(ConfigError, match=r"one file for 2 captures.*\{stem\}"):
        targets([Path("a.dng"), Path("b.dng")], "out.png")


@pytest.mark.parametrize("output", ["{name}.png", "out/{stem}_{}.png", "{Stem}/"])
def test_patterns_other_than_stem_are_refused(output: str) -> None:
    with pytest.raises(ConfigError, match=r"stands for nothing; expected \{stem\}"):
        targets([Path("a.dng")], output)


def test_two_captures_that_would_share_a_target() -> None:
    with pytest.raises(ConfigError, match="would both become"):
        targets([Path("x/a.dng"), Path("y/a.dng")], "out/")


def test_a_capture_is_never_a_target(folder: Path) -> None:
    capture = folder / "b.dng"
    (folder / "link").symlink_to(folder)
    for way in (str(capture), str(folder / "{stem}.dng"), str(folder / "link" / "b.dng")):
        with pytest.raises(ConfigError, match="overwrite a capture"):
            targets([capture], way)
