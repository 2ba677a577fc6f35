"""Bundles whose library is a stub in C (see stub_library.c), made for tests by the fixture `make_bundle`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from isp.report.sidecar import sha256

HALO_PX = 18
"""The stub's: 2 for its filter, 15 for its blocks, and no multiple of 16."""

MakeBundle = Callable[..., Path]


def c_compiler() -> str:
    """The machine's C compiler; the test skips without one."""
    found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if found is None:
        pytest.skip("no C compiler")
    return found


def write_manifest(folder: Path, changes: dict[str, object]) -> None:
    content = {
        "schema": 1,
        "target": "host",
        "precision": "float32",
        "abi": 2,
        "family": "specialists",
        "specialists": [specialist("specialist-1", 0.0), specialist("specialist-2", 1e-3)],
        "arena_bytes": {"256x256": 64},
        "library": {
            "static": "lib/libfan.a",
            "shared": "lib/libfan.so",
            "sha256": {"lib/libfan.a": "0" * 64, "lib/libfan.so": sha256(folder / "lib" / "libfan.so")},
        },
        "toolchain": {"tvm": "0.27", "llvm": "20", "compiler": "cc"},
        "verification": None,
    }
    (folder / "manifest.json").write_text(json.dumps(content | changes))


def weights_sha256(name: str) -> str:
    """Stands for the hash of the weights that a network was compiled from."""
    return hashlib.sha256(name.encode()).hexdigest()


def specialist(name: str, chosen_from: float) -> dict[str, object]:
    return {
        "name": name,
        "sha256": weights_sha256(name),
        "shot_range": [5e-5, 2e-2],
        "chosen_from": chosen_from,
        "parameters": 140328,
        "mac_per_raw_pixel": 2569.9,
        "halo_px": HALO_PX,
    }
