"""Does the NPU's network do what the float network does?

Two steps, on tiles of the size that was compiled: (a) the TOSA reference model against the float network in PyTorch, by
picture quality, over all pixels and over the darkest quarter of them; (b) what Vela made of the graph, executed by the
command-stream simulator, against the TOSA reference model, every bit. There is no simulator for Ethos-U85.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from compile import golden
from compile.ethos_u import border, reference_model
from compile.ethos_u.compiled_network import read_npz
from compile.ethos_u.integer_graph import IntegerNetwork
from compile.ethos_u.simulator import SimulationError
from compile.ethos_u.simulator.accelerator import ACCELERATORS
from compile.ethos_u.simulator.isolation import run_isolated
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.golden_scenes import CLOTH, GRASS, STAR, Scene, extremes, within
from denoiser.evaluation.scores import DARK_LEVEL
from denoiser.network import FeatureAlignNetwork
from isp.errors import InputError
from isp.psnr import psnr_db
from isp.sample import panels
from isp.sample.colour_chart import colour_chart
from targets import verdict
from targets.descriptions import Npu
from targets.golden import GoldenTile
from targets.verdict import Measures, TileResult

EVIDENCE = "evidence"
DARK_QUANTILE = 0.25


@dataclass(frozen=True)
class NpuTile:
    """A tile with what goes into the NPU and what must come out: integers in the layout of its network."""

    tile: GoldenTile
    image: np.ndarray
    answer: np.ndarray


@dataclass(frozen=True)
class Simulation:
    """answer: what the command stream makes of a tile, None where it came to no end. failure: why; "" where it did."""

    answer: np.ndarray | None
    failure: str


@dataclass(frozen=True)
class NpuTileResult(TileResult):
    """One golden tile on the NPU.

    output: the mosaic that the TOSA reference model's answer gives. dark_loss_db: what the integers cost over the
    darkest quarter of the pixels, as measures.quality_loss_db over all. float_dark_bias, npu_dark_bias: mean error
    below DARK_LEVEL, in units of 1e-4 of full scale. values: integers that the network answers. differing: how many of
    them the simulated command stream makes other than the TOSA reference model; None where they were not compared.
    """

    output: np.ndarray
    measures: Measures
    dark_loss_db: float
    float_dark_bias: float
    npu_dark_bias: float
    values: int
    differing: int | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            **super().as_dict(),
            "dark_loss_db": self.dark_loss_db,
            "float_dark_bias": self.float_dark_bias,
            "npu_dark_bias": self.npu_dark_bias,
            "values": self.values,
            "differing": self.differing,
        }

    @property
    def simulator_text(self) -> str:
        """How the simulator fared, for people."""
        return "-" if self.differing is None else f"{self.differing} differ" if self.differing else "equal"


@dataclass(frozen=True)
class Losses:
    """The greatest of all tiles but EXTREMES, in dB."""

    loss_db: float
    dark_loss_db: float


def make(network: FeatureAlignNetwork, shot_range: tuple[float, float], side_px: int) -> Iterator[GoldenTile]:
    """Tiles for a network that serves these levels of shot noise, with what the float network makes of them."""
    for name, share, content, overlay in _SCENES:
        scene = Scene(name, side_px, side_px, content, partial(within, share=share), overlay)
        shot, read = scene.noise(shot_range)
        clean, noisy = scene.capture(shot, read)
        yield GoldenTile(name, shot, read, noisy, clean, golden.reference(network, noisy, shot, read))


def answered(tile: GoldenTile, network: IntegerNetwork, graph: bytes, layout: Layout) -> NpuTile:
    """A tile with what the TOSA reference model answers."""
    image = border.integers(border.seen(tile.noisy, tile.shot, tile.read), network, layout)
    shape = border.answer_shape(network, tile.width, layout)
    return NpuTile(tile, image, reference_model.run(graph, image, shape))


def simulated(one: NpuTile, compiled: Compiled, npu: Npu) -> Simulation | None:
    """What the simulator makes of a tile with what Vela made; None where there is no simulator."""
    if npu.accelerator not in ACCELERATORS:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="fan-simulator-") as temporary:
            path = Path(temporary) / "network.npz"
            path.write_bytes(compiled.raw)
            network = read_npz(path)
        (given,), (wanted,) = network.inputs, network.outputs
        return Simulation(run_isolated(network, {given.name: one.image})[wanted.name], "")
    except (InputError, SimulationError) as error:
        return Simulation(None, f"the command stream: {error}")


def judged(
    one: NpuTile, specialist: str, network: IntegerNetwork, simulation: Simulation | None, npu: Npu
) -> NpuTileResult:
    """Both steps for one tile."""
    tile = one.tile
    output = border.restored(tile.noisy, one.answer, network, Layout(npu.layout), tile.shot, tile.read)
    measures = verdict.measure(output, tile)
    dark = tile.clean <= np.quantile(tile.clean, DARK_QUANTILE)
    dark_noisy_db, dark_float_db, dark_npu_db = (
        psnr_db(part[dark], tile.clean[dark]) for part in (tile.noisy, tile.reference, output)
    )
    loss_db, dark_loss_db = measures.quality_loss_db, dark_float_db - dark_npu_db
    complaints = []
    if tile.name != EXTREMES:
        if loss_db > npu.quality_loss_db:
            complaints.append(f"the integers cost {loss_db:.3f} dB, expected at most {npu.quality_loss_db:g}")
        if dark_loss_db > npu.dark_loss_db:
            complaints.append(f"{dark_loss_db:.3f} dB in the dark, expected at most {npu.dark_loss_db:g}")
        if dark_npu_db < dark_noisy_db <= dark_float_db:
            complaints.append(f"in the dark it is {dark_noisy_db - dark_npu_db:.2f} dB worse than the input")
    differing = None
    if simulation is not None and simulation.answer is not None:
        differing = int(np.count_nonzero(simulation.answer != one.answer))
        if differing:
            complaints.append(f"the command stream makes {differing} of {one.answer.size} values other than TOSA")
    elif simulation is not None:
        complaints.append(simulation.failure)
    return NpuTileResult(
        specialist,
        tile,
        output,
        measures,
        None,
        None,
        "; ".join(complaints),
        dark_loss_db,
        _dark_bias(tile.reference, tile.clean),
        _dark_bias(output, tile.clean),
        one.answer.size,
        differing,
    )


def worst(results: Sequence[NpuTileResult]) -> Losses:
    """What the integers cost where they cost most."""
    gated = [one for one in results if one.tile.name != EXTREMES]
    return Losses(max(one.measures.quality_loss_db for one in gated), max(one.dark_loss_db for one in gated))


def little_endian(integers: np.ndarray) -> bytes:
    """Integers as bundles keep them."""
    return integers.astype(integers.dtype.newbyteorder("<")).tobytes()


def keep_evidence(folder: Path, name: str, result: NpuTileResult, simulation: Simulation | None) -> None:
    """Leaves what a tile that fails came to: the mosaic, what is wrong, and the integers that the simulator made.

    folder: the bundle. name: of the tile among all specialists' tiles.
    """
    files = {".f32": np.ascontiguousarray(result.output, "<f4").tobytes(), ".txt": f"{result.failure}\n".encode()}
    if simulation is not None and simulation.answer is not None:
        files[".simulated.bin"] = little_endian(simulation.answer)
    (folder / EVIDENCE).mkdir(exist_ok=True)
    for suffix, content in files.items():
        (folder / EVIDENCE / f"{name}{suffix}").write_bytes(content)


def _dark_bias(output: np.ndarray, clean: np.ndarray) -> float:
    dark = clean < DARK_LEVEL
    return 1e4 * float((output - clean)[dark].mean()) if dark.any() else 0.0


EXTREMES = "extremes"
"""Values that no sensor gives: they saturate, and are compared for their bits alone."""

_SCENES = (
    ("low", 0.0, ((STAR, colour_chart), (panels.printed_page, panels.stone)), None),
    ("middle", 0.5, ((GRASS, panels.dark_corner), (CLOTH, STAR)), None),
    ("high", 1.0, ((panels.still_life, panels.dark_corner), (STAR, CLOTH)), None),
    (EXTREMES, 0.5, ((STAR, panels.still_life), (panels.dark_corner, CLOTH)), extremes),
)
