"""What an NPU's integers cost in picture quality: each shipped family on noisy photographs, in 16 and 8 bits.

    python -m benchmarks.npu_quality --photographs DIR [--model NAME ...] [--tile 384] [--json FILE]

The photographs, their noise and the scores are those of `python -m denoiser evaluate`. Every mosaic is denoised by the
network of the family that is chosen for its noise, so that each is measured at its own levels,

- float: by PyTorch, as `denoiser.Denoiser` does it;
- float, tiles: likewise, but cut into the NPU's tiles, whose halo is less than all that a pixel depends on;
- a16w8, a8w8: by the integers that the NPU computes, in the same tiles (`benchmarks.npu_integers`, which is compared
  with the TOSA reference model first; that the command stream computes the same is what every compile verifies).

Darkest quarter: PSNR over the quarter of the pixels that is darkest without noise. Twelve photographs of 768x512 take
about ten minutes on one idle core.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch

from benchmarks import command, npu_integers
from benchmarks.npu_integers import Integers
from compile import networks
from compile.ethos_u import border, calibration
from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.network_bundle import lowered
from compile.ethos_u.tile import HALO_PX
from compile.ethos_u.tosa import Layout
from compile.ethos_u.verification import DARK_QUANTILE
from compile.networks import SourceNetwork
from denoiser import manifest
from denoiser.cli_arguments import add_photographs
from denoiser.denoise import Denoiser
from denoiser.evaluation.scenes import SHOTS, Scene, photographs, scenes_of
from denoiser.evaluation.scores import DARK_BIAS_LIMITS, score
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from isp.atomic import replacing
from isp.cli.console import Progress
from isp.errors import ConfigError
from isp.psnr import psnr_db
from isp.tiling import tiles

NOISY, FLOAT, FLOAT_TILES = "noisy input", "float", "float, tiles"
TILE_PX = 384
MULTIPLE_PX = 16
LOSS_LIMIT_DB = 0.05
"""What 16 bits may cost at any level."""

Residual = Callable[[np.ndarray], np.ndarray]
"""What the network sees, float32 [1, 5, H, W], to its answer, float32 [1, 4, H, W]."""
Residuals = Mapping[str, Residual]
"""Of one network, by how it is computed."""


@dataclass(frozen=True)
class Quality:
    """PSNR in dB, dark bias in units of 1e-4 of full scale, as `denoiser.evaluation.scores.Score` has them."""

    raw_psnr_db: float
    rendered_psnr_db: float
    dark_bias: float
    dark_quarter_psnr_db: float


@dataclass(frozen=True)
class Row:
    """One way to run a family. networks: the one that is chosen at each of `SHOTS`. levels: mean of the photographs
    there."""

    model: str
    how: str
    networks: tuple[str, ...]
    levels: tuple[Quality, ...]

    def loss_db(self, other: Row) -> tuple[float, ...]:
        """Raw PSNR of the other less ours, at each level."""
        return tuple(
            theirs.raw_psnr_db - ours.raw_psnr_db for ours, theirs in zip(self.levels, other.levels, strict=True)
        )


def quality(output: np.ndarray, scene: Scene) -> Quality:
    """Of a denoised mosaic."""
    found = score(output, scene)
    dark = scene.clean <= np.quantile(scene.clean, DARK_QUANTILE)
    return Quality(found.raw_psnr_db, found.rendered_psnr_db, found.dark_bias, psnr_db(output[dark], scene.clean[dark]))


def in_tiles(scene: Scene, tile_px: int, residual: Residual) -> np.ndarray:
    """A scene denoised tile by tile with the NPU's halo. tile_px: side of a tile, halo included."""
    output = np.empty_like(scene.noisy)
    shot, read = (torch.full((1, 4, 1, 1), value, dtype=torch.float32) for value in (scene.shot, scene.read))
    height, width = scene.noisy.shape
    for each in tiles(height, width, tile_px - 2 * HALO_PX, HALO_PX, MULTIPLE_PX):
        planes = pack(scene.noisy[np.ix_(each.rows.indices, each.columns.indices)], scene.cfa)
        answer = torch.from_numpy(residual(network_input(planes, shot, read).numpy()))
        found = unpack(apply_residual(planes, answer, shot, read), scene.cfa)
        top, left = each.rows.before, each.columns.before
        at = np.s_[each.top : each.top + each.height, each.left : each.left + each.width]
        output[at] = found[top : top + each.height, left : left + each.width]
    return output


