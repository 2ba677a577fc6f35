"""The engine's tables say what the program says: compiled with stubs for the kernels and read back as C reads them."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from compile import model_tables
from compile.fusion import fuse
from compile.model_tables import Specialist
from compile.row_kernels.elementwise import RowElementwise
from compile.row_program import SAME, Ring, RowProgram, Step, timing
from denoiser.network import Architecture, FeatureAlignNetwork
from isp.errors import ConfigError
from tests.compile.compiled_kernels import c_compiler
from tests.compile.graphs import graph_of
from tests.compile.small_networks import FOUR_SCALES, UNALIGNED, random_network

HOOKS = Path(str(files("firmware_hooks")))
SCRATCH_BYTES = 4160


class RingTable(ctypes.Structure):
    """fan_ring."""

    _fields_ = (
        ("channels", ctypes.c_uint16),
        ("capacity", ctypes.c_uint16),
        ("lag", ctypes.c_uint16),
        ("scale", ctypes.c_uint8),
    )


class StepTable(ctypes.Structure):
    """fan_step."""

    _fields_ = (
        ("kernel", ctypes.c_void_p),
        ("weights", ctypes.c_uint32),
        ("odd_row_weights", ctypes.c_uint32),
        ("source", ctypes.c_uint8),
        ("side", ctypes.c_uint8),
        ("target", ctypes.c_uint8),
        ("multiply", ctypes.c_uint8),
        ("shift", ctypes.c_uint8),
        ("count", ctypes.c_uint8),
        ("origin", ctypes.c_int8),
        ("spread", ctypes.c_uint8),
    )


class NetworkTable(ctypes.Structure):
    """fan_network."""

    _fields_ = (
        ("rings", ctypes.POINTER(RingTable)),
        ("steps", ctypes.POINTER(StepTable)),
        ("stabilise", ctypes.c_void_p),
        ("restore", ctypes.c_void_p),
        ("scratch_bytes", ctypes.c_uint32),
        ("halo", ctypes.c_uint32),
        ("ring_count", ctypes.c_uint8),
        ("step_count", ctypes.c_uint8),
        ("coarsest", ctypes.c_uint8),
        ("answer", ctypes.c_uint8),
        ("value_bytes", ctypes.c_uint8),
    )


class SpecialistTable(ctypes.Structure):
    """fan_specialist."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("network", ctypes.POINTER(NetworkTable)),
        ("weights", ctypes.c_void_p),
        ("chosen_from", ctypes.c_float),
    )


class Tables:
    """fan_model.c as C reads it, its kernels and weights stubs."""

    def __init__(self, specialists: Sequence[Specialist], folder: Path, value_bytes: int = 4) -> None:
        tables = folder / "fan_model.c"
        tables.write_text(model_tables.write_tables(specialists, value_bytes, SCRATCH_BYTES))
        kernels = dict.fromkeys(kernel for each in specialists for kernel in model_tables.kernels_of(each.program))
        symbols = [*map(model_tables.symbol, kernels), *map(model_tables.weights_symbol, range(len(specialists)))]
        stubs = folder / "stubs.c"
        stubs.write_text("".join(f"const unsigned char {name}[64] = {{1}};\n" for name in symbols))
        path, compiler = folder / "tables.so", c_compiler()
        strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fPIC", "-DFAN_PRIVATE="]
        for source in (tables, stubs):
            command = [compiler, *strict, f"-I{HOOKS / 'src'}", "-c", source, "-o", source.with_suffix(".o")]
            subprocess.run(command, check=True)
        subprocess.run([compiler, "-shared", tables.with_suffix(".o"), stubs.with_suffix(".o"), "-o", path], check=True)
        self._library = ctypes.CDLL(str(path))
        count = ctypes.c_uint32.in_dll(self._library, "fan_specialists_count").value
        self.specialists = list((SpecialistTable * count).in_dll(self._library, "fan_specialists"))

    def address(self, symbol: str) -> int:
        return ctypes.addressof(ctypes.c_char.in_dll(self._library, symbol))


def specialist(
    name: str, architecture: Architecture, chosen_from: float = 0.0, halo_px: int = 48, seed: int = 0
) -> Specialist:
    return Specialist(name, fuse(graph_of(random_network(architecture, seed)), 4), chosen_from, halo_px)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, list[Specialist]]:
    specialists = [
        specialist("clean", FOUR_SCALES),
        specialist("middle", UNALIGNED, chosen_from=1e-4, halo_px=64),
        specialist("noisy", FOUR_SCALES, chosen_from=0.0123, seed=1),
    ]
    return Tables(specialists, tmp_path_factory.mktemp("tables")), specialists


def test_specialists_in_their_order(made: tuple[Tables, list[Specialist]]) -> None:
    tables, specialists = made
    assert [each.name for each in tables.specialists] == [b"clean", b"middle", b"noisy"]
    assert [each.chosen_from for each in tables.specialists] == [0.0, np.float32(1e-4), np.float32(0.0123)]
    for number, each in enumerate(tables.specialists):
        assert each.weights == tables.address(f"fan_weights_{number}")
    assert [each.network.contents.halo for each in tables.specialists] == [48, 64, 48]
    assert len(specialists) == 3


def test_networks_of_one_shape_share_their_tables(made: tuple[Tables, list[Specialist]]) -> None:
    addresses = [ctypes.addressof(each.network.contents) for each in made[0].specialists]
    assert addresses[0] == addresses[2] != addresses[1]


