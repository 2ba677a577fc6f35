"""How the golden tiles of an NPU's bundle fared: a table for a terminal, and an HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from compile.ethos_u.model_source import Entry
from compile.ethos_u.tile import FRAME_PX, HALO_PX
from compile.ethos_u.verification import NpuTileResult, worst
from isp.cli.table import aligned
from isp.report.results_page import cells_table, facts_table, page, section
from targets.descriptions import Npu
from targets.tile_pictures import ABOUT_PICTURES, failures_section, results_table, tile_pictures
from targets.verdict import Column


def table(results: Sequence[NpuTileResult]) -> str:
    """The results for a terminal."""
    rows = [("specialist", "tile", "shot", "noisy", "float", "NPU", "loss", "dark loss", "simulator", "")]
    for one in results:
        m = one.measures
        decibels = (f"{m.noisy_psnr_db:.2f}", f"{m.reference_psnr_db:.2f}", f"{m.output_psnr_db:.2f}")
        losses = (f"{m.quality_loss_db:+.4f}", f"{one.dark_loss_db:+.4f}")
        facts = (one.specialist, one.tile.name, f"{one.tile.shot[1]:.1e}")
        rows.append((*facts, *decibels, *losses, one.simulator_text, "FAILS" if one.failure else "ok"))
    notes = ["  PSNR in dB against the clean tile; loss: float less NPU. Simulator: the command stream against TOSA."]
    failures = [f"  {one.specialist}, tile {one.tile.name}: {one.failure}" for one in results if one.failure]
    return "\n".join([aligned(rows), *notes, *failures])


def verification_page(
    results: Sequence[NpuTileResult], entries: Sequence[Entry], npu: Npu, facts: Mapping[str, str]
) -> str:
    """The page's HTML. entries: the networks of the results. facts: how the bundle came about."""
    failed, losses = sum(bool(one.failure) for one in results), worst(results)
    frame_s = max(entry.tile.frame_s for entry in entries)
    numbers = [
        ("verdict", f"{failed} of {len(results)} fail" if failed else "passes", f"{len(results)} golden tiles"),
        ("quality loss", f"{losses.loss_db:+.4f} dB", f"at most {npu.quality_loss_db:g} dB"),
        ("in the dark", f"{losses.dark_loss_db:+.4f} dB", f"at most {npu.dark_loss_db:g} dB"),
        ("command stream", *_simulator(results)),
        (f"{FRAME_PX[0] * FRAME_PX[1] / 1e6:g} MP frame", f"{frame_s:.3g} s", "Vela's estimate, not measured"),
    ]
    circumstances = {
        **facts,
        "accelerator": npu.accelerator,
        "system configuration": npu.system_configuration,
        "memory mode": npu.memory_mode,
        "input and output": npu.layout.upper(),
    }
    about = f'<p>{_ABOUT}</p><div class="card wide">{results_table(results, _COLUMNS)}</div>'
    estimates = f'<p>{_ABOUT_ESTIMATES}</p><div class="card wide">{cells_table(_estimates(entries), "scores")}</div>'
    sections = [
        section("Tiles", about),
        *failures_section(results),
        section("Estimates", estimates),
        section("Circumstances", facts_table(circumstances)),
        section("Pictures", f"<p>{ABOUT_PICTURES} {_ABOUT_MIDDLE}</p>" + tile_pictures(middles(results), "NPU")),
    ]
    return page(f"Verification for {npu.accelerator}", _SOURCE, numbers, sections)


def middles(results: Sequence[NpuTileResult]) -> list[NpuTileResult]:
    """The same measures beside the middle of the tiles, for a page of pictures that would be tens of megabytes else."""
    return [_middle(one) for one in results]


def _middle(result: NpuTileResult) -> NpuTileResult:
    tile = result.tile
    # Even, so that the mosaic still begins with red.
    top, left = (max(size - PICTURE_PX, 0) // 4 * 2 for size in (tile.height, tile.width))
    at = np.s_[top : top + PICTURE_PX, left : left + PICTURE_PX]
    parts = {name: getattr(tile, name)[at] for name in ("noisy", "clean", "reference")}
    return replace(result, tile=replace(tile, **parts), output=result.output[at])


def _simulator(results: Sequence[NpuTileResult]) -> tuple[str, str]:
    compared = [one for one in results if one.differing is not None]
    if not compared:
        return "not compared", "there is no simulator of it"
    values, differing = sum(one.values for one in compared), sum(one.differing or 0 for one in compared)
    return (
        f"{differing:,} values differ" if differing else "every bit equal",
        f"{values:,} values, {len(compared)} of {len(results)} tiles simulated, against TOSA",
    )


def _estimates(entries: Sequence[Entry]) -> list[dict[str, str]]:
    rows = []
    for entry in entries:
        tile, estimates = entry.tile, entry.tile.compiled.estimates
        rows.append(
            {
                "specialist": entry.name,
                "tile, px": f"{tile.side_px}",
                "cycles of a tile": f"{estimates.cycles:,}",
                "cycles of a megapixel": f"{tile.cycles_per_megapixel:,}",
                "clock, MHz": f"{estimates.clock_hz / 1e6:g}",
                "tiles of a frame": f"{tile.per_frame}",
                "frame, s": f"{tile.frame_s:.3g}",
                "SRAM, KiB": f"{estimates.sram_bytes / 1024:,.0f}",
                "DRAM, KiB": f"{estimates.dram_bytes / 1024:,.0f}",
                "flash, KiB": f"{estimates.flash_bytes / 1024:,.0f}",
                "operators on the NPU": f"{estimates.npu_operators} of {estimates.operators}",
            }
        )
    return rows


PICTURE_PX = 256
"""Most of a tile's side that the page shows."""
_ABOUT_MIDDLE = f"Of larger tiles the middle {PICTURE_PX} pixels are shown; the numbers are the whole tile's."
_SOURCE = "The NPU's integers against the float model in float64, its command stream against Arm's TOSA reference model"
_ABOUT = (
    "Errors are against the float reference, relative to full scale; of values beyond it, to the value itself. Noisy, "
    "float and target are raw PSNR of the input, the reference and the integers' output against the clean tile; the "
    "loss is what the integers' lies below the reference's, over all pixels and over the darkest quarter. The tile "
    "extremes holds values that no sensor gives, which saturate: its quality is not judged. Simulator: "
    "whether the command stream, executed by a simulator, gives every integer that the TOSA reference model gives."
)
_ABOUT_ESTIMATES = (
    "What Vela, Arm's compiler, works out for the memory system named below; nobody has measured it. A tile's outer "
    f"{HALO_PX} pixels are computed to be thrown away, and count; what the core does around the NPU does not. "
    f"A frame is {FRAME_PX[1]} x {FRAME_PX[0]} pixels."
)
_COLUMNS = (
    Column[NpuTileResult]("dark loss, dB", lambda one: f"{one.dark_loss_db:+.4f}"),
    Column[NpuTileResult]("simulator", lambda one: one.simulator_text),
)
