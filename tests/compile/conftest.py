"""Bundles that are built once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from denoiser import weights_file
from tests.compile.small_networks import TINIEST, UNALIGNED, random_network

SHOT_RANGE = (5e-5, 2e-2)
SMALL_SCENES = ("smallest", "short", "narrow", "cleanest")


@pytest.fixture
def small_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Golden tiles of the smaller sizes alone."""
    from compile import golden

    monkeypatch.setattr(golden, "SCENES", tuple(scene for scene in golden.SCENES if scene.name in SMALL_SCENES))


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest network there is a use for."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights_file.save(path, random_network(TINIEST), "tiny", SHOT_RANGE)
    return path


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of another shape."""
    path = tmp_path_factory.mktemp("weights") / "other.safetensors"
    weights_file.save(path, random_network(UNALIGNED), "other", SHOT_RANGE)
    return path


@dataclass(frozen=True)
class MadeBundle:
    """A folder with a bundle for this machine that was not verified, and the scratch its kernels need."""

    folder: Path
    scratch_bytes: int


@pytest.fixture(scope="session")
def tiny_bundle(tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> MadeBundle:
    from compile import bundle, golden, networks
    from targets import toolchain
    from targets.descriptions import Precision, load

    folder = tmp_path_factory.mktemp("bundle") / "host"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden, "SCENES", tuple(scene for scene in golden.SCENES if scene.name in SMALL_SCENES))
        patch.chdir(folder.parent)
        target = load("host")
        request = bundle.Request(
            target, Precision.FLOAT32, networks.load(str(tiny_weights)), toolchain.find_compiler(target)
        )
        built = bundle.build(request, folder)
    return MadeBundle(folder, built.scratch_bytes)
