"""A bundle that nothing was compiled for, and a board that computes what its golden tiles ask for, or fails to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from compile.golden import write
from isp.report.sidecar import sha256
from targets.bundle import Bundle, read
from targets.core_features import CoreFeature
from targets.golden import GoldenSet, GoldenTile
from targets.link.client import BoardRun, LinkStatistics
from targets.link.messages import BoardStatistics, Hello, SpecialistFacts

NAMES = ("first", "second")
HALO_PX = 16
ARENA_BYTES = {str(width): 100 * width for width in (32, 64, 128, 256, 512, 1024)}
TICK_HZ = 1_000_000
TICKS_PER_PX = 2


def weights_sha256(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def golden_tile(name: str, height: int, width: int, seed: int = 1) -> GoldenTile:
    """Its network halves the mosaic."""
    random = np.random.default_rng(seed)
    noisy = random.uniform(0.1, 0.9, (height, width)).astype(np.float32)
    halved = noisy * np.float32(0.5)
    clean = np.clip(halved + random.normal(0, 0.01, halved.shape), 0, 1).astype(np.float32)
    return GoldenTile(name, (1e-3, 2e-3, 3e-3), (1e-6, 2e-6, 3e-6), noisy, clean, halved)


TILES = {
    "first": (golden_tile("wide", 16, 48), golden_tile("tall", 32, 16, 2)),
    "second": (golden_tile("only", 16, 16, 3),),
}


def make_bundle(folder: Path, **changes: object) -> Path:
    """changes: of the manifest."""
    (folder / "lib").mkdir(parents=True)
    (folder / "lib/libfan.a").write_bytes(b"!<arch>\n")
    specialists = [
        {
            "name": name,
            "sha256": weights_sha256(name),
            "shot_range": [5e-5, 2e-2],
            "chosen_from": chosen_from,
            "halo_px": HALO_PX,
            "arena_bytes_of_width": ARENA_BYTES,
        }
        for name, chosen_from in zip(NAMES, (0.0, 1e-3), strict=True)
    ]
    content = {
        "schema": 1,
        "target": "arm64",
        "precision": "float32",
        "abi": 2,
        "family": "pair",
        "specialists": specialists,
        "library": {
            "static": "lib/libfan.a",
            "shared": None,
            "sha256": {"lib/libfan.a": sha256(folder / "lib/libfan.a")},
        },
        "toolchain": {"tvm": "0.27"},
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(content))
    write(folder / "golden", [GoldenSet(name, TILES[name]) for name in NAMES])
    return folder


def halved(_specialist: int, tile: np.ndarray) -> np.ndarray:
    return tile * np.float32(0.5)


def hello_of(bundle: Bundle) -> Hello:
    return Hello(
        max_payload=1024,
        block_bytes=256,
        window_bytes=4096,
        abi=bundle.manifest.abi,
        boot_id=7,
        tick_hz=TICK_HZ,
        core_features=CoreFeature.NEON | CoreFeature.FP16,
        needed_features=CoreFeature.NEON,
        memory_bytes=1 << 20,
        specialists=len(bundle.manifest.specialists),
        bundle_id=bundle.bundle_id,
        board="fake board",
        core="cortex-a0",
        build="test",
    )


QUIET = LinkStatistics(
    bytes_sent=1000,
    bytes_received=900,
    frames_sent=10,
    frames_received=10,
    retransmits=0,
    repeated_in_vain=0,
    bad_frames=0,
    busy_replies=0,
    write_bytes=512,
    reconnects=0,
    resets=0,
    baud=None,
    console=(),
)
IN_ORDER = BoardStatistics(
    frames_ok=10,
    frames_bad_crc=0,
    frames_malformed=0,
    overflows=0,
    duplicates=0,
    runs=3,
    peak_arena_bytes=6400,
    memory_bytes=1 << 20,
)


@dataclass
class FakeBoard:
    """As `targets.link.client.Board`, without a link. compute: its network, given the specialist and a tile."""

    bundle: Bundle
    hello: Hello
    compute: Callable[[int, np.ndarray], np.ndarray] = halved
    link: LinkStatistics = QUIET
    statistics: BoardStatistics = IN_ORDER
    ticks_per_px: int = TICKS_PER_PX
    asked: list[tuple[int, tuple[float, ...], tuple[float, ...], tuple[int, ...]]] = field(default_factory=list)
    closed: bool = False

    def describe(self, specialist: int) -> SpecialistFacts:
        known = self.bundle.manifest.specialists[specialist]
        return SpecialistFacts(known.halo_px, 6400, bytes.fromhex(known.sha256), known.name)

    def run(self, specialist: int, shot: Sequence[float], read: Sequence[float], tile: np.ndarray) -> BoardRun:
        assert tile.dtype == np.float32
        assert tile.flags.c_contiguous
        self.asked.append((specialist, tuple(shot), tuple(read), tile.shape))
        ticks = self.ticks_per_px * tile.size
        return BoardRun(self.compute(specialist, tile), ticks, ticks / TICK_HZ, 100 * tile.shape[1])

    def stats(self) -> BoardStatistics:
        return self.statistics

    def echo(self, payload: bytes) -> bytes:
        return payload

    def negotiate_baud(self) -> int | None:
        return self.link.baud

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> FakeBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def fake_board(folder: Path, **facts: object) -> FakeBoard:
    """A board with that bundle. facts: what its HELLO says otherwise."""
    bundle = read(folder)
    return FakeBoard(bundle, replace(hello_of(bundle), **facts))  # type: ignore[arg-type]
