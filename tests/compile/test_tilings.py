"""The tiles that kernels get where no tuning record says better."""

from __future__ import annotations

import pytest

from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.kernel import COLUMNS, Tiling
from compile.row_kernels.stabilise import RowStabilise
from compile.tilings import UNROLLED, untuned
from targets.descriptions import host, load, names

KERNELS = [RowStabilise(8), RowConvolution(3, 5, 8, 16, "none")]
AVX2 = frozenset(
    "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 abm avx avx2 bmi1 bmi2 f16c fma movbe xsave".split()  # noqa: SIM905
)
AVX512 = AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


def test_every_kernel_has_one() -> None:
    assert list(untuned(KERNELS, load("arm64"))) == KERNELS
    assert untuned([], load("arm64")) == {}


@pytest.mark.parametrize("name", names())
def test_sums_leave_half_of_the_registers(name: str) -> None:
    target = load(name)
    registers = 8 if target.cpu == "cortex-m55" else 16 if target.cpu in ("x86-64", "x86-64-v3") else 32
    for tiling in untuned(KERNELS, target).values():
        assert COLUMNS % tiling.columns == 0
        assert tiling.columns * tiling.blocks == registers // 2
        assert tiling.unrolled == UNROLLED


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", AVX512, Tiling(8, 2, 8)),
        ("x86_64", AVX2, Tiling(4, 2, 8)),
        ("x86_64", frozenset(), Tiling(4, 2, 8)),
        ("aarch64", frozenset(), Tiling(8, 2, 8)),
    ],
)
def test_tiles_of_this_machine(machine: str, flags: frozenset[str], expected: Tiling) -> None:
    assert set(untuned(KERNELS, host(machine, "Linux", flags)).values()) == {expected}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("arm64", Tiling(8, 2, 8)), ("cortex-m55", Tiling(2, 2, 8)), ("cortex-m7", Tiling(4, 4, 8))],
)
def test_tiles_of_known_cores(name: str, expected: Tiling) -> None:
    assert set(untuned(KERNELS, load(name)).values()) == {expected}
