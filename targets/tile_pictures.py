"""Golden tiles and what came of them as pictures and table rows of an HTML page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

import numpy as np

from isp.cfa import Cfa
from isp.colour.srgb_transfer import encode_srgb
from isp.report.results_page import cells_table, section, shot_text
from isp.report.view import encoded_png, half_size
from isp.sample.maker import COLOUR_MATRIX
from isp.sample.sensor import SRGB_TO_XYZ, neutral_of
from targets.verdict import Column, Result, TileResult

SHOWN_PX = 192
"""Longer side of a tile's pictures on the page."""
LEAST_WHITE_ERROR = 1e-8
"""Smallest error that is shown as white; float32 cannot tell less apart near full scale."""
ABOUT_PICTURES = (
    "Rendered without demosaicing, each 2x2 block as one pixel. The difference is shown pixel by pixel: mid-grey where "
    "target and reference agree, black and white where they differ by the stated part of full scale."
)

ARENA_AND_TIME = (
    Column[TileResult](
        "arena, KiB", lambda one: f"{one.arena_bytes / 1024:,.0f}" if one.arena_bytes is not None else "–"
    ),
    Column[TileResult]("time, ms", lambda one: f"{1e3 * one.best_s:,.1f}" if one.best_s is not None else "–"),
)


def results_table(results: Sequence[Result], columns: Sequence[Column[Result]]) -> str:
    """A row for each tile. columns: what stands before the verdict."""
    rows = [_cells(result, columns) for result in results]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = ""
    for result, row in zip(results, rows, strict=True):
        tile, *numbers = map(escape, row.values())
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        kind = " class=bad" if result.failure else ""
        body += f"<tr{kind}><th scope=row>{tile}</th>{cells}</tr>"
    return f'<table class="scores"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def failures_section(results: Sequence[TileResult]) -> list[str]:
    """What fails; nothing where nothing does."""
    rows: list[Mapping[str, str]] = [
        {"tile": f"{result.specialist}, {result.tile.name}", "what is wrong": result.failure}
        for result in results
        if result.failure
    ]
    return [section("What fails", f'<div class="card wide">{cells_table(rows)}</div>')] if rows else []


def tile_pictures(results: Sequence[TileResult], device: str) -> str:
    """A card for each specialist. device: what its output is called."""
    cards = []
    for specialist, own in groupby(results, key=lambda result: result.specialist):
        strips = "".join(
            f"<h4>{escape(result.tile.name)}, shot noise of green {shot_text(result.tile.shot[1])}</h4>"
            + _strip(result, device)
            for result in own
        )
        cards.append(f'<section class="card spot"><h3>{escape(specialist)}</h3>{strips}</section>')
    return "".join(cards)


def _cells(result: Result, columns: Sequence[Column[Result]]) -> dict[str, str]:
    tile, m = result.tile, result.measures
    return {
        "tile": f"{result.specialist}, {tile.name}",
        "size": f"{tile.width} x {tile.height}",
        "shot, green": shot_text(tile.shot[1]),
        "max error": f"{m.max_error:.2e}" if m else "–",
        "RMS error": f"{m.rms_error:.2e}" if m else "–",
        "PSNR, dB": f"{m.psnr_db:.1f}" if m else "–",
        "noisy, dB": f"{m.noisy_psnr_db:.2f}" if m else "–",
        "float, dB": f"{m.reference_psnr_db:.2f}" if m else "–",
        "target, dB": f"{m.output_psnr_db:.2f}" if m else "–",
        "loss, dB": f"{m.quality_loss_db:+.4f}" if m else "–",
        **{column.heading: column.cell(result) for column in columns},
        "verdict": "fails" if result.failure else "ok",
    }


def _strip(result: TileResult, device: str) -> str:
    tile, m = result.tile, result.measures
    pictures = [
        ("noisy", f"{m.noisy_psnr_db:.2f} dB" if m else "", _rendered(tile.noisy)),
        ("clean", "", _rendered(tile.clean)),
        ("float reference", f"{m.reference_psnr_db:.2f} dB" if m else "", _rendered(tile.reference)),
    ]
    if result.output is not None:
        pictures.append((device, f"{m.output_psnr_db:.2f} dB" if m else "", _rendered(np.nan_to_num(result.output))))
    if result.output is not None and m is not None:
        white_error = max(m.max_error, LEAST_WHITE_ERROR)
        pictures.append(("difference", f"± {white_error:.1e}", _difference(result.output, tile.reference, white_error)))
    scale = SHOWN_PX / max(tile.width, tile.height)
    size = f'width="{scale * tile.width:.0f}" height="{scale * tile.height:.0f}"'
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(encoded_png(picture)).decode()}" {size} '
        f'alt="{escape(label)}"><figcaption><b>{escape(label)}</b><span>{escape(note)}</span></figcaption></figure>'
        for label, note, picture in pictures
    )
    return f'<div class="strip">{figures}</div>'


def _rendered(mosaic: np.ndarray) -> np.ndarray:
    """An RGGB mosaic of the golden scenes' sensor as uint8 sRGB [H // 2, W // 2, 3]."""
    to_camera = COLOUR_MATRIX @ SRGB_TO_XYZ
    to_srgb = np.linalg.inv(to_camera / to_camera.sum(axis=1, keepdims=True))
    balanced = np.clip(half_size(mosaic, Cfa.RGGB) / np.array(neutral_of(COLOUR_MATRIX), np.float32), 0, 1)
    picture = np.clip(balanced @ to_srgb.T, 0, 1).astype(np.float32)
    encode_srgb(picture)
    return np.asarray(np.rint(picture * 255), np.uint8)


def _difference(output: np.ndarray, reference: np.ndarray, white_error: float) -> np.ndarray:
    """uint8 [H, W, 3]: mid-grey where both agree, black and white where they differ by `white_error` or more."""
    error = (output.astype(np.float64) - reference) / np.maximum(1, np.abs(reference)) / white_error
    grey = np.rint(127.5 + 127.5 * np.clip(error, -1, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
