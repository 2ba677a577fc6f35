"""What lies in a bundle, and that its parts belong together."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from compile import bundle, golden
from compile.arena import arena_bytes
from compile.bundle import Built, Request
from compile.elf_object import defined_symbols
from compile.golden_run import run_tile
from compile.networks import SourceFamily, SourceNetwork, load
from compile.verification import verify
from denoiser import bundle as denoiser_bundle
from denoiser import weights_file
from denoiser.models import Member
from denoiser.network import complexity, receptive_field
from isp.report.sidecar import sha256
from targets.descriptions import Precision, Target
from targets.descriptions import load as load_target
from targets.golden import PARTS, read
from targets.toolchain import find_compiler
from tests.compile.compiled_kernels import c_compiler
from tests.compile.conftest import SHOT_RANGE

HOOKS = Path(str(files("firmware_hooks")))
TAKEN_OVER = (
    *("include/fan.h", "include/fan_frame.h", "src/fan.c", "src/fan_frame.c"),
    *(f"src/fan_{part}.h" for part in ("groups", "model", "noise", "normalisation", "rows", "team")),
)
BORDER = 1e-3


def two(tiny_weights: Path, other_weights: Path) -> SourceFamily:
    """Networks of two shapes, for clean and for noisy mosaics."""
    networks = []
    for path, chosen_from in ((tiny_weights, 0.0), (other_weights, BORDER)):
        network, header = weights_file.load(path)
        networks.append(SourceNetwork(Member(header.name, path, sha256(path), chosen_from), network, header))
    return SourceFamily("pair", tuple(networks))


def request_for(target: Target, family: SourceFamily, with_compiler: bool = True) -> Request:
    return Request(target, Precision.FLOAT32, family, find_compiler(target) if with_compiler else None)


@pytest.fixture(scope="module")
def pair(
    tiny_weights: Path, other_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Request, Path, Built]:
    c_compiler()
    folder = tmp_path_factory.mktemp("bundles") / "host"
    folder.mkdir()
    request = request_for(load_target("host"), two(tiny_weights, other_weights))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "SCENES", tuple(each for each in golden.SCENES if each.name in ("smallest", "short")))
        patch.chdir(folder.parent)
        built = bundle.build(request, folder)
    bundle.write_manifest(folder, request, built, None)
    return request, folder, built


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_lies_in_it(pair: tuple[Request, Path, Built]) -> None:
    _, folder, _ = pair
    tiles = {f"golden/{n}/{tile}.{part}.f32" for n in (0, 1) for tile in ("smallest", "short") for part in PARTS}
    sources = {*TAKEN_OVER, "src/fan_model.c"}
    objects = {f"lib/{name}.o" for name in ("kernels", "weights", "fan", "fan_frame", "fan_model")}
    libraries = {"lib/libfan.a", "lib/libfan.so"}
    assert names_in(folder) == {"manifest.json", "golden/index.json"} | sources | objects | libraries | tiles


def test_the_engine_s_sources_are_taken_over(pair: tuple[Request, Path, Built]) -> None:
    for name in TAKEN_OVER:
        assert (pair[1] / name).read_bytes() == (HOOKS / name).read_bytes()


def test_the_archive_holds_the_objects(pair: tuple[Request, Path, Built], tmp_path: Path) -> None:
    archive = pair[1] / "lib" / "libfan.a"
    listed = subprocess.run(["ar", "t", archive], capture_output=True, text=True, check=True).stdout.split()
    assert sorted(listed) == ["fan.o", "fan_frame.o", "fan_model.o", "kernels.o", "weights.o"]
    subprocess.run(["ar", "x", archive], cwd=tmp_path, check=True)
    for name in listed:
        assert (tmp_path / name).read_bytes() == (pair[1] / "lib" / name).read_bytes()


def test_its_sources_are_the_library_s(pair: tuple[Request, Path, Built], tmp_path: Path) -> None:
    """Whoever compiles `src/` with the objects made without a compiler gets the same library."""
    folder = pair[1]
    sources = [folder / "src" / name for name in ("fan.c", "fan_frame.c", "fan_model.c")]
    objects = [folder / "lib" / "kernels.o", folder / "lib" / "weights.o"]
    library = tmp_path / "libfan.so"
    command = [c_compiler(), "-std=c99", "-O2", "-fPIC", "-shared", f"-I{folder / 'include'}", *sources, *objects]
    subprocess.run([*command, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).fan_arena_bytes
    function.restype, function.argtypes = ctypes.c_size_t, [ctypes.c_uint32] * 3
    request, _, built = pair
    for number, specialist in enumerate(request.specialists):
        assert function(number, 256, 256) == arena_bytes(specialist.program, 4, built.scratch_bytes, 256)


def test_the_library_exports_its_interface_and_no_name_of_others(pair: tuple[Request, Path, Built]) -> None:
    command = ["nm", "-D", "--defined-only", pair[1] / "lib" / "libfan.so"]
    exported = {
        line.split()[-1] for line in subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    }
    headers = (pair[1] / "include").glob("*.h")
    declared = {name for header in headers for name in re.findall(r"^\w.*\b(fan_\w+)\(", header.read_text(), re.M)}
    assert {"fan_run", "fan_frame_run"} <= declared
    assert exported - {"fan_extendhf2", "fan_truncsf2"} == declared
    names = defined_symbols(pair[1] / "lib" / "kernels.o")
    assert all(name.startswith("fan_") for name in names)


def test_the_header_is_one_of_c_and_of_cpp(pair: tuple[Request, Path, Built], tmp_path: Path) -> None:
    for language, standard in (("c", "c99"), ("c++", "c++11")):
        source = tmp_path / f"use.{language[0]}{language.count('+') * 'p'}"
        source.write_text('#include "fan_frame.h"\nint use(void);\nint use(void) { return (int)fan_abi_version(); }\n')
        strict = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{pair[1] / 'include'}"]
        command = [c_compiler(), "-x", language, f"-std={standard}", *strict, "-c", source, "-o", tmp_path / "use.o"]
        subprocess.run(command, check=True)


def test_the_manifest(pair: tuple[Request, Path, Built]) -> None:
    request, folder, built = pair
    content = json.loads((folder / "manifest.json").read_text())
    assert (content["schema"], content["target"], content["precision"]) == (1, "host", "float32")
    assert (content["abi"], content["family"], content["verification"]) == (2, "pair", None)
    assert content["library"]["static"] == "lib/libfan.a"
    assert content["library"]["shared"] == "lib/libfan.so"
    assert content["library"]["sha256"] == {name: sha256(folder / name) for name in ("lib/libfan.a", "lib/libfan.so")}
    assert set(content["toolchain"]) == {"tvm", "llvm", "compiler"}
    assert request.compiler is not None
    assert content["toolchain"]["compiler"] == request.compiler.version
    for found, source, specialist in zip(
        content["specialists"], request.family.networks, request.specialists, strict=True
    ):
        cost = complexity(source.network)
        memory = {
            str(width): arena_bytes(specialist.program, 4, built.scratch_bytes, width)
            for width in (32, 64, 96, 128, 160, 192, 224, 256, 512, 1024, 4096)
        }
        assert found == {
            "name": source.member.name,
            "sha256": sha256(source.member.path),
            "shot_range": list(SHOT_RANGE),
            "chosen_from": source.member.chosen_from,
            "parameters": cost.parameters,
            "mac_per_raw_pixel": cost.mac_per_raw_pixel,
            "halo_px": 2 * receptive_field(source.network.architecture),
            "arena_bytes_of_width": memory,
        }


def test_the_denoiser_can_use_it(pair: tuple[Request, Path, Built]) -> None:
    request, folder, built = pair
    opened = denoiser_bundle.read(folder)
    library = opened.load()
    assert library.specialists == ("tiny", "other")
    assert opened.resolve("auto").member_for(BORDER / 2).name == "tiny"
    assert opened.resolve("pair").member_for(BORDER).name == "other"
    for number, source in enumerate(request.family.networks):
        assert library.halo_px(number) == 2 * receptive_field(source.network.architecture)
        expected = arena_bytes(request.specialists[number].program, 4, built.scratch_bytes, 512)
        assert library.arena_bytes(number, 64, 512, 1) == expected


def test_every_specialist_computes_its_golden_tiles(pair: tuple[Request, Path, Built], tmp_path: Path) -> None:
    request, folder, _ = pair
    assert request.compiler is not None
    bundle.link_runner(request.compiler, folder, tmp_path / "runner")
    threshold = request.target.thresholds[Precision.FLOAT32]
    verification = verify(folder, [], tmp_path / "runner", threshold)
    assert verification.passes
    assert [result.specialist for result in verification.results] == ["tiny"] * 2 + ["other"] * 2
    # Each other's tiles they don't: the specialists are truly two.
    first, second = read(folder / "golden")
    run = run_tile([str(tmp_path / "runner")], 1, "other", first.tiles[0], timeout_s=60)
    assert run.output is not None
    assert np.abs(run.output - first.tiles[0].reference).max() > 1e-3
    assert second.specialist == "other"


def test_golden_tiles_are_those_of_the_networks(pair: tuple[Request, Path, Built]) -> None:
    request, folder, _ = pair
    for found, source in zip(read(folder / "golden"), request.family.networks, strict=True):
        tile = found.tiles[0]
        expected = golden.reference(source.network, tile.noisy, tile.shot, tile.read)
        np.testing.assert_array_equal(tile.reference, expected)


def test_equal_requests_give_equal_libraries(
    pair: tuple[Request, Path, Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, folder, _ = pair
    monkeypatch.setattr(golden, "SCENES", ())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "again").mkdir()
    bundle.build(request, tmp_path / "again")
    for name in ("src/fan_model.c", "lib/kernels.o", "lib/weights.o"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize("name", ["cortex-m7", "cortex-m55"])
def test_a_core_without_a_system_gets_an_archive(
    tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Without a compiler: of kernels and weights alone."""
    monkeypatch.setattr(golden, "SCENES", ())
    monkeypatch.chdir(tmp_path)
    request = request_for(load_target(name), load(str(tiny_weights)), with_compiler=False)
    folder = tmp_path / name
    folder.mkdir()
    bundle.write_manifest(folder, request, bundle.build(request, folder), None)
    assert {path.name for path in (folder / "lib").iterdir()} == {"kernels.o", "weights.o", "libfan.a"}
    listed = subprocess.run(["ar", "t", folder / "lib" / "libfan.a"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["kernels.o", "weights.o"]
    content = json.loads((folder / "manifest.json").read_text())
    assert content["library"]["shared"] is None
    assert set(content["library"]["sha256"]) == {"lib/libfan.a"}
    assert content["toolchain"]["compiler"] == "none"


def test_a_family_is_loaded_as_it_is_named(tiny_weights: Path) -> None:
    family = load(str(tiny_weights))
    assert family.name == "tiny"
    (network,) = family.networks
    assert (network.member.name, network.header.shot_range) == ("tiny", SHOT_RANGE)
    assert shutil.which("ar") is not None
