"""Fixtures of the denoiser's tests."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.denoiser.stub_bundles import HALO_PX, MakeBundle, c_compiler, write_manifest


@pytest.fixture(scope="session")
def make_library(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Compiles the stub, each variant once."""
    compiler = c_compiler()
    folder = tmp_path_factory.mktemp("stubs")
    source = Path(__file__).with_name("stub_library.c")

    def make(abi: int = 2, first: str = "specialist-1", status: int = 0, sleep_ms: int = 0) -> Path:
        path = folder / f"{abi}-{first}-{status}-{sleep_ms}.so"
        if not path.exists():
            defines = [f"-DABI={abi}", f'-DFIRST="{first}"', f"-DSTATUS={status}", f"-DSLEEP_MS={sleep_ms}"]
            subprocess.run(
                [compiler, "-std=c99", "-O1", "-shared", "-fPIC", *defines, f"-DHALO={HALO_PX}", source, "-o", path],
                check=True,
            )
        return path

    return make


@pytest.fixture
def make_bundle(make_library: Callable[..., Path], tmp_path: Path) -> MakeBundle:
    """A bundle with a variant of the stub, and with parts of its manifest replaced."""

    def make(changes: dict[str, object] | None = None, **variant: object) -> Path:
        library = tmp_path / "host" / "lib" / "libfan.so"
        library.parent.mkdir(parents=True)
        shutil.copy(make_library(**variant), library)
        write_manifest(library.parent.parent, changes or {})
        return library.parent.parent

    return make
