"""One call shared by several threads: the same bits for any number of them, no race, and an end in any case."""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compile import model_tables
from tests.compile.compiled_kernels import c_compiler
from tests.firmware_hooks import visible_kernels
from tests.firmware_hooks.engines import (
    ARENA_TOO_SMALL,
    BAD_ARGUMENT,
    ENGINE_SOURCES,
    HOOKS,
    NETWORKS,
    OK,
    USUAL,
    WARNINGS,
    Arena,
    Engine,
    Fan,
    Noise,
    NoiseStruct,
    mosaic_of,
)

MOST_PARTS = 16
PARTS_RUN = Path(__file__).with_name("parts_run.c")


class TeamStruct(ctypes.Structure):
    """fan_team."""

    _fields_ = (("give_way", ctypes.c_void_p), ("groups", ctypes.c_uint32 * (16 * MOST_PARTS)))


def sched_yield() -> int | None:
    return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value


def in_parts(fan: Fan, specialist: int, mosaic: np.ndarray, noise: Noise, parts: int) -> np.ndarray:
    height, width = mosaic.shape
    out, team = np.full((height, width), 7, np.float32), TeamStruct(sched_yield())
    arena = Arena(fan.arena_bytes_of_parts(specialist, width, height, parts), 0xFF)
    statuses = [None] * parts

    def run(part: int) -> None:
        statuses[part] = fan.run_part(
            *(specialist, NoiseStruct(noise.shot, noise.read), mosaic.ctypes.data, width, out.ctypes.data, width),
            *(width, height, arena.address, arena.size_bytes, part, parts, ctypes.byref(team)),
        )

    threads = [threading.Thread(target=run, args=(part,)) for part in range(parts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [OK] * parts
    return out


@pytest.mark.parametrize("specialist", range(len(NETWORKS)), ids=[each.name for each in NETWORKS])
def test_the_result_is_the_same_to_the_bit_for_any_number_of_parts(fan: Fan, specialist: int) -> None:
    """Also where there are more parts than chunks of columns, and where a tile is too wide to be halved."""
    for height, width in ((32, 16), (64, 32), (48, 80), (32, 272), (32, 1040)):
        mosaic = mosaic_of(height, width)
        expected = fan.denoised(specialist, mosaic, USUAL)
        for parts in (1, 2, 3, 4):
            assert in_parts(fan, specialist, mosaic, USUAL, parts).tobytes() == expected.tobytes(), (width, parts)


@pytest.mark.parametrize("calls", [2, 3, 4])
def test_a_part_that_comes_late_is_not_waited_for(fan: Fan, calls: int) -> None:
    """All parts one after the other in one thread; the first does it all."""
    mosaic, team = mosaic_of(48, 80), TeamStruct()
    out, noise = np.full((48, 80), 7, np.float32), NoiseStruct(USUAL.shot, USUAL.read)
    arena = Arena(fan.arena_bytes_of_parts(0, 80, 48, calls), 0xFF)
    expected = fan.denoised(0, mosaic, USUAL).tobytes()
    for part in (1, 0, *range(2, calls)):
        status = fan.run_part(
            *(0, noise, mosaic.ctypes.data, 80, out.ctypes.data, 80, 80, 48, arena.address, arena.size_bytes),
            *(part, calls, ctypes.byref(team)),
        )
        assert status == OK
        assert out.tobytes() == expected


def test_as_many_parts_as_there_may_be(fan: Fan) -> None:
    mosaic = mosaic_of(16, 48)
    assert in_parts(fan, 0, mosaic, USUAL, MOST_PARTS).tobytes() == fan.denoised(0, mosaic, USUAL).tobytes()


def test_no_noise_is_a_copy_in_parts_too(fan: Fan) -> None:
    mosaic = mosaic_of(48, 32)
    assert in_parts(fan, 0, mosaic, Noise.of([0] * 3, [0] * 3), 3).tobytes() == mosaic.tobytes()


def test_further_parts_cost_their_scratch_memory_and_the_margins_of_their_rings(fan: Fan, engine: Engine) -> None:
    scratch = -(-engine.scratch_bytes // 64) * 64
    for specialist in range(len(NETWORKS)):
        # Three groups of 64 columns need what three tiles of 128 px do, but for zeros that they share.
        three, third, single = (
            fan.arena_bytes_of_parts(specialist, width, 32, parts) for width, parts in ((384, 3), (128, 1), (384, 1))
        )
        assert fan.arena_bytes(specialist, 384, 32) == single
        assert three <= 3 * third
        assert three - 2 * scratch < 1.2 * single
    assert fan.arena_bytes_of_parts(0, 96, 32, 0) == fan.arena_bytes_of_parts(0, 96, 32, MOST_PARTS + 1) == 0


def test_halves_have_rings_of_the_whole_width(fan: Fan) -> None:
    single, of_two = fan.arena_bytes(0, 256, 64), fan.arena_bytes_of_parts(0, 256, 64, 2)
    assert 1.8 * single < of_two < 2.5 * single


def test_parts_without_columns_cost_scratch_memory_alone(fan: Fan, engine: Engine) -> None:
    """Six columns of the coarsest scale are six groups at most."""
    sizes = [fan.arena_bytes_of_parts(0, 96, 16, parts) for parts in range(6, MOST_PARTS + 1)]
    assert set(np.diff(sizes)) == {-(-engine.scratch_bytes // 64) * 64}


@pytest.mark.parametrize(
    ("part", "parts", "with_team", "missing_bytes", "expected"),
    [
        (0, 0, True, 0, BAD_ARGUMENT),
        (2, 2, True, 0, BAD_ARGUMENT),
        (0, MOST_PARTS + 1, True, 0, BAD_ARGUMENT),
        (0, 2, False, 0, BAD_ARGUMENT),
        (0, 2, True, 1, ARENA_TOO_SMALL),
        (0, 1, False, 0, OK),
    ],
)
def test_bad_parts_are_told(
    fan: Fan, part: int, parts: int, with_team: bool, missing_bytes: int, expected: int
) -> None:
    mosaic, out, team = mosaic_of(16, 32), np.empty((16, 32), np.float32), TeamStruct()
    size_bytes = fan.arena_bytes_of_parts(0, 32, 16, min(max(parts, 1), MOST_PARTS))
    arena, told_team = Arena(size_bytes), ctypes.byref(team) if with_team else None
    status = fan.run_part(
        *(0, NoiseStruct(USUAL.shot, USUAL.read), mosaic.ctypes.data, 32, out.ctypes.data, 32, 32, 16),
        *(arena.address, size_bytes - missing_bytes, part, parts, told_team),
    )
    assert status == expected


def test_more_parts_than_cores_come_to_an_end(engine: Engine) -> None:
    program = engine.linked([PARTS_RUN, *ENGINE_SOURCES, engine.tables], "parts_run", "-O2", "-pthread")
    started = time.monotonic()
    parts = 2 * len(os.sched_getaffinity(0))
    done = subprocess.run([program, "0", "96", "96", str(min(parts, MOST_PARTS)), "10"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - started < 20


@pytest.fixture(scope="session")
def watched(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine with the tables of all networks and kernels that ThreadSanitizer can look into."""
    folder = tmp_path_factory.mktemp("watched")
    specialists = [replace(each, name=f"{each.name}-watched") for each in engine.specialists]
    kernels = dict.fromkeys(kernel for each in specialists for kernel in model_tables.kernels_of(each.program))
    weights = "".join(f"const uint8_t {model_tables.weights_symbol(i)}[64];\n" for i in range(len(specialists)))
    (folder / "kernels.c").write_text(
        visible_kernels.HEAD + weights + "".join(visible_kernels.source(kernel) for kernel in kernels)
    )
    (folder / "fan_model.c").write_text(model_tables.write_tables(specialists, 4, 64))
    program = folder / "watched"
    command = [c_compiler(), "-std=c99", "-O1", "-g", "-fsanitize=thread", "-pthread", *WARNINGS[1:4]]
    sources = [PARTS_RUN, *ENGINE_SOURCES, folder / "fan_model.c", folder / "kernels.c"]
    built = subprocess.run(
        [*command, f"-I{HOOKS / 'include'}", f"-I{HOOKS / 'src'}", *sources, "-o", program],
        capture_output=True,
        text=True,
    )
    if built.returncode and "tsan" in built.stderr:
        pytest.skip("this compiler has no ThreadSanitizer")
    assert built.returncode == 0, built.stderr
    return program


@pytest.mark.parametrize("specialist", range(len(NETWORKS)), ids=[each.name for each in NETWORKS])
@pytest.mark.parametrize(("width", "parts"), [(16, 2), (80, 3), (80, 4), (272, 2)])
def test_there_is_no_race(watched: Path, specialist: int, width: int, parts: int) -> None:
    done = subprocess.run([watched, str(specialist), str(width), "64", str(parts), "2"], capture_output=True, text=True)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("ThreadSanitizer does not run on this kernel")
    assert (done.returncode, done.stderr) == (0, "")