def by_float(source: SourceNetwork) -> Residual:
    """The float network's."""

    def residual(image: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            answer: np.ndarray = source.network(torch.from_numpy(image)).numpy()
        return answer

    return residual


def by_integers(integers: Integers) -> Residual:
    """The NPU's."""
    network = integers.network

    def residual(image: np.ndarray) -> np.ndarray:
        answer = integers.answer(border.integers(image, network, Layout.NCHW))
        return (answer * network.output.step).astype(np.float32)

    return residual


def ways(source: SourceNetwork) -> Residuals:
    """The residuals that are applied in tiles. Raises MismatchError where integers are not the reference model's."""
    found = {FLOAT_TILES: by_float(source)}
    image = next(iter(calibration.images(source.header.shot_range)))
    for precision in Precision:
        network = lowered(source, precision)
        seen = border.integers(image, network, Layout.NCHW)
        found[str(precision)] = by_integers(npu_integers.checked(network, seen))
    return found


def measure(model: str, folder: Path, tile_px: int) -> tuple[Row, ...]:
    """A family in every way, the noisy input first."""
    sources = {source.member.name: source for source in networks.load(model).networks}
    choice = manifest.shipped().resolve(model)
    chosen = tuple(choice.member_for(shot).name for shot in SHOTS)
    residuals = {name: ways(sources[name]) for name in dict.fromkeys(chosen)}
    denoiser = Denoiser(model)
    rows: dict[str, list[list[Quality]]] = {
        how: [[] for _ in SHOTS] for how in (NOISY, FLOAT, FLOAT_TILES, *map(str, Precision))
    }
    pictures = photographs(folder)
    with Progress(len(pictures)) as progress:
        for picture in pictures:
            for level, scene in enumerate(scenes_of(picture)):
                progress.show(f"{chosen[level]}, {picture.path.name}, shot noise {scene.shot:.1e}")
                rows[NOISY][level].append(quality(scene.noisy, scene))
                clean = denoiser.denoise(scene.noisy, scene.cfa, scene.shot, scene.read)
                rows[FLOAT][level].append(quality(clean, scene))
                for how, residual in residuals[chosen[level]].items():
                    rows[how][level].append(quality(in_tiles(scene, tile_px, residual), scene))
            progress.finish_item(picture.path.name)
    return tuple(Row(model, how, chosen, tuple(map(_mean, levels))) for how, levels in rows.items())


def tables(rows: Sequence[Row]) -> str:
    """In Markdown, for one family."""
    by_how = {row.how: row for row in rows}
    values = [
        f"{_head('Network')}\n| chosen | {' | '.join(rows[0].networks)} | |",
        _table("Raw PSNR in dB", rows, "raw_psnr_db", 2),
        _loss_table([row for row in rows if row.how not in (NOISY, FLOAT)], by_how[FLOAT], by_how[FLOAT_TILES]),
        _table("PSNR of the darkest quarter in dB", rows, "dark_quarter_psnr_db", 2),
        _table("Rendered PSNR in dB", rows, "rendered_psnr_db", 2),
        _table("Dark bias in units of 1e-4", rows, "dark_bias", 2),
    ]
    limits = " | ".join(f"{limit:g}" for limit in DARK_BIAS_LIMITS)
    return "\n\n".join([*values[:-1], f"{values[-1]}\n| limit | {limits} | |", verdict(by_how)])


def verdict(rows: Mapping[str, Row]) -> str:
    """Whether 16 bits cost no more than they may at any level, and leave the dark where it may be. rows: by how."""
    wide = rows[Precision.A16W8]
    loss = max(wide.loss_db(rows[FLOAT]))
    share = max(abs(level.dark_bias) / limit for level, limit in zip(wide.levels, DARK_BIAS_LIMITS, strict=True))
    return (
        f"{Precision.A16W8}: costs at most {loss:+.4f} dB at any level ({_met(loss <= LOSS_LIMIT_DB)}: "
        f"{LOSS_LIMIT_DB} dB); dark bias at most {share:.0%} of its limit ({_met(share <= 1)})"
    )


def _met(holds: bool) -> str:
    return "met" if holds else "MISSED"


def document(rows: Sequence[Row], pictures: Sequence[str], tile_px: int) -> dict[str, object]:
    """For machines."""
    return {
        "photographs": list(pictures),
        "quality_tile_px": tile_px,
        "halo_px": HALO_PX,
        "shots": list(SHOTS),
        "dark_bias_limits": list(DARK_BIAS_LIMITS),
        "rows": [asdict(row) for row in rows],
    }


def _mean(values: Iterable[Quality]) -> Quality:
    found = list(values)
    return Quality(*(float(np.mean([getattr(one, field.name) for one in found])) for field in fields(Quality)))


def _table(title: str, rows: Sequence[Row], name: str, digits: int) -> str:
    lines = []
    for row in rows:
        values = [getattr(level, name) for level in row.levels]
        cells = " | ".join(f"{value:.{digits}f}" for value in (*values, float(np.mean(values))))
        lines.append(f"| {row.how} | {cells} |")
    return "\n".join([_head(title), *lines])


def _loss_table(rows: Sequence[Row], whole: Row, tiled: Row) -> str:
    lines = []
    for row in rows:
        for what, other in (("all", whole), ("integers alone", tiled)):
            if row is not other:
                losses = row.loss_db(other)
                cells = " | ".join(f"{value:+.4f}" for value in (*losses, float(np.mean(losses))))
                lines.append(f"| {row.how}, {what} | {cells} |")
    return "\n".join([_head("Loss of raw PSNR in dB"), *lines])


def _head(title: str) -> str:
    heads = " | ".join((*(f"{shot:.1e}" for shot in SHOTS), "mean"))
    return f"| {title} | {heads} |\n{'|---' * (len(SHOTS) + 2)}|"


def run(arguments: argparse.Namespace) -> None:
    given_px = arguments.tile - 2 * HALO_PX
    if given_px <= 0 or given_px % MULTIPLE_PX:
        raise ConfigError(f"--tile {arguments.tile}", expected=f"a multiple of {MULTIPLE_PX} above {2 * HALO_PX}")
    models = arguments.model or list(dict.fromkeys(str(model.family) for model in manifest.shipped().models))
    rows: list[Row] = []
    for model in models:
        found = measure(model, arguments.photographs, arguments.tile)
        print(f"### {model}, tiles of {arguments.tile} px\n\n{tables(found)}\n")
        rows += found
    if arguments.json is not None:
        names = [picture.path.name for picture in photographs(arguments.photographs)]
        with replacing(arguments.json) as temporary:
            text = json.dumps(document(rows, names, arguments.tile), indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    parser = command.parser(__doc__)
    add_photographs(parser)
    parser.add_argument("--model", nargs="+", metavar="NAME", help="families or models (every family that is shipped)")
    parser.add_argument("--tile", type=int, default=TILE_PX, help=f"side of a tile in mosaic pixels ({TILE_PX})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores for machines, too")
    return command.execute(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
