"""Tilings that are tried: all different in the code they lead to, by either search, and always the same ones."""

from __future__ import annotations

import pytest
from tvm_ffi import structural_hash

from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.kernel import COLUMNS, Vectors, scheduled
from compile.row_kernels.stabilise import RowStabilise
from compile.tuning.space import SEARCHES, Search, tilings

KERNEL = RowConvolution(1, 24, 24, 32, "side")
VECTORS = Vectors("float32", 8)


def test_every_tiling_divides_a_chunk_and_fits_registers() -> None:
    assert len(set(tilings())) == len(tilings())
    assert all(COLUMNS % tiling.columns == 0 and tiling.columns * tiling.blocks <= 32 for tiling in tilings())


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_a_search_gives_as_many_different_kernels_as_asked_for(search: Search) -> None:
    found = search(KERNEL, VECTORS, 5)
    assert len(found) == 5
    assert len({structural_hash(scheduled(KERNEL, VECTORS, tiling)) for tiling in found}) == 5
    assert search(KERNEL, VECTORS, 5) == found


def test_a_small_kernel_has_fewer_than_asked_for() -> None:
    """Nothing but its columns can be chosen."""
    found = SEARCHES["shuffled"](RowStabilise(8), VECTORS, 50)
    assert sorted(tiling.columns for tiling in found) == [1, 2, 4, 8]
