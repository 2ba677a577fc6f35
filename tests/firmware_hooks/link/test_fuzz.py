"""Short runs of the fuzzed programs from the inputs kept; firmware_hooks/fuzz/README.md tells of long ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.firmware_hooks.link.programs import HOOKS, LINK, STUBS, build

FUZZ = HOOKS / "fuzz"
RUN_S = 6
INPUTS = 4000
PROGRAMS = {
    "parser": [FUZZ / "fuzz_parser.c", HOOKS / "link" / "fan_link.c"],
    "agent": [FUZZ / "fuzz_agent.c", *LINK, *STUBS],
}
# Without clang, the run from a seed is what there is.
CLANG = [path for path in [shutil.which("clang-19")] if path]
OPTIONS = ("-O1", "-g", "-fno-sanitize-recover=all", "-DPAUSE_NS=0", "-DNEEDED_FEATURES=1u", f"-I{FUZZ}")


def fed(found: subprocess.CompletedProcess[bytes]) -> tuple[int, int]:
    """Good and damaged frames."""
    said = found.stderr.decode(errors="replace")
    assert found.returncode == 0, said[-4000:]
    match = re.search(r"^frames: (\d+) good, (\d+) damaged$", said, re.MULTILINE)
    assert match, said[-4000:]
    return int(match[1]), int(match[2])


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_found_from_a_seed(name: str, tmp_path: Path) -> None:
    sources = [*PROGRAMS[name], FUZZ / "standalone.c", FUZZ / "fuzz_count.c"]
    program = build(tmp_path / "fuzz", sources, *OPTIONS, "-fsanitize=address,undefined")
    kept = sorted((FUZZ / "corpus" / name).iterdir())
    good, damaged = fed(subprocess.run([program, str(INPUTS), "1", *kept], capture_output=True))
    assert good > 1000
    assert damaged > 1000


@pytest.mark.parametrize(("name", "compiler"), [(name, compiler) for compiler in CLANG for name in PROGRAMS])
def test_nothing_is_found_by_libfuzzer(name: str, compiler: str, tmp_path: Path) -> None:
    sources = [*PROGRAMS[name], FUZZ / "fuzz_count.c"]
    program = build(tmp_path / "fuzz", sources, *OPTIONS, "-fsanitize=fuzzer,address,undefined", cc=compiler)
    new = tmp_path / "new"
    new.mkdir()
    limits = [f"-max_total_time={RUN_S}", "-max_len=2048", f"-artifact_prefix={tmp_path}/"]
    found = subprocess.run([program, *limits, new, FUZZ / "corpus" / name], capture_output=True)
    assert sum(fed(found)) > 1000


def test_the_kept_inputs_are_few() -> None:
    assert sum(path.stat().st_size for path in (FUZZ / "corpus").rglob("*") if path.is_file()) < 200_000
