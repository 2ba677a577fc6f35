"""Networks and their parts that take seconds to make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from denoiser.network import FeatureAlignNetwork
from tests.compile.small_networks import FOUR_SCALES, random_network

SIZE = 32


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
