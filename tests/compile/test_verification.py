from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compile import golden
from compile.verification import Verification, verify
from isp.errors import ConfigError, InputError
from targets.descriptions import Threshold
from targets.golden import GoldenSet, GoldenTile
from targets.verdict import table

HERE = Path(__file__).parents[2]
THRESHOLD = Threshold(max_error=1e-5, quality_loss_db=0.01)

FAKE_RUNNER = """\
import json, math, os, signal, sys, time
from array import array

number, source, target, width, height = int(sys.argv[1]), *sys.argv[2:4], *map(int, sys.argv[4:6])
noise, repetitions = [float(text) for text in sys.argv[6:12]], int(sys.argv[12])
noisy = array("f", open(source, "rb").read())
assert len(noisy) == width * height and repetitions == 1 and len(noise) == 6
output = array("f", [value / 2 for value in noisy])
name, status, overrun, line = ("first", "second")[number], 0, False, None
{fault}
if output is not None:
    open(target, "wb").write(output.tobytes())
report = dict(specialist=name, status=status, arena_bytes=4096 + width, overrun=overrun, best_s=0.25)
print(json.dumps(report) if line is None else line)
sys.exit(1 if status else 0)
"""
"""Stands in for the program on the target; its network halves the mosaic."""


def _tile(name: str, height: int, width: int, seed: int) -> GoldenTile:
    random = np.random.default_rng(seed)
    noisy = random.uniform(0.1, 0.9, (height, width)).astype(np.float32)
    halved = noisy * np.float32(0.5)
    clean = np.clip(halved + random.normal(0, 0.01, halved.shape), 0, 1).astype(np.float32)
    return GoldenTile(name, (1e-3, 2e-3, 3e-3), (1e-6, 2e-6, 3e-6), noisy, clean, halved)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    tiles = (_tile("wide", 16, 48, 1), _tile("tall", 32, 16, 2))
    golden.write(tmp_path / "golden", (GoldenSet("first", tiles), GoldenSet("second", (_tile("only", 16, 16, 3),))))
    return tmp_path


def _verified(bundle: Path, fault: str = "", *, timeout_s: float = 60) -> Verification:
    script = bundle / "runner.py"
    script.write_text(FAKE_RUNNER.replace("{fault}", fault))
    return verify(bundle, [sys.executable], script, THRESHOLD, timeout_s=timeout_s)


def _failures(verification: Verification) -> dict[str, str]:
    return {result.tile.name: result.failure for result in verification.failures}


def test_what_equals_the_reference_passes(bundle: Path) -> None:
    (bundle / "evidence").mkdir()
    (bundle / "evidence" / "0-old.txt").touch()
    verification = _verified(bundle)
    assert verification.passes
    assert [(result.specialist, result.tile.name) for result in verification.results] == [
        ("first", "wide"), ("first", "tall"), ("second", "only"),
    ]  # fmt: skip
    assert [result.arena_bytes for result in verification.results] == [4144, 4112, 4112]
    for result in verification.results:
        assert result.measures is not None
        assert (result.measures.max_error, result.measures.rms_error) == (0, 0)
        assert result.measures.psnr_db == 200
        assert result.measures.quality_loss_db == 0
        assert result.best_s == 0.25
    assert not (bundle / "evidence").exists()


def test_the_program_gets_the_tiles_noise_and_number(bundle: Path) -> None:
    check = "assert array('f', noise) == array('f', [1e-3, 2e-3, 3e-3, 1e-6, 2e-6, 3e-6])"
    assert _verified(bundle, check).passes


@pytest.mark.parametrize(("error", "passes"), [(0.97e-5, True), (1.03e-5, False), (-1.03e-5, False)])
def test_one_pixel_beyond_the_threshold_fails(bundle: Path, error: float, passes: bool) -> None:
    verification = _verified(bundle, f"if width == 48: output[15 * 48 + 47] += {error}")
    assert verification.passes is passes
    assert verification.worst is not None
    assert verification.worst.max_error == pytest.approx(abs(error), rel=5e-3)
    if not passes:
        assert set(_failures(verification)) == {"wide"}
        assert "max error 1.03e-05, expected at most 1e-05" in _failures(verification)["wide"]
        kept = np.fromfile(bundle / "evidence/0-wide.f32", "<f4").reshape(16, 48)
        assert np.array_equal(kept, verification.results[0].output)
        assert sorted(path.name for path in (bundle / "evidence").iterdir()) == ["0-wide.f32", "0-wide.txt"]


