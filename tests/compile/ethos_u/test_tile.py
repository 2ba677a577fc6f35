"""The tile that fits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compile.ethos_u.tile import HALO_PX, PROBE_PX, SIDES_PX, Tile, largest, of_side
from compile.ethos_u.vela import Compiled, Estimates, Place
from isp.errors import ConfigError
from targets.descriptions import Npu, load

MIB = 1 << 20


def npu(name: str = "ethos-u55-64", **changed: int) -> Npu:
    found = load(name).npu
    assert found is not None
    return replace(found, **changed)


class Network:
    """Takes as many bytes for each pixel, and notes for which sides it was compiled."""

    def __init__(self, sram_bytes: float, dram_bytes: float = 0, saved: float = 1.0) -> None:
        self.sram_bytes, self.dram_bytes, self.saved = sram_bytes, dram_bytes, saved
        self.sides: list[int] = []

    def __call__(self, side_px: int) -> Compiled:
        self.sides.append(side_px)
        saved = self.saved if side_px > PROBE_PX else 1.0
        sram, dram = (round(each * side_px**2 * saved) for each in (self.sram_bytes, self.dram_bytes))
        estimates = Estimates(10 * side_px**2, 5e8, 1, sram, dram, 1, 1, 1)
        return Compiled(b"", b"", 0, sram, 1, 0, 1, Place(1, 0, ()), Place(1, 0, ()), estimates, b"")


def named(*networks: Network) -> dict[str, Network]:
    return {f"net-{number}": network for number, network in enumerate(networks, 1)}


def test_the_largest_tile_that_fits_is_taken() -> None:
    (made,) = largest(named(Network(32)), npu(sram_bytes=2 * MIB))
    assert made.side_px == 256
    (made,) = largest(named(Network(32)), npu(sram_bytes=32 * 224**2))
    assert made.side_px == 224
    (made,) = largest(named(Network(32)), npu(sram_bytes=32 * 224**2 - 1))
    assert made.side_px == 192


def test_a_tile_that_vela_makes_fit_is_taken() -> None:
    """It saves memory where it must, so that a larger tile than memory grows by may do."""
    (made,) = largest(named(Network(32, saved=0.8)), npu(sram_bytes=round(32 * 0.8 * 320**2)))
    assert made.side_px == 320


def test_sides_beyond_hope_are_not_compiled() -> None:
    network = Network(32)
    largest(named(network), npu(sram_bytes=2 * MIB))
    assert network.sides == [PROBE_PX, 288, 256]


def test_with_dram_the_sram_is_a_cache_that_may_be_full() -> None:
    (made,) = largest(named(Network(1e3, 64)), npu("ethos-u65-256", dram_bytes=64 * 512**2))
    assert made.side_px == 512


def test_all_networks_have_the_tile_of_the_hungriest() -> None:
    for networks in ([Network(16), Network(32)], [Network(32), Network(16)]):
        first, second = largest(named(*networks), npu(sram_bytes=2 * MIB))
        assert first.side_px == second.side_px == 256
        assert second.compiled.estimates.sram_bytes == round(networks[1].sram_bytes * 256**2)


@pytest.mark.parametrize(("sram", "dram", "name"), [(200, 0, "ethos-u55-64"), (1, 2000, "ethos-u65-256")])
def test_where_nothing_fits_the_memory_is_named(sram: float, dram: float, name: str) -> None:
    target = npu(name)
    with pytest.raises(ConfigError) as error:
        largest(named(Network(sram, dram)), target)
    message = str(error.value)
    needed = [int(each * SIDES_PX[-1] ** 2) >> 10 for each in (sram, dram)]
    assert f"net-1: a tile of 128 px takes {needed[0]} KiB of SRAM and {needed[1]} KiB of DRAM" in message
    assert (
        f"expected at most {target.sram_bytes >> 10} and {target.dram_bytes >> 10} KiB, as {name} is described"
        in message
    )
    assert "a smaller model" in message


def test_a_side_that_was_asked_for() -> None:
    made = of_side(named(Network(32), Network(8)), npu(sram_bytes=2 * MIB), 112)
    assert [one.side_px for one in made] == [112, 112]


@pytest.mark.parametrize("side_px", [2 * HALO_PX, 0, -128, 100])
def test_a_side_that_is_none(side_px: int) -> None:
    with pytest.raises(ConfigError, match=rf"a tile of {side_px} px; expected a multiple of 16 above 64"):
        of_side(named(Network(1)), npu(), side_px)


def test_a_side_that_does_not_fit() -> None:
    message = (
        r"^net-2: a tile of 512 px does not fit the memory of ethos-u55-64, it takes 8192 KiB of SRAM and 0 KiB of "
        r"DRAM; expected at most 2048 and 0 KiB, as ethos-u55-64 is described"
    )
    with pytest.raises(ConfigError, match=message):
        of_side(named(Network(8), Network(32)), npu(sram_bytes=2 * MIB), 512)


def test_where_nothing_fits_the_network_that_does_not_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^net-2: a tile of 128 px takes 4096 KiB"):
        largest(named(Network(8), Network(256)), npu(sram_bytes=2 * MIB))


def test_estimates_of_a_frame_count_the_halo() -> None:
    tile = Tile(256, Network(1)(256))
    assert tile.per_frame == 16 * 21  # of 192 pixels each, over 3000 x 4000
    assert tile.frame_s == pytest.approx(16 * 21 * 10 * 256**2 / 5e8)
    assert tile.cycles_per_megapixel == round(10 * 256**2 / (192**2 / 1e6))
