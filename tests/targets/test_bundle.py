"""What boards need to know of a bundle, and that what cannot be used is refused in clear words."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from isp.errors import ConfigError, InputError
from targets.bundle import bundle_id, read
from tests.targets.fake_boards import NAMES, make_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def change(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_manifest_is_read(folder: Path) -> None:
    manifest = read(folder).manifest
    assert (manifest.target, manifest.precision, manifest.abi) == ("arm64", "float32", 2)
    assert tuple(one.name for one in manifest.specialists) == NAMES
    assert manifest.specialists[1].shot_range == (5e-5, 2e-2)
    assert manifest.specialists[1].chosen_from == 1e-3


def test_the_identity_is_that_of_the_static_library(folder: Path) -> None:
    bundle = read(folder)
    text = hashlib.sha256((folder / "lib/libfan.a").read_bytes()).hexdigest()
    assert bundle.bundle_id == bundle_id(bundle.manifest) == hashlib.sha256(text.encode()).digest()[:16]


def test_a_compiled_bundle_says_how_much_memory_any_width_takes(tiny_bundle: Path) -> None:
    """The library's own sum."""
    from denoiser.libfan import Library

    specialist = read(tiny_bundle).manifest.specialists[0]
    library = Library(tiny_bundle / "lib/libfan.so", "host")
    for width in (16, 32, 48, 96, 240, 256, 272, 400, 512, 1024, 2000, 4096):
        needed = library.arena_bytes(0, 16, width, 1)
        assert needed <= specialist.arena_bytes(width) <= 1.02 * needed
    assert specialist.memory_bytes(64, 32) == 2 * 4 * 64 * 32 + specialist.arena_bytes(64)


def test_specialists_are_known_by_their_place(folder: Path) -> None:
    bundle = read(folder)
    assert [bundle.number(name) for name in NAMES] == [0, 1]
    with pytest.raises(ConfigError, match="no specialist 'secnd'; did you mean 'second'"):
        bundle.number("secnd")


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere: no such folder; expected a bundle"):
        read(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"manifest\.json: No such file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema": 2}, "schema: Input should be 1"),
        ({"precision": "float8"}, "precision: "),
        ({"abi": "2"}, "abi: "),
        ({"specialists": []}, "specialists: "),
        ({"library": {"static": "../libfan.a", "shared": None, "sha256": {}}}, r"library\.static: "),
        ({"library": {"static": "lib/libfan.a", "shared": None, "sha256": {}}}, "expected that of lib/libfan.a"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(folder: Path, changes: dict[str, object], words: str) -> None:
    change(folder, **changes)
    with pytest.raises(InputError, match=rf"manifest\.json: .*{words}"):
        read(folder)


def test_specialists_that_do_not_share_the_range_are_refused(folder: Path) -> None:
    specialists = json.loads((folder / "manifest.json").read_text())["specialists"]
    change(folder, specialists=specialists[::-1])
    with pytest.raises(InputError, match="expected 0 first, then ascending"):
        read(folder)
    change(folder, specialists=[specialists[0], {**specialists[1], "name": "first"}])
    with pytest.raises(InputError, match="expected each once"):
        read(folder)
    change(folder, specialists=[{**specialists[0], "arena_bytes_of_width": {"64": 1}}])
    with pytest.raises(InputError, match="expected 256 and 512 among the widths"):
        read(folder)


def test_a_library_that_was_changed_or_lost_is_refused(folder: Path) -> None:
    library = folder / "lib/libfan.a"
    library.write_bytes(b"other")
    with pytest.raises(InputError, match=r"libfan\.a: this library \(SHA-256 .*\) is not the one"):
        read(folder)
    library.unlink()
    with pytest.raises(InputError, match=r"libfan\.a: No such file"):
        read(folder)
