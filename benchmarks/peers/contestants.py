"""Engines that are open, checked and ready to take their turns."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.peers import PEERS, Job, Peer, sgemm
from benchmarks.peers.comparison import Measurement
from benchmarks.peers.pieces import window_length
from benchmarks.peers.reference import TOLERANCE, Scene
from benchmarks.peers.session import Engine, EngineError, MissingModule

COMPILED, DENOISER, SGEMM = "compiled", "compiled, through denoiser.Denoiser", f"sgemm of {sgemm.SIDE}"
TURN_S = 0.1
"""About how long an engine's turn in a round lasts, over which the median is taken."""
MOST_REPEATS = 10


@dataclass(frozen=True)
class Network:
    """What is compared. name: in the bundle. halo: packed pixels. multiple: of packed pixels, for tiles."""

    folder: Path
    name: str
    weights: Path
    digest: str
    halo: int
    multiple: int
    mac_per_raw_pixel: float


@dataclass(frozen=True)
class Bench:
    """Where and how engines are run. python: of the peers. models: where converted networks are kept."""

    network: Network
    python: str
    models: Path
    piece_px: int


@dataclass
class Contestant:
    """An engine that is open and checked. warm_s: of a run before the rounds. measurement: grows with each of them."""

    engine: Engine
    measurement: Measurement
    warm_s: float

    @property
    def repeats(self) -> int:
        return min(max(round(TURN_S / self.warm_s), 1), MOST_REPEATS)

    def turn(self) -> None:
        """Takes a turn: once to be warm, if it is short, then as often as it repeats."""
        if self.repeats > 1:
            self.engine.ask("time", repeats=1)
        elapsed_s = statistics.median(self.engine.ask("time", repeats=self.repeats)["elapsed_s"])
        self.measurement = replace(self.measurement, times_s=(*self.measurement.times_s, elapsed_s))

    def finished(self) -> Measurement:
        return replace(self.measurement, peak_bytes=self.engine.ask("memory")["peak_bytes"])


class WrongResult(EngineError):
    """An engine that computes something else."""


def checked(engine: Engine, blank: Measurement, error_of: Callable[[np.ndarray], float] | None) -> Contestant:
    """An engine that was opened, after its first runs. Raises WrongResult if its result is off by more than TOLERANCE.

    error_of: largest error of a result; None for what denoises nothing.
    """
    loaded_bytes = engine.ask("memory")["resident_bytes"]
    error = None
    if error_of is not None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.npy"
            engine.ask("save", to=str(path))
            error = error_of(np.load(path))
        if not error <= TOLERANCE:
            raise WrongResult(f"wrong: off by {error:.1e}")
    warm_s = min(engine.ask("time", repeats=2)["elapsed_s"])
    return Contestant(engine, replace(blank, max_error=error, loaded_bytes=loaded_bytes), warm_s)


def _blank(title: str, version: str, cut: str, flop: float) -> Measurement:
    return Measurement(title, version, cut, None, (), flop, 0, 0)


def open_sgemm(cpus: list[int], stack: ExitStack) -> Contestant:
    engine = stack.enter_context(Engine(sys.executable, cpus))
    version = engine.ask("open_sgemm", threads=len(cpus))["version"]
    return checked(engine, _blank(SGEMM, version, "", sgemm.FLOP), None)


def open_compiled(bench: Bench, scene: Scene, cpus: list[int], stack: ExitStack) -> Contestant:
    """The library, whose threads share the image."""
    engine = stack.enter_context(Engine(sys.executable, cpus))
    engine.ask("open_library", threads=len(cpus), **_of_bundle(bench, scene))
    return checked(engine, _blank(COMPILED, "", "whole", _flop(bench, scene)), scene.mosaic_error)


def open_denoiser(bench: Bench, scene: Scene, cpus: list[int], stack: ExitStack) -> Contestant:
    """The library as the ISP calls it, which reflects the mosaic at its edges: they are not compared."""
    engine = stack.enter_context(Engine(sys.executable, cpus))
    engine.ask("open_denoiser", **_of_bundle(bench, scene))
    border_px = 2 * bench.network.halo
    return checked(
        engine,
        _blank(DENOISER, "", "whole", _flop(bench, scene)),
        lambda found: scene.mosaic_error(found, border_px),
    )


def open_peer(bench: Bench, name: str, scene: Scene, cpus: list[int], stack: ExitStack) -> Contestant:
    """A peer, with the image cut as it runs it fastest."""
    best: Contestant | None = None
    for height, width in pieces(bench, scene):
        job = Job(bench.network.weights, converted(bench, name, height, width), height, width, len(cpus))
        engine = stack.enter_context(Engine(bench.python, cpus))
        details = {"peer": name, "job": job.as_dict(), "planes": str(scene.planes), "halo": bench.network.halo}
        version = engine.ask("open_peer", **details)["version"]
        whole = (2 * height, 2 * width) == (scene.height, scene.width)
        cut = "whole" if whole else f"pieces of {2 * width} x {2 * height}"
        opened = checked(engine, _blank(PEERS[name].title, version, cut, _flop(bench, scene)), scene.residual_error)
        if best is None:
            best = opened
        else:
            best, slower = sorted((best, opened), key=lambda contestant: contestant.warm_s)
            slower.engine.close()
    assert best is not None
    return best


def pieces(bench: Bench, scene: Scene) -> Iterator[tuple[int, int]]:
    """Sizes in packed pixels of what the peers are given at once: all of the scene, and pieces of a large one."""
    sides = (scene.height // 2, scene.width // 2)
    yield sides
    longest = bench.piece_px // 2
    if max(sides) > longest:
        height, width = (window_length(side, longest, bench.network.halo, bench.network.multiple) for side in sides)
        yield height, width


def converted(bench: Bench, name: str, height: int, width: int) -> Path:
    """The folder with a peer's network for planes of one size, made if it isn't there."""
    folder = bench.models / f"{name}-{bench.network.digest[:12]}-{width}x{height}"
    if not folder.is_dir():
        partial = folder.with_name(folder.name + ".partial")
        partial.mkdir(exist_ok=True)
        with Engine(bench.python, available_cpus()) as engine:
            job = Job(bench.network.weights, partial, height, width, len(available_cpus()))
            engine.ask("convert", peer=name, job=job.as_dict())
        partial.rename(folder)
    return folder


def reason(error: EngineError, peer: Peer | None) -> str:
    """Why an engine isn't timed, on one line."""
    if isinstance(error, MissingModule) and peer is not None and error.name.split(".")[0] in peer.requires:
        return f"not installed: pip install {' '.join(peer.packages)}"
    if isinstance(error, WrongResult):
        return str(error)
    return f"failed: {error}".replace("|", "/")


def available_cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def _of_bundle(bench: Bench, scene: Scene) -> dict[str, object]:
    """What opening the library takes, whoever calls it."""
    network, noise = bench.network, scene.noise
    return {
        "bundle": str(network.folder),
        "model": network.name,
        "shot": noise.shot,
        "read": noise.read,
        "mosaic": str(scene.mosaic),
    }


def _flop(bench: Bench, scene: Scene) -> float:
    """Of the network on a scene, a multiply-accumulate being two."""
    return 2 * bench.network.mac_per_raw_pixel * scene.height * scene.width
