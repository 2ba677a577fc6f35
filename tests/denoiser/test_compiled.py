"""The compiled backend: strips whose cut and border don't show, threads, and the denoiser's contract.

The library is a stub in C whose answer numpy can tell; PyTorch itself stands in for a library too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoiser import Denoiser, compiled
from denoiser.compiled import strips, thread_count
from denoiser.denoise import NoisePerColour
from denoiser.libfan import Call, Library
from denoiser.stage import Denoise, DenoiseParameters
from isp.cfa import Cfa
from isp.errors import ConfigError, UserError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.report.sidecar import sha256
from isp.stage import Domain
from tests.denoiser.stub_bundles import MakeBundle, c_compiler, specialist, weights_sha256
from tests.isp.stages.signals import signal_of

SHOT, READ = 4e-3, 9.6e-5


def expected_of(mosaic: np.ndarray, cfa: Cfa, specialist: int, noise: NoisePerColour) -> np.ndarray:
    """What the stub makes of a whole frame that goes on by reflection, its blocks aligned to the first pixel."""
    height, width = mosaic.shape
    # To multiples of 16, and by 16 more on each side.
    padding = tuple((16, 16 + -size % 16) for size in (height, width))
    axes = tuple(axis for axis in (0, 1) if cfa.position("R")[axis])
    rggb = np.flip(np.pad(mosaic.astype(np.float64), padding, mode="reflect"), axes)
    rows, columns = rggb.shape
    around = np.pad(rggb, 2)
    out = sum(
        (3 * dy + dx + 1) / 45 * around[2 * dy : 2 * dy + rows, 2 * dx : 2 * dx + columns]
        for dy in range(3)
        for dx in range(3)
    )
    out = out + rggb.reshape(rows // 16, 16, columns // 16, 16).mean((1, 3)).repeat(16, 0).repeat(16, 1) + specialist
    for y, x, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        out[y::2, x::2] += noise.shot[colour] + 10 * noise.read[colour]
    return np.flip(out, axes)[16 : 16 + height, 16 : 16 + width]


def a_mosaic(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 0.2, (height, width)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cfa", Cfa)
@pytest.mark.parametrize("shape", [(250, 94), (96, 160), (2, 2), (34, 2), (2, 40)])
def test_strips_and_borders_are_those_of_the_whole_frame(
    make_bundle: MakeBundle, shape: tuple[int, int], cfa: Cfa, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    mosaic, noise = a_mosaic(*shape), NoisePerColour((1e-3, 2e-3, 3e-3), (4e-4, 5e-4, 6e-4))
    kept = mosaic.copy()
    out = Denoiser(backend=str(make_bundle())).denoise(mosaic, cfa, noise.shot, noise.read)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, expected_of(mosaic, cfa, 1, noise), atol=2e-6)
    assert np.array_equal(mosaic, kept)


def test_the_result_is_the_same_to_the_bit_for_any_number_of_threads(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, mosaic, results = str(make_bundle()), a_mosaic(530, 62), []
    for threads in (1, 2, 4, 40):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        seen: list[tuple[int, int]] = []
        denoiser = Denoiser(backend=bundle)
        results.append(denoiser.denoise(mosaic, "GRBG", SHOT, READ, progress=lambda *at, seen=seen: seen.append(at)))
        assert seen == [(1, 1)]
    assert all(np.array_equal(one, results[0]) for one in results)


def test_a_frame_that_would_take_too_much_memory_is_cut_into_strips(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    denoiser, mosaic = Denoiser(backend=str(make_bundle())), a_mosaic(700, 62)
    whole = denoiser.denoise(mosaic, "RGGB", SHOT, READ)
    monkeypatch.setattr(compiled, "MAX_STRIP_PX", 128 * 264)
    seen: list[tuple[int, int]] = []
    cut = denoiser.denoise(mosaic, "RGGB", SHOT, READ, progress=lambda *at: seen.append(at))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.array_equal(cut, whole)


@given(st.integers(1, 4000), st.integers(1, 4000), st.integers(0, 8))
def test_every_row_is_given_once_by_strips_of_bounded_size(height: int, width: int, halo: int) -> None:
    height, width, halo_px = 2 * height, 2 * width, 16 * halo
    cut = list(strips(height, width, halo_px))
    assert [strip.top for strip in cut] == [0, *np.cumsum([strip.height for strip in cut])[:-1]]
    assert sum(strip.height for strip in cut) == height
    for strip in cut:
        assert strip.top % 16 == len(strip.rows.indices) % 16 == len(strip.columns.indices) % 16 == 0
        pixels = len(strip.rows.indices) * len(strip.columns.indices)
        assert (
            pixels <= compiled.MAX_STRIP_PX + 16 * len(strip.columns.indices)
            or len(strip.rows.indices) <= 6 * halo_px + 32
        )
    if height * len(cut[0].columns.indices) < compiled.MAX_STRIP_PX // 2:
        assert len(cut) == 1
    assert all(2 * halo_px <= strip.height for strip in cut[:-1])


def test_frames_of_24_megapixels_are_one_strip() -> None:
    for height, width, expected in ((3000, 4000, 1), (4000, 6000, 1), (6336, 9504, 2)):
        assert len(list(strips(height, width, 96))) == expected


class TorchLibrary:
    """A library that is PyTorch: its tiles, by the shipped universal network, zeros beyond them."""

    specialists = ("universal",)

    def __init__(self) -> None:
        from denoiser.torch_backend import TorchBackend

        backend = TorchBackend("universal", 1024, None)
        self.loaded = backend.loaded(backend.choice.members[0])

    def halo_px(self, specialist: int) -> int:
        return self.loaded.halo_px

    def arena_bytes(self, specialist: int, height: int, width: int, parts: int) -> int:
        return 1

    def run_part(self, call: Call, part: int) -> None:
        from denoiser.torch_backend import _per_plane, _tile
        from isp.tiling import Span, Tile

        if part > 0:
            return
        height, width = call.tile.shape
        whole = Tile(0, 0, height, width, Span(np.arange(height), 0), Span(np.arange(width), 0))
        noise = call.noise
        call.clean[:] = _tile(self.loaded, call.tile, Cfa.RGGB, whole, _per_plane(noise.shot), _per_plane(noise.read))


@pytest.mark.parametrize("cfa", [Cfa.RGGB, Cfa.GBRG])
def test_a_library_that_is_the_network_gives_what_the_torch_backend_gives(
    make_bundle: MakeBundle, cfa: Cfa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setattr("denoiser.bundle.Bundle.load", lambda bundle: TorchLibrary())
    bundle = make_bundle({"family": "universal", "specialists": [specialist("universal", 0.0)]})
    mosaic = a_mosaic(406, 54)
    seen: list[tuple[int, int]] = []
    out = Denoiser(backend=str(bundle)).denoise(mosaic, cfa, SHOT, READ, progress=lambda *at: seen.append(at))
    assert seen == [(1, 1)]
    expected = Denoiser("universal", tile_px=64).denoise(mosaic, cfa, SHOT, READ)
    assert np.abs(expected - mosaic).max() > 1e-2
    assert np.abs(out - expected).max() <= 1e-5


@pytest.fixture(scope="module")
def host_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real thing, made from what is shipped."""
    from compile.cli import main as compile_command

    folder = tmp_path_factory.mktemp("bundles") / "host"
    assert compile_command(["--target", "host", "--no-verify", "-o", str(folder)]) == 0
    return folder