def test_lost_quality_fails_though_no_pixel_does(bundle: Path) -> None:
    """Errors that all point away from the truth: small, but of one mind with the noise."""
    clean = bundle / "golden/1/only.clean.f32"
    fault = (
        f"clean = array('f', open({str(clean)!r}, 'rb').read())\n"
        "if number == 1: output = array('f', [o + math.copysign(9e-5, o - c) for o, c in zip(output, clean)])"
    )
    script = bundle / "runner.py"
    script.write_text(FAKE_RUNNER.replace("{fault}", fault))
    verification = verify(bundle, [sys.executable], script, Threshold(max_error=1e-4, quality_loss_db=0.01))
    assert set(_failures(verification)) == {"only"}
    assert _failures(verification)["only"].startswith("quality loss 0.06")
    assert "expected at most 0.01 dB" in _failures(verification)["only"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("output[3 * width + 7] = math.nan", "1 values of the output are not finite, the first in row 3, column 7"),
        ("output[5] = output[6] = -math.inf", "2 values of the output are not finite, the first in row 0, column 5"),
        ("output = output[:-1]", r"the output has \d+ bytes, expected \d+"),
        ("output = None", r"the output has 0 bytes, expected \d+"),
        ("status = 3; output = None", r"fan_run returned 3 \(FAN_ARENA_TOO_SMALL\)"),
        ("status = 77; output = None", r"fan_run returned 77 \(not a status of this ABI\)"),
        ("overrun = True", "something was written beside the output or the arena"),
        ("name = 'other'", r"specialist \d calls itself 'other', expected '(first|second)'"),
        ("line = 'hello'", "the runner printed 'hello.*' instead of its line of JSON"),
        ("os.kill(os.getpid(), signal.SIGILL)", "crashed with SIGILL: it used an instruction that this processor"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "crashed with SIGSEGV: it reached for memory that is not its own"),
        ("sys.exit(128 + 4)", "crashed with SIGILL"),
        ("sys.exit('out of paper')", "instead of its line of JSON"),
        ("print('no file', file=sys.stderr); sys.exit(3)", "the runner ended with status 3: no file"),
    ],
)
def test_every_fault_is_noticed_and_named(bundle: Path, fault: str, words: str) -> None:
    verification = _verified(bundle, fault)
    assert not verification.passes
    assert len(verification.failures) == 3
    for result in verification.results:
        assert re.search(words, result.failure)
    text = (bundle / "evidence/1-only.txt").read_text()
    assert text.startswith(verification.results[2].failure)
    assert "runner.py 1 /" in text
    assert (bundle / "evidence/1-only.f32").is_file()
    json.dumps(verification.as_dict(), allow_nan=False)


def test_what_does_not_end_is_stopped(bundle: Path) -> None:
    verification = _verified(bundle, "if width == 48: time.sleep(600)", timeout_s=4)
    assert _failures(verification) == {"wide": "no result after 4 s"}


def test_what_cannot_be_started_is_no_verdict(bundle: Path) -> None:
    with pytest.raises(ConfigError, match=r"qemu-none: No such file.*--no-verify"):
        verify(bundle, ["qemu-none"], bundle / "runner", THRESHOLD)
    text = bundle / "runner"
    text.write_text("no program")
    text.chmod(0o755)
    with pytest.raises(ConfigError, match=r"runner: Exec format error.*expected a program that this machine can run"):
        verify(bundle, [], text, THRESHOLD)


def test_a_bundle_without_golden_tiles_is_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"golden/index\.json"):
        verify(tmp_path, [], tmp_path / "runner", THRESHOLD)


def test_the_results_are_json_and_a_table(bundle: Path) -> None:
    verification = _verified(bundle, "if number: output = None\nelif width == 48: output[5] += 1e-4")
    document = json.loads(json.dumps(verification.as_dict(), allow_nan=False))
    assert document["passes"] is False
    assert document["command"] == [sys.executable, str(bundle / "runner.py")]
    assert document["threshold"] == {"max_error": 1e-5, "quality_loss_db": 0.01}
    assert document["worst"]["max_error"] == pytest.approx(1e-4, rel=1e-3)
    wide, tall, only = document["tiles"]
    assert (wide["width"], wide["height"], wide["arena_bytes"]) == (48, 16, 4144)
    assert (tall["failure"], tall["measures"]["psnr_db"]) == (None, 200)
    assert only["measures"] is None
    lines = table(verification.results, THRESHOLD).splitlines()
    assert lines[1].split()[:3] == ["first", "wide", "48x16"]
    end = lines[0].index("max error") + len("max error")
    assert lines[1][:end].endswith("1.0e-04")
    assert lines[2][:end].endswith("0.0e+00")
    assert [line.split()[-1] for line in lines[1:4]] == ["FAILS", "ok", "FAILS"]
    assert lines[-1] == "  second, tile only: the output has 0 bytes, expected 1024"


