"""A verification as one HTML page that needs nothing else: no network, no script, no files beside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from itertools import groupby

import numpy as np

from compile.verification import TileResult, Verification
from denoiser.evaluation.chart import shot_text
from denoiser.evaluation.page import cells_table, page, section
from isp.cfa import Cfa
from isp.colour.srgb_transfer import encode_srgb
from isp.report.view import encoded_png, half_size
from isp.sample.maker import COLOUR_MATRIX
from isp.sample.sensor import SRGB_TO_XYZ, neutral_of

SHOWN_PX = 192
"""Longer side of a tile's pictures on the page."""
LEAST_WHITE_ERROR = 1e-8
"""Smallest error that is shown as white; float32 cannot tell less apart near full scale."""


def verification_page(verification: Verification, target: str, toolchain: Mapping[str, str]) -> str:
    """The page's HTML.

    target: what the bundle was compiled for. toolchain: versions of what compiled it, by name.
    """
    results, worst = verification.results, verification.worst
    limits = verification.threshold
    failed = len(verification.failures)
    numbers = [("verdict", f"{failed} of {len(results)} fail" if failed else "passes", f"{len(results)} golden tiles")]
    if worst is not None:
        numbers += [
            ("max error", f"{worst.max_error:.2g}", f"at most {limits.max_error:g} of full scale"),
            ("RMS error", f"{worst.rms_error:.2g}", "of full scale"),
            ("PSNR against float", f"{worst.psnr_db:.1f} dB", "of the worst tile"),
            ("quality loss", f"{worst.quality_loss_db:+.4f} dB", f"at most {limits.quality_loss_db:g} dB"),
        ]
    facts = {"target": target, "run by": " ".join(verification.command), **toolchain}
    rows = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    sections = [
        section("Tiles", f'<p>{_ABOUT}</p><div class="card wide">{_table(verification)}</div>'),
        *(_failures(verification) if failed else ()),
        section("Circumstances", f'<div class="card"><table class="facts">{rows}</table></div>'),
        section("Pictures", f"<p>{_ABOUT_PICTURES}</p>" + _pictures(verification)),
    ]
    return page(f"Verification for {target}", "Golden tiles against the float model in float64", numbers, sections)


_ABOUT = (
    "Errors are against the float reference, relative to full scale; of values beyond it, to the value itself. Noisy, "
    "float and target are raw PSNR of the input, the reference and the target's output against the clean tile; the "
    "loss is what the target's lies below the reference's. Time is the processor's on the machine that ran the tile: "
    "under an emulator it tells nothing of the target."
)
_ABOUT_PICTURES = (
    "Rendered without demosaicing, each 2x2 block as one pixel. The difference is shown pixel by pixel: mid-grey where "
    "target and reference agree, black and white where they differ by the stated part of full scale."
)


def _table(verification: Verification) -> str:
    rows = [_cells(result) for result in verification.results]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = ""
    for result, row in zip(verification.results, rows, strict=True):
        tile, *numbers = map(escape, row.values())
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        kind = " class=bad" if result.failure else ""
        body += f"<tr{kind}><th scope=row>{tile}</th>{cells}</tr>"
    return f'<table class="scores"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def _cells(result: TileResult) -> dict[str, str]:
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
        "arena, KiB": f"{result.arena_bytes / 1024:,.0f}" if result.arena_bytes is not None else "–",
        "time, ms": f"{1e3 * result.best_s:,.1f}" if result.best_s is not None else "–",
        "verdict": "fails" if result.failure else "ok",
    }


def _failures(verification: Verification) -> list[str]:
    rows = [
        {"tile": f"{result.specialist}, {result.tile.name}", "what is wrong": result.failure}
        for result in verification.failures
    ]
    return [section("What fails", f'<div class="card wide">{cells_table(rows)}</div>')]


def _pictures(verification: Verification) -> str:
    cards = []
    for specialist, results in groupby(verification.results, key=lambda result: result.specialist):
        strips = "".join(
            f"<h4>{escape(result.tile.name)}, shot noise of green {shot_text(result.tile.shot[1])}</h4>"
            + _strip(result)
            for result in results
        )
        cards.append(f'<section class="card spot"><h3>{escape(specialist)}</h3>{strips}</section>')
    return "".join(cards)


def _strip(result: TileResult) -> str:
    tile, m = result.tile, result.measures
    pictures = [
        ("noisy", f"{m.noisy_psnr_db:.2f} dB" if m else "", _rendered(tile.noisy)),
        ("clean", "", _rendered(tile.clean)),
        ("float reference", f"{m.reference_psnr_db:.2f} dB" if m else "", _rendered(tile.reference)),
    ]
    if result.output is not None:
        pictures.append(("target", f"{m.output_psnr_db:.2f} dB" if m else "", _rendered(np.nan_to_num(result.output))))
    if result.output is not None and m is not None:
        white_error = max(m.max_error, LEAST_WHITE_ERROR)
        pictures.append(("difference", f"± {white_error:.1e}", _difference(result.output, tile.reference, white_error)))
    scale = SHOWN_PX / max(tile.width, tile.height)
    size = f'width="{scale * tile.width:.0f}" height="{scale * tile.height:.0f}"'
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(encoded_png(picture)).decode()}" {size} '
        f'alt="{escape(label)}"><figcaption><b>{label}</b><span>{escape(note)}</span></figcaption></figure>'
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
