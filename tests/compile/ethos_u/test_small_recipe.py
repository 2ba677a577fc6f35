"""The small family's architecture, whose widths are no multiples of an NPU's blocks, through the whole chain."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

pytest.importorskip("tosa_serializer", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")
pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed: pip install 'fan-isp[npu]'")

from compile import networks
from compile.ethos_u import calibration, network_bundle, verification
from compile.ethos_u.integer_graph import IntegerNetwork, Precision
from compile.ethos_u.network_bundle import Request
from compile.networks import SourceFamily
from denoiser import weights_file
from denoiser.training.recipe import RECIPES
from targets.descriptions import load
from tests.compile.small_networks import random_network

TILE_PX = 96
RECIPE = RECIPES["small-2"]


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> SourceFamily:
    path = tmp_path_factory.mktemp("weights") / "small-2.safetensors"
    weights_file.save(path, random_network(RECIPE.architecture), "small-2", RECIPE.shot_range)
    return networks.load(str(path))


@pytest.fixture(scope="module")
def integers(family: SourceFamily) -> IntegerNetwork:
    """Of a few images: how well they fit the network is not asked here."""
    (source,) = family.networks
    return network_bundle.lowered(
        source, Precision.A16W8, lambda shot_range: islice(calibration.images(shot_range), 2)
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ethos-u55-64", "ethos-u65-512"])
def test_every_bit_is_equal(name: str, family: SourceFamily, integers: IntegerNetwork) -> None:
    target = load(name)
    assert target.npu is not None
    request = Request(target, target.npu, Precision.A16W8, family, TILE_PX)
    (built,) = network_bundle.fitted(request, (integers,))
    (source,) = family.networks
    tile = next(verification.make(source.network, source.header.shot_range, TILE_PX))
    made = verification.answered(tile, integers, built.graph, built.layout)
    found = verification.simulated(made, built.tile.compiled, target.npu)
    assert found is not None
    assert found.failure == ""
    np.testing.assert_array_equal(found.answer, made.answer)
    assert len(np.unique(made.answer)) > 100
    estimates = built.tile.compiled.estimates
    assert estimates.npu_operators == estimates.operators
