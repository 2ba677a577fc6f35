"""The engine and its kernels against PyTorch in float64, and its interface to the letter."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from compile.row_kernels.kernel import Tiling, Vectors
from tests.firmware_hooks.engines import (
    ARENA_TOO_SMALL,
    BAD_ARGUMENT,
    BAD_SIZE,
    ENGINE_SOURCES,
    HALO_PX,
    HOOKS,
    NETWORKS,
    OK,
    USUAL,
    Arena,
    Engine,
    Fan,
    Noise,
    NoiseStruct,
    build_engine,
    mosaic_of,
)

TOLERANCE = 1e-5
SIZES = [(16, 16), (16, 272), (272, 16), (48, 32), (32, 48), (64, 64), (80, 112)]
"""Height and width."""
NOISES = {
    "usual": USUAL,
    "even": Noise.of([1e-3] * 3, [1e-5] * 3),
    "strong": Noise.of([0.04, 0.05, 0.03], [0.01, 0.02, 0.01]),
    "cleaner than told": Noise.of([1e-6, 4e-6, 1e-5], [0, 1e-8, 2e-7]),
    "no noise in red": Noise.of([0, 1e-3, 1e-3], [0, 1e-5, 1e-5]),
    "read noise only": Noise.of([0, 0, 0], [1e-5, 1e-5, 1e-5]),
    "least there is": Noise.of([0, 0, 0], [0, 1e-12, 0]),
}
every_network = pytest.mark.parametrize("specialist", range(len(NETWORKS)), ids=[each.name for each in NETWORKS])


def error(found: np.ndarray, expected: np.ndarray) -> float:
    """Relative to full scale, and to values beyond it."""
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())


@every_network
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_result_is_that_of_pytorch(fan: Fan, specialist: int, height: int, width: int) -> None:
    mosaic, network = mosaic_of(height, width), NETWORKS[specialist]
    expected = network.denoised(mosaic, USUAL)
    assert np.abs(expected - mosaic).max() > 0.01
    assert error(fan.denoised(specialist, mosaic, USUAL), expected) < TOLERANCE


@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES.keys())
def test_the_result_is_that_of_pytorch_for_every_noise(fan: Fan, noise: Noise) -> None:
    mosaic = mosaic_of(48, 64, seed=3)
    assert error(fan.denoised(1, mosaic, noise), NETWORKS[1].denoised(mosaic, noise)) < TOLERANCE


@pytest.mark.parametrize(
    ("vectors", "tiling", "tolerance"),
    [
        (Vectors("float32", 1), Tiling(2, 3, 4), TOLERANCE),
        (Vectors("float32", 4), Tiling(8, 1, 8), TOLERANCE),
        (Vectors("float32", 16), Tiling(8, 2, 4), TOLERANCE),
        (Vectors("float16", 8), Tiling(4, 2, 8), 0.02),
    ],
    ids=["one-lane", "four-lanes", "sixteen-lanes", "half-precision"],
)
def test_other_vectors_and_tilings(tmp_path: Path, vectors: Vectors, tiling: Tiling, tolerance: float) -> None:
    networks = (NETWORKS[0], NETWORKS[1])
    engine = build_engine(networks, vectors, tiling, tmp_path)
    fan = Fan(engine.linked([*ENGINE_SOURCES, engine.tables], "libfan.so", "-O2", "-fPIC", "-shared"))
    for specialist, network in enumerate(networks):
        mosaic = mosaic_of(48, 80)
        assert error(fan.denoised(specialist, mosaic, USUAL), network.denoised(mosaic, USUAL)) < tolerance


@pytest.fixture(scope="session")
def guarded(engine: Engine) -> Path:
    """The engine with every slip fatal."""
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
    sources = [Path(__file__).with_name("guarded_run.c"), HOOKS / "src" / "fan.c", engine.tables]
    return engine.linked(sources, "guarded_run", *sanitizers)


@every_network
@pytest.mark.parametrize(
    ("height", "width", "in_padding", "out_padding"),
    [(16, 16, 0, 0), (16, 272, 3, 0), (272, 16, 0, 5), (48, 32, 1, 7), (64, 144, 0, 0)],
)
def test_nothing_beside_the_given_memory_is_touched(
    guarded: Path,
    fan: Fan,
    tmp_path: Path,
    specialist: int,
    height: int,
    width: int,
    in_padding: int,
    out_padding: int,
) -> None:
    """The arena has exactly as many bytes as asked for, in a state that would tell; rows are apart; pictures are
    aligned to a float and no more; between and around them is nothing that may be read."""
    mosaic = mosaic_of(height, width)
    source, target = tmp_path / "in.f32", tmp_path / "out.f32"
    mosaic.tofile(source)
    numbers = (specialist, width, height, width + in_padding, width + out_padding)
    done = subprocess.run([guarded, *map(str, numbers), source, target], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = np.fromfile(target, np.float32).reshape(height, width)
    np.testing.assert_allclose(found, fan.denoised(specialist, mosaic, USUAL), rtol=1e-5, atol=1e-6)


@every_network
def test_an_arena_is_as_good_dirty_as_clean(fan: Fan, specialist: int) -> None:
    mosaic = mosaic_of(32, 64)
    results = [fan.denoised(specialist, mosaic, USUAL, filling) for filling in (0, 0xFF, 0x7F)]
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_an_arena_serves_one_tile_after_the_other(fan: Fan) -> None:
    """Of any size and specialist that it is large enough for."""
    arena = Arena(max(fan.arena_bytes(number, 96, 96) for number in range(len(NETWORKS))), 0xFF)
    for specialist, (height, width) in enumerate([(96, 96), (16, 16), (32, 96), (96, 16), (48, 48), (64, 32)]):
        mosaic, out = mosaic_of(height, width, seed=specialist), np.empty((height, width), np.float32)
        status = fan.run(
            *(specialist, NoiseStruct(USUAL.shot, USUAL.read), mosaic.ctypes.data, width, out.ctypes.data, width),
            *(width, height, arena.address, arena.size_bytes),
        )
        assert status == OK
        assert out.tobytes() == fan.denoised(specialist, mosaic, USUAL).tobytes()


def test_threads_do_not_meet(fan: Fan) -> None:
    """ctypes lets go of the interpreter's lock, so that they truly run at once."""
    mosaics = [mosaic_of(96, 96, seed=seed) for seed in range(2)]
    expected = [fan.denoised(number, mosaic, USUAL).tobytes() for number, mosaic in enumerate(mosaics)]
    wrong: list[int] = []
    together = threading.Barrier(2)

    def work(number: int) -> None:
        together.wait()
        for _ in range(20):
            if fan.denoised(number, mosaics[number], USUAL).tobytes() != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_tile_of_a_frame_is_right_inside_its_halo(fan: Fan) -> None:
    """Cut with a halo of the receptive field, a tile equals its part of the whole."""
    from denoiser.network import receptive_field

    network = NETWORKS[1]
    halo = -(-2 * receptive_field(_architecture()) // 16) * 16
    whole = mosaic_of(16 + 2 * halo + 64, 16 + 2 * halo + 64, seed=4)
    full = fan.denoised(1, whole, USUAL)
    part = fan.denoised(1, whole[32 : 32 + 16 + 2 * halo, 32 : 32 + 16 + 2 * halo], USUAL)
    inner = np.s_[halo : halo + 16, halo : halo + 16]
    np.testing.assert_array_equal(part[inner], full[32:, 32:][inner])
    assert network.name == "unaligned"


def _architecture():
    from tests.compile.small_networks import UNALIGNED

    return UNALIGNED


@every_network
def test_no_noise_is_a_copy(fan: Fan, specialist: int) -> None:
    """To the bit, NaN and all."""
    mosaic = mosaic_of(32, 48)
    mosaic[0, 0], mosaic[-1, -1] = np.nan, -np.inf
    assert fan.denoised(specialist, mosaic, Noise.of([0] * 3, [0] * 3)).tobytes() == mosaic.tobytes()


NAN, INFINITY = float("nan"), float("inf")
GOOD = {
    "specialist": 0,
    "shot": (1e-3, 1e-3, 1e-3),
    "read": (0.0, 0.0, 0.0),
    "width": 32,
    "height": 16,
    "in_stride": 32,
    "out_stride": 32,
    "in": "given",
    "out": "given",
    "noise": "given",
    "arena": 0,
    "short_by": 0,
}
BAD = {
    "no such specialist": ({"specialist": len(NETWORKS)}, BAD_ARGUMENT),
    "specialist -1": ({"specialist": 2**32 - 1}, BAD_ARGUMENT),
    "no noise model": ({"noise": None}, BAD_ARGUMENT),
    "no input": ({"in": None}, BAD_ARGUMENT),
    "no output": ({"out": None}, BAD_ARGUMENT),
    "no arena": ({"arena": None}, BAD_ARGUMENT),
    "misaligned arena": ({"arena": 32}, BAD_ARGUMENT),
    "arena aligned to a float": ({"arena": 4}, BAD_ARGUMENT),
    "narrow input": ({"in_stride": 31}, BAD_ARGUMENT),
    "narrow output": ({"out_stride": 31}, BAD_ARGUMENT),
    "negative shot": ({"shot": (1e-3, -1e-9, 1e-3)}, BAD_ARGUMENT),
    "negative read": ({"read": (0.0, 0.0, -1e-9)}, BAD_ARGUMENT),
    "shot of NaN": ({"shot": (NAN, 1e-3, 1e-3)}, BAD_ARGUMENT),
    "read of NaN": ({"read": (0.0, NAN, 0.0)}, BAD_ARGUMENT),
    "infinite shot": ({"shot": (1e-3, 1e-3, INFINITY)}, BAD_ARGUMENT),
    "infinite read": ({"read": (INFINITY, 0.0, 0.0)}, BAD_ARGUMENT),
    "no width": ({"width": 0}, BAD_SIZE),
    "no height": ({"height": 0}, BAD_SIZE),
    "width of 24": ({"width": 24}, BAD_SIZE),
    "height of 8": ({"height": 8}, BAD_SIZE),
    "height of 17": ({"height": 17}, BAD_SIZE),
    "arena a byte too small": ({"short_by": 1}, ARENA_TOO_SMALL),
    "no bytes of arena": ({"short_by": 10**9}, ARENA_TOO_SMALL),
}


def run_with(fan: Fan, changes: dict[str, object]) -> tuple[int, np.ndarray]:
    given = GOOD | changes
    mosaic, out = mosaic_of(32, 32), np.full((32, 32), 7, np.float32)
    needed = fan.arena_bytes(0, GOOD["width"], GOOD["height"])
    arena = Arena(needed + 64)
    noise = NoiseStruct(given["shot"], given["read"])
    status = fan.run(
        given["specialist"],
        noise if given["noise"] else None,
        mosaic.ctypes.data if given["in"] else None,
        given["in_stride"],
        out.ctypes.data if given["out"] else None,
        given["out_stride"],
        given["width"],
        given["height"],
        None if given["arena"] is None else arena.address + given["arena"],
        max(needed - given["short_by"], 0),
    )
    return status, out


def test_the_good_arguments_are_good(fan: Fan) -> None:
    status, out = run_with(fan, {})
    assert status == OK
    assert (out[:16] != 7).all()
    assert (out[16:] == 7).all()


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_told_and_nothing_is_written(fan: Fan, name: str) -> None:
    changes, expected = BAD[name]
    status, out = run_with(fan, changes)
    assert status == expected
    assert (out == 7).all()


def test_what_the_library_says_of_itself(fan: Fan) -> None:
    count = len(NETWORKS)
    assert fan.abi_version() == 2
    assert fan.specialist_count() == count
    names = [fan.specialist_name(number) for number in range(count)]
    assert names == [network.name.encode() for network in NETWORKS]
    assert fan.specialist_name(count) is None
    assert fan.specialist_name(2**32 - 1) is None
    assert [fan.halo(number) for number in (*range(count), count)] == [HALO_PX] * count + [0]


@pytest.mark.parametrize(
    ("specialist", "width", "height"),
    [(len(NETWORKS), 32, 32), (0, 0, 16), (0, 16, 0), (0, 8, 16), (0, 16, 24), (0, 2**31, 16), (0, 16, 2**32 - 16)],
)
def test_no_arena_for_what_there_is_not(fan: Fan, specialist: int, width: int, height: int) -> None:
    assert fan.arena_bytes(specialist, width, height) == 0


def test_the_arena_does_not_grow_with_the_height(fan: Fan) -> None:
    for specialist in range(len(NETWORKS)):
        sizes = {fan.arena_bytes(specialist, 64, height) for height in (16, 32, 4096, 2**20)}
        assert len(sizes) == 1
        assert fan.arena_bytes(specialist, 128, 16) > max(sizes)
        assert max(sizes) % 64 == 0
