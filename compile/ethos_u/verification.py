"""Does the NPU's network do what the float network does?

Two steps, on tiles of the size that was compiled: (a) the TOSA reference model against the float network in PyTorch, by
picture quality, over all pixels and over the darkest quarter of them; (b) what Vela made of the graph, executed by the
command-stream simulator, against the TOSA reference model, every bit. There is no simulator for Ethos-U85.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from compile import golden
from compile.ethos_u import border, reference_model, simulator
from compile.ethos_u.compiled_network import read_npz
from compile.ethos_u.integer_graph import IntegerNetwork
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Compiled
from compile.golden_scenes import CLOTH, GRASS, STAR, Scene, extremes, within
from denoiser.evaluation.scores import DARK_LEVEL
from denoiser.network import FeatureAlignNetwork
from isp.cli.table import aligned
from isp.psnr import psnr_db
from isp.sample import panels
from isp.sample.colour_chart import colour_chart
from targets.descriptions import Npu
from targets.golden import GoldenTile

DARK_QUANTILE = 0.25
SIMULATED = ("ethos-u55", "ethos-u65")


@dataclass(frozen=True)
class NpuTile:
    """A tile with what goes into the NPU and what must come out: integers in the layout of its network."""

    tile: GoldenTile
    image: np.ndarray
    answer: np.ndarray


@dataclass(frozen=True)
class TileResult:
    """noisy_db, float_db, npu_db: PSNR of input, float network and NPU against the clean tile. loss_db,
    dark_loss_db: what the integers cost, over all pixels and over the darkest quarter. float_dark_bias, npu_dark_bias:
    mean error below 0.02, in units of 1e-4 of full scale. differing: values that the simulated command stream makes
    other than the TOSA reference model; None where there is no simulator. failure: "" where nothing fails."""

    specialist: str
    tile: str
    shot: float
    noisy_db: float
    float_db: float
    npu_db: float
    loss_db: float
    dark_loss_db: float
    float_dark_bias: float
    npu_dark_bias: float
    differing: int | None
    failure: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "failure": self.failure or None}


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


def judged(one: NpuTile, specialist: str, network: IntegerNetwork, compiled: Compiled, npu: Npu) -> TileResult:
    """Both steps for one tile."""
    tile = one.tile
    output = border.restored(tile.noisy, one.answer, network, Layout(npu.layout), tile.shot, tile.read)
    dark = tile.clean <= np.quantile(tile.clean, DARK_QUANTILE)
    noisy_db, float_db, npu_db = (psnr_db(part, tile.clean) for part in (tile.noisy, tile.reference, output))
    dark_noisy_db, dark_float_db, dark_npu_db = (
        psnr_db(part[dark], tile.clean[dark]) for part in (tile.noisy, tile.reference, output)
    )
    loss_db, dark_loss_db = float_db - npu_db, dark_float_db - dark_npu_db
    differing = None
    if npu.accelerator.rsplit("-", 1)[0] in SIMULATED:
        differing = int(np.count_nonzero(_simulated(one.image, compiled) != one.answer))
    complaints = []
    if tile.name != EXTREMES:
        if loss_db > npu.quality_loss_db:
            complaints.append(f"the integers cost {loss_db:.3f} dB, expected at most {npu.quality_loss_db:g}")
        if dark_loss_db > npu.dark_loss_db:
            complaints.append(f"{dark_loss_db:.3f} dB in the dark, expected at most {npu.dark_loss_db:g}")
        if dark_npu_db < dark_noisy_db:
            complaints.append(f"in the dark it is {dark_noisy_db - dark_npu_db:.2f} dB worse than the input")
    if differing:
        complaints.append(f"the command stream makes {differing} of {one.answer.size} values other than TOSA")
    return TileResult(
        specialist,
        tile.name,
        tile.shot[1],
        noisy_db,
        float_db,
        npu_db,
        loss_db,
        dark_loss_db,
        _dark_bias(tile.reference, tile.clean),
        _dark_bias(output, tile.clean),
        differing,
        "; ".join(complaints),
    )


def table(results: tuple[TileResult, ...]) -> str:
    """The results for a terminal."""
    header = ("specialist", "tile", "shot", "noisy", "float", "NPU", "loss", "dark loss", "simulator", "")
    rows = [header]
    for one in results:
        equal = "-" if one.differing is None else "equal" if one.differing == 0 else f"{one.differing} differ"
        decibels = (f"{one.noisy_db:.2f}", f"{one.float_db:.2f}", f"{one.npu_db:.2f}")
        losses = (f"{one.loss_db:+.4f}", f"{one.dark_loss_db:+.4f}")
        facts = (one.specialist, one.tile, f"{one.shot:.1e}")
        rows.append((*facts, *decibels, *losses, equal, "FAILS" if one.failure else "ok"))
    notes = ["  PSNR in dB against the clean tile; loss: float less NPU. Simulator: the command stream against TOSA."]
    failures = [f"  {one.specialist}, tile {one.tile}: {one.failure}" for one in results if one.failure]
    return "\n".join([aligned(rows), *notes, *failures])


def _simulated(image: np.ndarray, compiled: Compiled) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="fan-simulator-") as temporary:
        path = Path(temporary) / "network.npz"
        path.write_bytes(compiled.raw)
        network = read_npz(path)
    (given,), (wanted,) = network.inputs, network.outputs
    return simulator.run(network, {given.name: image})[wanted.name]


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