def test_a_compiled_bundle_gives_what_torch_gives(host_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in (1, 2):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        built = Denoiser(backend=str(host_bundle))
        by_torch = Denoiser(built.name)
        for member in built.members:
            shot = max(member.chosen_from, 1e-4)
            for cfa, shape in zip(Cfa, ((406, 54), (128, 250), (30, 2), (96, 96)), strict=True):
                mosaic = np.clip(a_mosaic(*shape), -0.02, 1)
                expected = by_torch.denoise(mosaic, cfa, shot, READ, strength=1.2)
                out = built.denoise(mosaic, cfa, shot, READ, strength=1.2)
                assert np.abs(out - expected).max() <= 1e-5, (member.name, cfa, shape)


@pytest.fixture(scope="module")
def example(host_bundle: Path) -> Path:
    """The example program of the firmware's hooks, with the bundle's library."""
    source = Path(str(files("firmware_hooks"))) / "examples" / "denoise_frame.c"
    program = host_bundle.parent / "denoise_frame"
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion"]
    linked = [f"-I{host_bundle / 'include'}", source, host_bundle / "lib" / "libfan.a", "-o", program]
    subprocess.run([c_compiler(), *strict, *linked], check=True)
    return program


@pytest.mark.parametrize(
    ("cfa", "shape", "memory_kib", "strips"),
    [
        (Cfa.RGGB, (60, 62), 4096, 1),
        (Cfa.GRBG, (100, 370), 4096, 1),
        (Cfa.GBRG, (98, 386), 1480, 7),
        (Cfa.BGGR, (64, 200), 1480, 4),
    ],
)
def test_the_example_program_makes_of_a_frame_what_the_denoiser_makes(
    host_bundle: Path, example: Path, tmp_path: Path, cfa: Cfa, shape: tuple[int, int], memory_kib: int, strips: int
) -> None:
    mosaic, source, target = a_mosaic(*shape), tmp_path / "in.f32", tmp_path / "out.f32"
    mosaic.tofile(source)
    height, width = shape
    numbers = map(str, (width, height, cfa.name.lower(), SHOT, READ, memory_kib))
    done = subprocess.run([example, source, target, *numbers], capture_output=True, text=True)
    denoiser = Denoiser(backend=str(host_bundle))
    assert (done.returncode, done.stderr) == (0, "")
    strip_px = -(-width // strips // 16) * 16
    assert done.stdout == f"{denoiser.member_for(SHOT).name}, in strips of {strip_px} columns\n"
    out = np.fromfile(target, np.float32).reshape(shape)
    np.testing.assert_allclose(out, denoiser.denoise(mosaic, cfa, SHOT, READ), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("width", "shot", "memory_kib", "message"),
    [
        (62, SHOT, 100, "KiB are needed at least"),
        (61, SHOT, 4096, "width and height must be even"),
        (64, SHOT, 4096, "a file that is too short"),
        (62, -SHOT, 4096, "noise must be finite"),
    ],
)
def test_the_example_program_says_what_is_wrong(
    example: Path, tmp_path: Path, width: int, shot: float, memory_kib: int, message: str
) -> None:
    source = tmp_path / "in.f32"
    a_mosaic(60, 62).tofile(source)
    numbers = map(str, (width, 60, "rggb", shot, READ, memory_kib))
    done = subprocess.run([example, source, tmp_path / "out.f32", *numbers], capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr


def test_callers_threads_share_a_denoiser(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    denoiser = Denoiser(backend=str(make_bundle(sleep_ms=5)))
    frames = [a_mosaic(256, 64, seed) for seed in range(3)]
    noise = NoisePerColour((SHOT,) * 3, (READ,) * 3)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda frame: denoiser.denoise(frame, "BGGR", SHOT, READ), frames))
    for frame, result in zip(frames, results, strict=True):
        np.testing.assert_allclose(result, expected_of(frame, Cfa.BGGR, 1, noise), atol=2e-6)
    assert sum(thread.name.startswith("denoise") for thread in threading.enumerate()) >= 3


def test_the_arena_is_allocated_once(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arenas: list[np.ndarray] = []
    run_part = Library.run_part

    def spy(library: Library, call: Call, part: int) -> None:
        arenas.append(call.arena)
        run_part(library, call, part)

    monkeypatch.setattr(Library, "run_part", spy)
    denoiser = Denoiser(backend=str(make_bundle()))
    for width in (400, 64, 400, 600):
        denoiser.denoise(a_mosaic(32, width), "RGGB", SHOT, READ)
    assert arenas[0] is arenas[1] is arenas[2]
    assert arenas[3].nbytes > arenas[0].nbytes
    assert all(arena.ctypes.data % 64 == 0 for arena in arenas)


def test_the_specialist_for_the_noise_is_run(make_bundle: MakeBundle) -> None:
    bundle, mosaic = str(make_bundle()), a_mosaic(32, 32)
    denoiser = Denoiser(backend=bundle)
    assert denoiser.name == "specialists"
    assert [member.name for member in denoiser.members] == ["specialist-1", "specialist-2"]
    assert [member.sha256 for member in denoiser.members] == [weights_sha256(one.name) for one in denoiser.members]
    assert denoiser.member_for(9e-4) == denoiser.members[0]
    assert denoiser.member_for((9e-4, 1.2e-3, 9e-4)) == denoiser.members[1]  # green counts twice
    low, high = (denoiser.denoise(mosaic, "RGGB", shot, 0.0) - np.float32(shot) for shot in (9e-4, 2e-3))
    np.testing.assert_allclose(high - low, 1, atol=1e-5)
    alone = Denoiser("specialist-1", bundle)
    assert alone.name == "specialist-1"
    assert [member.name for member in alone.members] == ["specialist-1"]
    np.testing.assert_allclose(alone.denoise(mosaic, "RGGB", 2e-3, 0.0) - np.float32(2e-3), low, atol=1e-6)
    assert Denoiser("specialists", bundle).members == denoiser.members


def test_strength_is_as_with_torch(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    denoiser, mosaic = Denoiser(backend=str(make_bundle())), a_mosaic(128, 64)
    once = denoiser.denoise(mosaic, "RGGB", SHOT, READ)
    twice = denoiser.denoise(once, "RGGB", SHOT, READ)
    kept = mosaic.copy()
    assert np.array_equal(denoiser.denoise(mosaic, "RGGB", SHOT, READ, strength=0), mosaic)
    half = denoiser.denoise(mosaic, "RGGB", SHOT, READ, strength=0.5)
    np.testing.assert_allclose(half, mosaic + 0.5 * (once - mosaic), atol=1e-6)
    seen: list[tuple[int, int]] = []
    more = denoiser.denoise(mosaic, "RGGB", SHOT, READ, strength=1.5, progress=lambda *at: seen.append(at))
    np.testing.assert_allclose(more, once + 0.5 * (twice - once), atol=1e-6)
    assert seen == [(1, 2), (2, 2)]
    assert np.array_equal(mosaic, kept)


def test_an_error_in_progress_ends_the_work(make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(compiled, "MAX_STRIP_PX", 96 * 96)
    denoiser, mosaic, ran = Denoiser(backend=str(make_bundle(sleep_ms=5))), a_mosaic(1600, 32), []
    cut_out = compiled.cut_out
    monkeypatch.setattr(compiled, "cut_out", lambda *arguments: ran.append(1) or cut_out(*arguments))

    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        denoiser.denoise(mosaic, "RGGB", SHOT, READ, progress=interrupted)
    denoiser.denoise(mosaic[:16], "RGGB", SHOT, READ)  # after what was left of it
    assert len(ran) <= 4


@pytest.mark.parametrize(
    ("variable", "expected"), [("3", 3), ("2,4", 2), (" 1 ", 1), ("", None), ("0", None), ("many", None)]
)
def test_threads_are_those_openmp_would_use(
    variable: str, expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {0, 2, 5, 6, 9}, raising=False)
    assert thread_count() == (expected or 5)


def test_torch_is_not_imported(make_bundle: MakeBundle) -> None:
    program = """
import sys
import numpy as np
from denoiser import Denoiser
Denoiser(backend=sys.argv[1]).denoise(np.ones((32, 32), np.float32), "RGGB", 1e-3, 1e-5)
print([name for name in ("torch", "safetensors", "cv2") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program, str(make_bundle())], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_weights_to_choose_from_do_not_go_with_a_bundle(make_bundle: MakeBundle) -> None:
    from denoiser import manifest

    with pytest.raises(ConfigError, match="compiled from"):
        Denoiser(backend=str(make_bundle()), catalogue=manifest.shipped())


def test_a_compiled_network_has_no_layers_to_look_at(make_bundle: MakeBundle) -> None:
    denoiser = Denoiser(backend=str(make_bundle()))
    with pytest.raises(ConfigError, match="specialist-1 is compiled"):
        denoiser.loaded(denoiser.members[0])


@pytest.mark.parametrize(("status", "name"), [(3, "FAN_ARENA_TOO_SMALL"), (9, "9")])
def test_a_run_that_fails_is_told(make_bundle: MakeBundle, status: int, name: str) -> None:
    denoiser = Denoiser(backend=str(make_bundle(status=status)))
    with pytest.raises(UserError, match=f"fan_run_part gave {name} for a tile of 96 x 96 px"):
        denoiser.denoise(a_mosaic(32, 32), "RGGB", SHOT, READ)


def test_the_stage_runs_a_bundle_and_puts_it_on_record(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    noise = NoiseModel.uniform(SHOT, READ, NoiseOrigin.TAG)
    signal = signal_of(a_mosaic(95, 96), Cfa.GBRG, Domain.LINEAR_MOSAIC, noise=noise)
    out = Denoise()(signal, DenoiseParameters(backend=str(bundle)))
    even = np.pad(signal.data, ((0, 1), (0, 0)), mode="reflect")
    expected = Denoiser(backend=str(bundle)).denoise(even, Cfa.GBRG, SHOT, READ)[:95]
    np.testing.assert_array_equal(out.data, expected)
    assert out.decisions == (
        ("denoise.model", "specialist-2"),
        ("denoise.weights_sha256", weights_sha256("specialist-2")),
        ("denoise.backend", f"host float32, library SHA-256 {sha256(bundle / 'lib' / 'libfan.so')}"),
    )
