"""Archives against GNU ar, and against linkers, which find members by the index alone."""

from __future__ import annotations

import importlib.util
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compile.elf_object import AARCH64, ARM, X86_64, Machine
from compile.elf_object import write as write_object
from compile.static_archive import encode, write
from isp.errors import InputError


@pytest.fixture(scope="module")
def gnu_ar() -> str:
    path = shutil.which("ar")
    if path is None or "GNU ar" not in output_of(path, "--version"):
        pytest.skip("GNU ar is not installed")
    return path


def output_of(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def objects(folder: Path, machine: Machine, content: dict[str, dict[str, bytes]]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, symbols in content.items():
        write_object(folder / name, machine, symbols, alignment=1)
    return [folder / name for name in content]


THREE = {
    "weights.o": {"alpha": b"a", "beta": b"bb"},
    "a_member_with_a_long_name.o": {"gamma": b"ccc"},
    "empty.o": {},
}

file_names = st.text(st.sampled_from("abcdefgh._-0"), min_size=1, max_size=24).map("m{}.o".format)
contents = st.dictionaries(
    file_names,
    st.dictionaries(st.text("xyzäß_", min_size=1), st.binary(max_size=9), max_size=4),
    min_size=1,
    max_size=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(machine=st.sampled_from([X86_64, AARCH64, ARM]), content=contents)
def test_archives_equal_those_of_gnu_ar(
    tmp_path_factory: pytest.TempPathFactory, gnu_ar: str, machine: Machine, content: dict[str, dict[str, bytes]]
) -> None:
    if not any(content.values()):
        content["symbols.o"] = {"one": b""}  # without symbols, ar writes no index; see below
    folder = tmp_path_factory.mktemp("archive")
    members = objects(folder, machine, content)
    output_of(gnu_ar, "rcsD", folder / "expected.a", *members)
    assert encode(members) == (folder / "expected.a").read_bytes()


def test_ar_and_nm_list_members_and_symbols(tmp_path: Path, gnu_ar: str) -> None:
    archive = tmp_path / "lib" / "libdata.a"
    write(archive, objects(tmp_path, AARCH64, THREE))
    assert output_of(gnu_ar, "t", archive).split() == list(THREE)
    listed = subprocess.run(["nm", "-s", archive], capture_output=True, text=True, check=True).stdout
    index = listed.partition("Archive index:\n")[2].partition("\n\n")[0]
    assert index.splitlines() == [f"{symbol} in {member}" for member, symbols in THREE.items() for symbol in symbols]


def test_an_archive_without_symbols_still_has_an_index(tmp_path: Path, gnu_ar: str) -> None:
    archive = tmp_path / "libempty.a"
    write(archive, objects(tmp_path, AARCH64, {"empty.o": {}}))
    assert output_of(gnu_ar, "t", archive) == "empty.o\n"
    assert archive.read_bytes()[8:9] == b"/"


MAIN = "extern int twice(int);\nint main(void) { return twice(21) - 42; }\n"
TWICE = "extern const int factor[1];\nint twice(int x) { return x * factor[0]; }\n"


@pytest.mark.parametrize(
    ("compiler", "machine", "prefix"),
    [("gcc", X86_64, []), ("aarch64-linux-gnu-gcc", AARCH64, ["qemu-aarch64"])],
    ids=["x86-64", "AArch64"],
)
def test_the_linker_takes_the_members_that_it_needs(
    tmp_path: Path, compiler: str, machine: Machine, prefix: list[str]
) -> None:
    for tool in (compiler, *prefix):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    if machine is X86_64 and not output_of(compiler, "-dumpmachine").startswith("x86_64"):
        pytest.skip(f"{compiler} builds for another machine")
    program = link(tmp_path, [compiler], machine)
    assert subprocess.run([*prefix, program], check=False).returncode == 0
    defined = output_of("nm", program)
    assert "factor" in defined
    assert "never_asked_for" not in defined


def test_lld_takes_them_too(tmp_path: Path) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    zig = [sys.executable, "-m", "ziglang"]
    compiler = [*zig, "cc", "-target", "aarch64-linux-musl", "-O2"]
    program = link(tmp_path, compiler, AARCH64, linker=[*zig, "ld.lld", "-e", "main"])
    assert "never_asked_for" not in output_of("nm", program)


def link(folder: Path, compiler: list[str], machine: Machine, linker: list[str] | None = None) -> Path:
    """A program of one object and an archive in which the member that another needs comes first."""
    for name, text in {"main": MAIN, "twice": TWICE}.items():
        (folder / f"{name}.c").write_text(text)
        output_of(*compiler, "-c", folder / f"{name}.c", "-o", folder / f"{name}.o")
    factor, other = folder / "a_factor_of_two.o", folder / "other.o"
    write_object(factor, machine, {"factor": struct.pack("<i", 2)})
    write_object(other, machine, {"never_asked_for": b"0"})
    write(folder / "libtwice.a", [factor, other, folder / "twice.o"])
    output_of(*(linker or compiler), "-static", folder / "main.o", folder / "libtwice.a", "-o", folder / "program")
    return folder / "program"


def test_a_member_that_is_no_object_leaves_the_old_archive(tmp_path: Path) -> None:
    members = objects(tmp_path, X86_64, THREE)
    archive = tmp_path / "libdata.a"
    write(archive, members)
    before = archive.read_bytes()
    members[0].write_bytes(b"text")
    with pytest.raises(InputError, match=r"weights\.o is no little-endian ELF file"):
        write(archive, members)
    assert archive.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))
    assert not list(tmp_path.glob(".*"))
