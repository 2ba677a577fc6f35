"""The search keeps the best, after every kernel, and goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from compile import tilings
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors
from compile.tuning import records
from compile.tuning.search import Campaign, tune
from compile.tuning.space import shuffled
from targets.descriptions import load

TARGET = load("cortex-a72")
VECTORS = Vectors("float32", 4)
KERNELS = [RowConvolution(1, 8, 8, channels, "none") for channels in (8, 16)]
UNTUNED = tilings.untuned(KERNELS, TARGET)


class FakeMeter:
    """Likes one column best. asked: kernels that were measured. fails_at: the one at which the user loses patience."""

    description = "taste"

    def __init__(self, fails_at: RowKernel | None = None) -> None:
        self.asked: list[RowKernel] = []
        self._fails_at = fails_at

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        if kernel == self._fails_at:
            raise KeyboardInterrupt
        self.asked.append(kernel)
        return tuple(float(tiling.columns) for tiling in tilings)


def campaign(meter: FakeMeter, count: int = 12) -> Campaign:
    return Campaign(TARGET, VECTORS, meter, shuffled, count)


def test_the_cheapest_tiling_is_kept_with_its_gain(tmp_path: Path) -> None:
    found = tune(campaign(FakeMeter()), UNTUNED, tmp_path)
    assert records.read(records.path_of(tmp_path, TARGET, VECTORS)) == found
    for kernel in KERNELS:
        entry = found.kernels[kernel.name]
        assert entry.columns == 1
        assert entry.cost == 1 / UNTUNED[kernel].columns


def test_the_untuned_tiling_stays_where_nothing_beats_it(tmp_path: Path) -> None:
    class Indifferent(FakeMeter):
        def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
            return (1.0,) * len(tilings)

    found = tune(campaign(Indifferent()), UNTUNED, tmp_path)
    assert all(found.kernels[kernel.name].tiling == UNTUNED[kernel] for kernel in KERNELS)


def test_an_interrupted_search_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(campaign(FakeMeter(fails_at=KERNELS[1])), UNTUNED, tmp_path)
    second = FakeMeter()
    found = tune(campaign(second), UNTUNED, tmp_path)
    assert second.asked == [KERNELS[1]]
    assert set(found.kernels) == {kernel.name for kernel in KERNELS}
    third = FakeMeter()
    tune(campaign(third, count=20), UNTUNED, tmp_path)  # more than were tried
    assert third.asked == KERNELS
