"""Engines that are built once."""

from __future__ import annotations

import pytest

from compile.row_kernels.kernel import Tiling, Vectors
from targets.descriptions import Precision, load
from tests.firmware_hooks.engines import ENGINE_SOURCES, NETWORKS, Engine, Fan, build_engine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """All networks, in this machine's vectors."""
    vectors = Vectors("float32", load("host").lanes[Precision.FLOAT32])
    return build_engine(NETWORKS, vectors, Tiling(4, 2, 8), tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def fan(engine: Engine) -> Fan:
    return Fan(engine.linked([*ENGINE_SOURCES, engine.tables], "libfan.so", "-O2", "-fPIC", "-shared"))
