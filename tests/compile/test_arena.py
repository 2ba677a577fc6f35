"""The arena's size as Python works it out is the engine's own."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compile import model_tables
from compile.arena import arena_bytes
from compile.fusion import fuse
from compile.model_tables import Specialist
from denoiser.network import Architecture, FeatureAlignNetwork
from tests.compile.compiled_kernels import c_compiler
from tests.compile.graphs import graph_of
from tests.compile.small_networks import FOUR_SCALES, GAMMA_FREE, ONE_SCALE, TINIEST, UNALIGNED

HOOKS = Path(str(files("firmware_hooks")))
ARCHITECTURES = (
    Architecture(),
    FOUR_SCALES,
    GAMMA_FREE,
    ONE_SCALE,
    TINIEST,
    UNALIGNED,
    Architecture((32, 3, 64), (0, 3, 1), (2, 0), align_width=0),
    Architecture((1, 1, 1, 1), (1, 2, 1, 3), (1, 1, 4), align_width=17),
)


@dataclass(frozen=True)
class Variant:
    """The engine with tables for vectors and scratch of one kind, kernels left out."""

    lanes: int
    value_bytes: int
    scratch_bytes: int


VARIANTS = (Variant(1, 4, 0), Variant(4, 4, 3008), Variant(8, 2, 2112), Variant(8, 4, 68))


def specialists(variant: Variant) -> list[Specialist]:
    return [
        Specialist(
            f"network-{number}", fuse(graph_of(FeatureAlignNetwork(architecture)), variant.lanes), float(number), 16
        )
        for number, architecture in enumerate(ARCHITECTURES)
    ]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[Variant, tuple[ctypes.CDLL, list[Specialist]]]:
    made = {}
    for number, variant in enumerate(VARIANTS):
        folder, some = tmp_path_factory.mktemp(f"engine{number}"), specialists(variant)
        (folder / "fan_model.c").write_text(model_tables.write_tables(some, variant.value_bytes, variant.scratch_bytes))
        kernels = dict.fromkeys(kernel for each in some for kernel in model_tables.kernels_of(each.program))
        symbols = [*map(model_tables.symbol, kernels), *map(model_tables.weights_symbol, range(len(some)))]
        (folder / "stubs.c").write_text("".join(f"const char {name}[1] = {{0}};\n" for name in symbols))
        sources = [HOOKS / "src" / "fan.c", folder / "fan_model.c", folder / "stubs.c"]
        options = ["-std=c99", "-O1", "-fPIC", "-shared", f"-I{HOOKS / 'src'}", f"-I{HOOKS / 'include'}"]
        subprocess.run([c_compiler(), *options, *sources, "-o", folder / "engine.so"], check=True)
        library = ctypes.CDLL(str(folder / "engine.so"))
        library.fan_arena_bytes.restype = ctypes.c_size_t
        library.fan_arena_bytes.argtypes = [ctypes.c_uint32] * 3
        made[variant] = (library, some)
    return made


@given(variant=st.sampled_from(VARIANTS), number=st.integers(0, len(ARCHITECTURES) - 1), width=st.integers(1, 1024))
def test_it_is_the_engine_s_own(
    engines: dict[Variant, tuple[ctypes.CDLL, list[Specialist]]], variant: Variant, number: int, width: int
) -> None:
    library, some = engines[variant]
    found = arena_bytes(some[number].program, variant.value_bytes, variant.scratch_bytes, 16 * width)
    assert found == library.fan_arena_bytes(number, 16 * width, 16)


def test_what_is_too_wide_is_refused(engines: dict[Variant, tuple[ctypes.CDLL, list[Specialist]]]) -> None:
    """Kernels count values of the arena in int32, and a 32-bit core counts its bytes in as many bits."""
    for variant, (library, some) in engines.items():
        for number, specialist in enumerate(some):
            for width in (2**power for power in range(4, 32)):
                if library.fan_arena_bytes(number, width, 16):
                    size_bytes = arena_bytes(specialist.program, variant.value_bytes, variant.scratch_bytes, width)
                    assert size_bytes < 2**32
                    assert size_bytes < 2**31 * variant.value_bytes
            assert library.fan_arena_bytes(number, 16384, 16) > 0


def test_known_answer() -> None:
    """One scale, a block without alignment: by hand, for a mosaic 32 pixels wide."""
    program = fuse(graph_of(FeatureAlignNetwork(Architecture((6,), (1,), (), align_width=0))), 4)
    # 16 packed columns and two of border, of 8 channels in four bytes; the answer has 4 channels.
    row = (16 + 2) * 8 * 4
    rings = 3 * row + 3 * row + 3 * row + row // 2
    rounded_up = -(-(3 * row) // 64) * 64 * 3 + -(-(row // 2) // 64) * 64
    assert rings <= rounded_up
    assert arena_bytes(program, 4, 0, 32) == 576 + rounded_up
    assert arena_bytes(program, 4, 1, 32) == 576 + rounded_up + 64


def test_narrow_mosaics_need_whole_chunks() -> None:
    program = fuse(graph_of(FeatureAlignNetwork(ONE_SCALE)), 4)
    sizes = [arena_bytes(program, 4, 0, width) for width in (16, 32, 48, 64)]
    assert sizes[0] == sizes[1] < sizes[2] == sizes[3]
