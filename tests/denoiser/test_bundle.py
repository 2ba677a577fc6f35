"""Bundles that are refused, and what is said then."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from denoiser import Denoiser
from isp.errors import ConfigError, InputError
from tests.denoiser.stub_bundles import MakeBundle, c_compiler, specialist, write_manifest


@pytest.mark.parametrize("model", ["universal", "specialist-3", "mine.safetensors"])
def test_a_model_that_the_bundle_does_not_hold_is_refused(make_bundle: MakeBundle, model: str) -> None:
    with pytest.raises(ConfigError, match=f"holds no model '{model}'; expected auto, specialists, specialist-1, spec"):
        Denoiser(model, str(make_bundle()))


def test_a_folder_that_is_not_there_is_an_option_at_fault() -> None:
    with pytest.raises(ConfigError, match="denoiser backend 'tourch'; expected torch, or the folder of a bundle"):
        Denoiser(backend="tourch")


def two(*begins: float) -> dict[str, object]:
    return {"specialists": [specialist(f"specialist-{n}", begin) for n, begin in enumerate(begins, 1)]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "manifest.json: schema: Input should be 1"),
        ({"specialists": []}, "manifest.json: specialists: .* at least 1"),
        (two(1e-4, 1e-3), "expected 0 first"),
        (two(0.0, 1e-3, 1e-4), "then ascending"),
        ({"specialists": [specialist("specialist-1", begin) for begin in (0.0, 1e-3)]}, "expected each once"),
        ({"library": {"shared": "../libfan.so", "sha256": {}}}, "library.shared: String should match"),
        ({"library": {"shared": None, "sha256": {}}}, "for host without a shared library"),
        ({"library": {"shared": "lib/libfan.so", "sha256": {}}}, "expected SHA-256 none"),
        ({"library": {"shared": "lib/other.so", "sha256": {}}}, "lib/other.so: No such file"),
        (two(0.0), "a library of specialist-1, specialist-2; expected specialist-1, as its manifest says"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    make_bundle: MakeBundle, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refused:
        Denoiser(backend=str(make_bundle(changes)))
    assert "python -m compile --target host" in str(refused.value)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ({"abi": 1}, "ABI version 1; expected 2; make the bundle"),
        ({"first": "specialist-7"}, "a library of specialist-7, specialist-2; expected specialist-1, specialist-2"),
    ],
)
def test_another_library_is_refused(make_bundle: MakeBundle, variant: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Denoiser(backend=str(make_bundle(**variant)))


def test_a_library_that_changed_since_is_refused(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    with (bundle / "lib" / "libfan.so").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"libfan.so: this library \(SHA-256 .* is not the one that the manifest"):
        Denoiser(backend=str(bundle))


def foreign(library: Path) -> None:
    """The header of the same file for a machine that isn't this one: s390 (22), in the ELF header's e_machine."""
    content = bytearray(library.read_bytes())
    content[18:20] = (22).to_bytes(2, "little")
    library.write_bytes(content)


@pytest.mark.parametrize("change", [foreign, lambda library: library.write_bytes(b"not a library at all")])
def test_a_library_for_another_machine_is_refused(make_bundle: MakeBundle, change: Callable[[Path], object]) -> None:
    bundle = make_bundle()
    change(bundle / "lib" / "libfan.so")
    write_manifest(bundle, {"target": "arm64"})
    with pytest.raises(InputError, match=r"can't load the library, which is for arm64 \(.*--target host"):
        Denoiser(backend=str(bundle))


def test_a_library_that_is_something_else_is_refused(make_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_bundle()
    source = tmp_path / "other.c"
    source.write_text("int other(void) { return 1; }\n")
    subprocess.run([c_compiler(), "-shared", "-fPIC", source, "-o", bundle / "lib" / "libfan.so"], check=True)
    write_manifest(bundle, {})
    with pytest.raises(InputError, match="no function fan_abi_version"):
        Denoiser(backend=str(bundle))


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest.json: No such file .*; expected the manifest of a bundle; make"):
        Denoiser(backend=str(tmp_path))
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest.json: the file: Invalid JSON"):
        Denoiser(backend=str(tmp_path))