# --- runner.c -----------------------------------------------------------------------------------------------------

STUB = """\
#include "fan.h"
#include <string.h>
uint32_t fan_abi_version(void) { return ABI; }
uint32_t fan_specialist_count(void) { return 2; }
const char *fan_specialist_name(uint32_t specialist)
{ return specialist == 0 ? "first" : specialist == 1 ? "second" : NULL; }
size_t fan_arena_bytes(uint32_t specialist, uint32_t width, uint32_t height)
{ (void)specialist; (void)height; return 4u * width + 1; }
fan_status fan_run(uint32_t specialist, const fan_noise *noise, const float *in, size_t in_stride, float *out,
                   size_t out_stride, uint32_t width, uint32_t height, void *arena, size_t arena_bytes)
{
    unsigned char *bytes = arena;
    if ((uintptr_t)arena % FAN_ARENA_ALIGNMENT != 0 || in_stride == width || out_stride == width || specialist > 1)
        return FAN_BAD_ARGUMENT;
    if (noise->shot[0] != 1e-3f || noise->shot[2] != 3e-3f || noise->read[0] != 1e-6f || noise->read[2] != 3e-6f)
        return FAN_BAD_ARGUMENT;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            out[y * out_stride + x] = 0.5f * in[y * in_stride + x];
    FAULT
    (void)bytes;
    (void)arena_bytes;
    return FAN_OK;
}
"""
"""A library whose network halves the mosaic."""


def _built(folder: Path, fault: str = "memset(bytes, 0, arena_bytes);", abi: str = "FAN_ABI_VERSION") -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler here")
    stub = folder / "stub.c"
    stub.write_text(STUB.replace("FAULT", fault).replace("ABI;", f"{abi};"))
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O1"]
    include = f"-I{HERE / 'firmware_hooks/include'}"
    program = folder / "runner"
    subprocess.run(
        [compiler, *flags, include, str(HERE / "compile/runner.c"), str(stub), "-o", str(program)], check=True
    )
    return program


def test_the_runner_runs_a_bundle(bundle: Path) -> None:
    verification = verify(bundle, [], _built(bundle), THRESHOLD)
    assert _failures(verification) == {}
    assert verification.passes
    assert [result.arena_bytes for result in verification.results] == [4 * 48 + 1, 65, 65]
    assert all(result.best_s is not None and 0 <= result.best_s < 1 for result in verification.results)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bytes[arena_bytes] = 1;", "written beside"),
        ("bytes[-1] = 1;", "written beside"),
        ("out[width] = 1;", "written beside"),
        ("out[(height - 1) * out_stride + width + 2] = 1;", "written beside"),
        ("out[3] = in[width];", "1 values of the output are not finite, the first in row 0, column 3"),
        ("memcpy(out, arena, sizeof *out);", "1 values of the output are not finite, the first in row 0, column 0"),
        ("return FAN_BAD_SIZE;", r"fan_run returned 2 \(FAN_BAD_SIZE\)"),
        ("*(volatile int *)0 = 1;", "crashed with SIGSEGV"),
    ],
)
def test_the_runner_notices_a_library_that_strays(bundle: Path, fault: str, words: str) -> None:
    verification = verify(bundle, [], _built(bundle, fault), THRESHOLD)
    assert [bool(re.search(words, result.failure)) for result in verification.results] == [True] * 3


def test_the_runner_refuses_what_it_cannot_do(bundle: Path) -> None:
    program = _built(bundle)
    noise = ["1e-3"] * 6
    source = str(bundle / "golden/0/wide.noisy.f32")

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        return done.returncode, done.stderr

    assert run()[0] == 2
    assert run("2", source, "out", "48", "16", *noise, "1")[0] == 2
    code, said = run("0", str(bundle / "none"), "out", "48", "16", *noise, "1")
    assert code == 3
    assert said == f"runner: cannot read {bundle / 'none'}\n"
    assert run("0", source, "out", "48", "32", *noise, "1")[0] == 3
    _built(bundle, abi="FAN_ABI_VERSION + 1")
    assert run("0", source, "out", "48", "16", *noise, "1")[0] == 5