def test_networks_that_differ_in_their_halo_alone_do_not(tmp_path: Path) -> None:
    some = [specialist("a", UNALIGNED, halo_px=48), specialist("b", UNALIGNED, chosen_from=1.0, halo_px=64)]
    assert [each.network.contents.halo for each in Tables(some, tmp_path).specialists] == [48, 64]


def test_tables_are_those_of_the_program(made: tuple[Tables, list[Specialist]]) -> None:
    tables, specialists = made
    for table, each in zip(tables.specialists, specialists, strict=True):
        network, program = table.network.contents, each.program
        times, rings = timing(program), list(program.rings)
        assert network.ring_count == len(rings)
        for found, ring in zip(network.rings[: len(rings)], rings, strict=True):
            expected = (ring.channels, times.capacity[ring], times.lag[ring], ring.scale)
            assert (found.channels, found.capacity, found.lag, found.scale) == expected
        assert network.step_count == len(program.steps)
        for found, step in zip(network.steps[: len(program.steps)], program.steps, strict=True):
            assert found.kernel == tables.address(model_tables.symbol(step.kernel))
            assert found.source == rings.index(step.source)
            assert found.side == (255 if step.side is None else rings.index(step.side))
            assert found.target == rings.index(step.target)
            rows = (found.multiply, found.shift, found.origin, found.count)
            assert rows == (step.rows.multiply, step.rows.shift, step.rows.origin, step.rows.count)
            assert found.spread == (2 if step.target.scale < step.source.scale else 1)
        stabilise, *_, restore = model_tables.kernels_of(program)
        assert network.stabilise == tables.address(model_tables.symbol(stabilise))
        assert network.restore == tables.address(model_tables.symbol(restore))
        assert network.scratch_bytes == SCRATCH_BYTES
        assert (network.coarsest, network.value_bytes) == (program.coarsest, 4)
        assert rings[network.answer] is program.answer


@pytest.mark.parametrize("values", ["float32", "float16"])
def test_weights_lie_where_the_tables_say(made: tuple[Tables, list[Specialist]], values: str) -> None:
    tables, specialists = made
    parities = set()
    for table, each in zip(tables.specialists, specialists, strict=True):
        content = model_tables.packed_weights(each.program, np.dtype(values))
        weights = np.frombuffer(content, np.dtype(values).newbyteorder("<"))
        for found, step in zip(
            table.network.contents.steps[: len(each.program.steps)], each.program.steps, strict=True
        ):
            halves = np.split(step.weights, step.parities)
            parities.add(step.parities)
            for start, half in ((found.weights, halves[0]), (found.odd_row_weights, halves[-1])):
                assert start * weights.itemsize % 64 == 0
                np.testing.assert_array_equal(weights[start : start + half.size], half.astype(values))
    assert parities == {1, 2}
    assert weights.any()


def test_value_bytes(tmp_path: Path) -> None:
    (table,) = Tables([specialist("half", UNALIGNED)], tmp_path, value_bytes=2).specialists
    assert table.network.contents.value_bytes == 2


def test_every_kernel_once() -> None:
    program = specialist("some", FOUR_SCALES).program
    kernels = model_tables.kernels_of(program)
    assert len(set(kernels)) == len(kernels) < len(program.steps) + 2
    assert {step.kernel for step in program.steps} < set(kernels)
    for kernel in kernels:
        assert re.fullmatch(r"fan_k_[a-z0-9_]+", model_tables.symbol(kernel))


def chain(length: int, image_channels: int = 8, channels: int = 8) -> RowProgram:
    """As many layers that each do next to nothing, behind an image."""
    image = Ring(0, image_channels)
    steps, before = [], image
    for _ in range(length):
        target = Ring(0, channels)
        steps.append(Step(RowElementwise("abs", 8), before, SAME, None, target, np.zeros(0, np.float32), 1))
        before = target
    return RowProgram(image, tuple(steps), before)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (chain(64), "65 layers"),
        (chain(1, image_channels=24), "24 channels"),
        (fuse(graph_of(FeatureAlignNetwork(Architecture((4,) * 5, (1,) * 5, (1,) * 4, align_width=4))), 4), "halvings"),
    ],
    ids=["layers", "image", "scales"],
)
def test_what_the_engine_is_not_made_for_is_refused(program: RowProgram, found: str) -> None:
    """Mosaics of any multiple of 16 have a whole number of pixels down to the fourth scale only."""
    with pytest.raises(ConfigError, match=rf"large: .*{found}.*expected at most"):
        model_tables.write_tables([Specialist("large", program, 0.0, 16)], 4, 0)


def test_an_answer_of_another_size_than_the_mosaic_is_refused() -> None:
    image, coarse = Ring(0, 8), Ring(1, 8)
    step = Step(RowElementwise("abs", 8), image, SAME, None, coarse, np.zeros(0, np.float32), 1)
    with pytest.raises(ConfigError, match=r"coarse: .*an answer"):
        model_tables.write_tables([Specialist("coarse", RowProgram(image, (step,), coarse), 0.0, 16)], 4, 0)


def test_the_most_that_the_engine_is_made_for(tmp_path: Path) -> None:
    Tables([Specialist("some", chain(63, image_channels=16), 0.0, 16)], tmp_path)


def test_limits_are_those_of_the_engine() -> None:
    headers = [(HOOKS / name).read_text() for name in ("include/fan.h", "src/fan_model.h")]
    limits = dict(re.findall(r"#define (\w+) (\d+)u", "".join(headers)))
    assert int(limits["FAN_RINGS_MAX"]) == model_tables.MOST_RINGS
    assert int(limits["FAN_IMAGE_CHANNELS_MAX"]) == model_tables.MOST_IMAGE_CHANNELS
    assert int(limits["FAN_NONE"]) == model_tables.NONE
