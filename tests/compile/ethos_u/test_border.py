"""The core's side of an NPU: in Python against the denoiser's own normalisation, in C against the one in Python."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from compile import golden
from compile.ethos_u import border
from compile.ethos_u.integer_graph import Image, IntegerNetwork, Precision, Tensor
from compile.ethos_u.model_source import Entry, write_tables
from compile.ethos_u.tile import Tile
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled, Estimates, Place
from tests.compile.compiled_kernels import c_compiler
from tests.compile.small_networks import TINIEST, random_network

HOOKS = Path(str(files("firmware_hooks")))
HERE = Path(__file__).parent
SOURCES = (HERE / "npu_program.c", HOOKS / "src" / "fan_npu.c")
INCLUDES = [f"-I{folder}" for folder in (HERE / "driver", HOOKS / "include", HOOKS / "src")]
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

SHOT, READ = (1.5e-3, 1e-3, 7e-4), (2e-6, 1e-6, 3e-6)
NOISES = {
    "usual": (SHOT, READ),
    "strong": ((0.04, 0.05, 0.03), (0.01, 0.02, 0.01)),
    "cleaner than told": ((1e-6, 4e-6, 1e-5), (0.0, 1e-8, 2e-7)),
    "no noise in red": ((0.0, 1e-3, 1e-3), (0.0, 1e-5, 1e-5)),
    "read noise only": ((0.0, 0.0, 0.0), (1e-5, 1e-5, 1e-5)),
}


def network_of(precision: Precision, step: float = 8e-4, answer_step: float = 6e-5) -> IntegerNetwork:
    """Nothing but its border."""
    return IntegerNetwork(precision, Image(5, step), Tensor(4, answer_step))


def entry_of(name: str, chosen_from: float, network: IntegerNetwork, side_px: int, fast_bytes: int = 0) -> Entry:
    pixels, size = (side_px // 2) ** 2, network.precision.activation.itemsize
    output = -(-5 * pixels * size // 16) * 16
    compiled = Compiled(
        bytes(range(48)),
        bytes(100),
        0,
        output + 4 * pixels * size,
        1,
        fast_bytes,
        2 if fast_bytes else 1,
        Place(1, 0, ()),
        Place(1, output, ()),
        Estimates(1, 1.0, 1, 1, 1, 1, 1, 1),
        b"",
    )
    return Entry(name, chosen_from, network, Tile(side_px, compiled))


ENTRIES = (
    entry_of("wide", 0.0, network_of(Precision.A16W8), 24),
    entry_of("narrow", 1e-3, network_of(Precision.A8W8, 0.05, 0.01), 16, fast_bytes=64),
    entry_of("late", 1e-2, network_of(Precision.A16W8, 3e-3), 16),
)


def mosaic_of(side_px: int, seed: int = 0) -> np.ndarray:
    """All over, below black and beyond white, and in a corner further below black than noise goes."""
    mosaic = np.random.default_rng(seed).uniform(-0.01, 1.2, (side_px, side_px)).astype(np.float32)
    mosaic[:4, :4] = -100
    mosaic[4:8, :4] = 16
    mosaic[4:8, 4:8] = 0
    return mosaic


def stabilised(value: np.ndarray, shot: float, read: float) -> np.ndarray:
    """The generalised Anscombe transform, in units of 16 standard deviations."""
    zero = np.sqrt(0.375 * shot**2 + read)
    return (np.sqrt(shot * value.astype(np.float64) + zero**2) - zero) * 2 / shot / 16


def test_the_network_sees_stabilised_planes_and_the_level() -> None:
    mosaic = np.random.default_rng(1).uniform(0, 1, (8, 6)).astype(np.float32)
    image = border.seen(mosaic, SHOT, READ)[0]
    assert image.shape == (5, 4, 3)
    planes = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
    for plane, (row, column, colour) in enumerate(planes):
        expected = stabilised(mosaic[row::2, column::2], SHOT[colour], READ[colour])
        assert np.abs(image[plane] - expected).max() < 1e-5
    mean = (SHOT[0] + 2 * SHOT[1] + SHOT[2]) / 4
    assert image[4] == pytest.approx(0.5 * np.log10(mean) + 1.5, abs=1e-6)


@pytest.mark.parametrize("layout", list(Layout))
def test_integers_are_the_nearest_and_saturate(layout: Layout) -> None:
    network = network_of(Precision.A16W8, step=0.01)
    image = np.random.default_rng(1).normal(0, 100, (1, 5, 4, 6)).astype(np.float32)
    image[0, 0, 0, :2] = 1e6, -1e6
    found = border.integers(image, network, layout)
    assert found.dtype == np.int16
    assert found.flags.c_contiguous
    values = found.transpose(0, 3, 1, 2) if layout is Layout.NHWC else found
    assert values[0, 0, 0, :2].tolist() == [32767, -32767]
    within = np.abs(image) < 300
    assert within.mean() > 0.9
    assert np.abs(values * 0.01 - image)[within].max() <= 0.005 + 1e-4


@pytest.mark.parametrize("layout", list(Layout))
def test_the_mosaic_is_that_of_the_float_model_up_to_the_steps(layout: Layout) -> None:
    network, mosaic = random_network(TINIEST), mosaic_of(32)
    with torch.inference_mode():
        exact = network(torch.from_numpy(border.seen(mosaic, SHOT, READ))).numpy()
    step = 1e-5
    answer = np.rint(exact / step).astype(np.int32)
    answer = answer.transpose(0, 2, 3, 1) if layout is Layout.NHWC else answer
    found = border.restored(mosaic, answer, network_of(Precision.A16W8, answer_step=step), layout, SHOT, READ)
    expected = golden.reference(network, mosaic, SHOT, READ)
    assert np.abs(expected - mosaic).max() > 0.01
    assert np.abs(found - expected)[4:].max() < 1e-4
    assert (found[:4, :4] == -100).all()


def test_an_answer_of_nothing_changes_nothing() -> None:
    mosaic, network = mosaic_of(16), network_of(Precision.A16W8)
    for layout in Layout:
        answer = np.zeros(border.answer_shape(network, 16, layout), np.int16)
        assert (border.restored(mosaic, answer, network, layout, SHOT, READ) == mosaic).all()


def test_the_shape_of_the_answer() -> None:
    network = network_of(Precision.A16W8)
    assert border.answer_shape(network, 32, Layout.NHWC) == (1, 16, 16, 4)
    assert border.answer_shape(network, 32, Layout.NCHW) == (1, 4, 16, 16)


@pytest.fixture(scope="module", params=list(Layout))
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


@pytest.fixture(scope="module")
def program(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fan_npu.c with tables of ENTRIES, every slip fatal."""
    folder = tmp_path_factory.mktemp("npu")
    tables, output = folder / "fan_npu_model.c", folder / "program"
    tables.write_text(write_tables(ENTRIES, layout))
    command = [c_compiler(), *STRICT, *SANITIZERS, *INCLUDES, *map(str, SOURCES), str(tables), "-lm", "-o", str(output)]
    subprocess.run(command, check=True)
    return output


