"""Networks, their parts and bundles that take seconds to make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from denoiser.network import FeatureAlignNetwork
from tests.compile.small_networks import FOUR_SCALES, random_network

if TYPE_CHECKING:
    from compile.ethos_u.calibration import Calibration, Observer
    from compile.ethos_u.network_bundle import Built, Request
    from compile.ethos_u.verification import NpuTileResult

SIZE = 32
TARGET = "ethos-u55-64"
TILE_PX = 96


@dataclass(frozen=True)
class Partitioned:
    """A network, its partition for SIZE packed pixels, and images of that size."""

    network: FeatureAlignNetwork
    module: object
    images: tuple[np.ndarray, ...]

    def expected(self, image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return self.network(torch.from_numpy(image)).numpy()


@pytest.fixture(scope="session")
def images() -> Callable[[int], tuple[np.ndarray, ...]]:
    def made(count: int) -> tuple[np.ndarray, ...]:
        generator = np.random.default_rng(3)
        return tuple(generator.normal(0, 1, (1, 5, SIZE, SIZE)).astype(np.float32) for _ in range(count))

    return made


@pytest.fixture(scope="session")
def partitioned(images: Callable[[int], tuple[np.ndarray, ...]]) -> Partitioned:
    from compile.ethos_u.partition import partition
    from compile.relax_import import to_relax

    network = random_network(FOUR_SCALES)
    return Partitioned(network, partition(to_relax(network, 5, SIZE)), images(3))


@pytest.fixture(scope="session")
def observer(partitioned: Partitioned) -> Observer:
    from compile.ethos_u.calibration import Observer

    return Observer(partitioned.module)


@pytest.fixture(scope="session")
def calibrated(partitioned: Partitioned, observer: Observer) -> Calibration:
    """What calibration finds of the partition for all of its images."""
    from compile.ethos_u import calibration

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "Observer", lambda _module: observer)
        return calibration.calibrate(partitioned.module, partitioned.images)


@dataclass(frozen=True)
class NpuBundle:
    """The tiny network for TARGET, in a folder, verified."""

    request: Request
    built: tuple[Built, ...]
    folder: Path
    results: tuple[NpuTileResult, ...]


@pytest.fixture(scope="session")
def npu_bundle(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> NpuBundle:
    pytest.importorskip("tosa_serializer", reason="tosa-tools are not installed: pip install 'fan-isp[npu]'")
    pytest.importorskip("ethosu.vela", reason="ethos-u-vela is not installed: pip install 'fan-isp[npu]'")
    from compile import networks
    from compile.ethos_u import network_bundle
    from compile.ethos_u.integer_graph import Precision
    from targets.descriptions import load

    target = load(TARGET)
    assert target.npu is not None
    family = networks.load(str(tiny_weights))
    request = network_bundle.Request(target, target.npu, Precision.A16W8, family, TILE_PX)
    folder = tmp_path_factory.mktemp("npu") / "bundle"
    folder.mkdir()
    built = network_bundle.build(request)
    network_bundle.write(request, built, folder)
    results = network_bundle.verified(request, built, folder)
    network_bundle.write_verification(request, built, results, folder)
    network_bundle.write_manifest(request, built, results, folder)
    return NpuBundle(request, built, folder, results)