def called(program: Path, *arguments: object) -> str:
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def written(path: Path, mosaic: np.ndarray, stride: int) -> Path:
    """Rows apart; the last one ends with its last pixel."""
    rows = np.full((len(mosaic), stride), np.nan, np.float32)
    rows[:, : mosaic.shape[1]] = mosaic
    path.write_bytes(rows.tobytes()[: 4 * ((len(mosaic) - 1) * stride + mosaic.shape[1])])
    return path


@pytest.mark.parametrize("number", range(len(ENTRIES)))
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_the_integers_that_c_gives(
    program: Path, layout: Layout, tmp_path: Path, number: int, noise: tuple[border.Triple, border.Triple]
) -> None:
    entry = ENTRIES[number]
    mosaic, network = mosaic_of(entry.tile.side_px), entry.network
    stride = entry.tile.side_px + 3 * number
    source, target = written(tmp_path / "in.f32", mosaic, stride), tmp_path / "integers.bin"
    called(program, "give", number, *noise[0], *noise[1], source, stride, target)
    expected = border.integers(border.seen(mosaic, *noise), network, layout)
    found = np.fromfile(target, network.precision.activation).reshape(expected.shape)
    difference = np.abs(found.astype(int) - expected)
    # Where float32 falls on the other side of a half; of the smallest tile, whose 320 values are few, once more.
    assert difference.max() <= 1
    assert np.count_nonzero(difference) <= 0.005 * difference.size + 1
    assert len(np.unique(expected)) > 10


@pytest.mark.parametrize("number", range(len(ENTRIES)))
@pytest.mark.parametrize("noise", NOISES.values(), ids=NOISES)
def test_the_mosaic_that_c_takes(
    program: Path, layout: Layout, tmp_path: Path, number: int, noise: tuple[border.Triple, border.Triple]
) -> None:
    entry = ENTRIES[number]
    side, network = entry.tile.side_px, entry.network
    mosaic, largest = mosaic_of(side), network.precision.largest
    answer = np.random.default_rng(5).integers(-largest, largest + 1, border.answer_shape(network, side, layout))
    answer = answer.astype(network.precision.activation)
    answer.tofile(tmp_path / "answer.bin")
    stride, out_stride = side + number, side + number % 2
    source, target = written(tmp_path / "in.f32", mosaic, stride), tmp_path / "out.f32"
    called(
        program, "run", number, *noise[0], *noise[1], source, stride, tmp_path / "answer.bin", target, out_stride
    )  # fmt: skip
    padding = bytes(4 * (out_stride - side))
    found = np.frombuffer(target.read_bytes() + padding, np.float32).reshape(side, out_stride)[:, :side]
    expected = border.restored(mosaic, answer, network, layout, *noise)
    assert (np.abs(found - expected) / np.maximum(1, np.abs(expected))).max() < 2e-6
    assert np.abs(expected - mosaic).max() > 1e-4


def test_the_specialist_for_a_noise_is_chosen_by_its_mean_over_the_pixels(program: Path) -> None:
    """Red has twice the shot noise given, green as much, blue none: their mean over a mosaic is what was given."""
    shots = (0, 5e-4, 0.99e-3, 1.01e-3, 5e-3, 0.99e-2, 1.01e-2, 1)
    assert called(program, "choose", *shots).split() == ["0", "0", "0", "1", "1", "1", "2", "2"]


def test_c_refuses_what_it_cannot_use(program: Path) -> None:
    called(program, "misuse")


@pytest.mark.parametrize("flags", [("-mcpu=cortex-m55",), ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16")])
def test_c_builds_for_the_core_beside_the_npu(tmp_path: Path, flags: tuple[str, ...]) -> None:
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("arm-none-eabi-gcc is not installed: gcc-arm-none-eabi")
    tables = tmp_path / "fan_npu_model.c"
    tables.write_text(write_tables(ENTRIES, Layout.NHWC))
    # Headers of the C library are the toolchain's, or those of a port that does without.
    strict = (*STRICT, "-Wdouble-promotion", "-ffreestanding", "-mthumb", "-mfloat-abi=hard", *flags, "-O2")
    includes = (*INCLUDES, f"-I{HOOKS / 'ports' / 'cmsdk'}")
    for source in (HOOKS / "src" / "fan_npu.c", tables):
        subprocess.run([compiler, *strict, *includes, "-c", source, "-o", tmp_path / f"{source.stem}.o"], check=True)
