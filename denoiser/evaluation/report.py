"""An evaluation as one HTML page that needs nothing else: no network, no script, no files beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path

from denoiser.evaluation.chart import Curve, chart, legend
from denoiser.evaluation.comparison import Comparison
from denoiser.evaluation.crops import CropRow
from denoiser.evaluation.data_set import DataSetScores, as_cells
from denoiser.evaluation.page import models_section, versions_section
from denoiser.evaluation.rivals import PHOTOGRAPHS, RIVALS, measured_on, why_left_out
from denoiser.evaluation.scenes import PEDESTAL_DN, SHOTS, WHITE_DN
from denoiser.evaluation.score_tables import dark_bias_section, scores_section
from isp.atomic import replacing
from isp.psnr import psnr_db
from isp.report.results_page import cells_table, page, section, shot_text
from isp.report.view import encoded_png

ZOOM = 2
MODEL_COLOURS = 6


def write_report(folder: Path, document: Mapping[str, object], html: str) -> None:
    """Writes `evaluation.json` and `evaluation.html` into a folder that exists."""
    for name, text in (("evaluation.json", json.dumps(document, indent=2) + "\n"), ("evaluation.html", html)):
        with replacing(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def comparison_page(comparison: Comparison) -> str:
    """HTML of scores on photographs. Crops are PNG, so that what is judged is exact."""
    best = max(comparison.results, key=lambda result: result.mean.raw_psnr_db)
    mean, noisy = best.mean, comparison.noisy.mean
    numbers = [
        ("raw PSNR", f"{mean.raw_psnr_db:.2f} dB", f"{best.label}, mean of the levels"),
        ("gain", f"{mean.raw_psnr_db - noisy.raw_psnr_db:+.2f} dB", "over the noisy input"),
        ("rendered PSNR", f"{mean.rendered_psnr_db:.2f} dB", "mean of the levels"),
        ("photographs", str(len(comparison.photographs)), f"at {len(SHOTS)} noise levels"),
    ]
    sections = [
        _curves(comparison),
        scores_section(comparison),
        dark_bias_section(comparison),
        _crops(comparison.crops),
        models_section(comparison.candidates),
        _protocol(),
    ]
    known = f", recognised as {PHOTOGRAPHS}" if measured_on(comparison.noisy.levels) else ""
    return page("Denoising quality on photographs", f"{comparison.folder}{known}", numbers, sections)


def data_set_page(scores: DataSetScores) -> str:
    """HTML of scores on captures."""
    tables = "".join(
        f"<section class='card wide'><h3>{escape(candidate.label)}</h3>{cells_table([as_cells(row) for row in rows])}"
        "</section>"
        for candidate, rows in zip(scores.candidates, scores.rows, strict=True)
    )
    sections = [
        section("Scores", f'<div class="tables">{tables}</div>'),
        models_section(scores.candidates),
        versions_section(),
    ]
    return page(scores.title, str(scores.folder), [], sections)


def _curves(comparison: Comparison) -> str:
    noisy = comparison.noisy.levels
    gains, rendered = [], []
    for number, result in enumerate(comparison.results):
        style = f"m{number % MODEL_COLOURS}" + (" again" if number >= MODEL_COLOURS else "")
        levels = result.levels.items()
        gain = tuple((shot, score.raw_psnr_db - noisy[shot].raw_psnr_db) for shot, score in levels)
        gains.append(Curve(result.label, style, gain))
        rendered.append(Curve(result.label, style, tuple((shot, score.rendered_psnr_db) for shot, score in levels)))
    noisy_rendered = tuple((shot, score.rendered_psnr_db) for shot, score in noisy.items())
    rendered.append(Curve("noisy input", "noisy", noisy_rendered))
    if measured_on(noisy):
        for style, rival in zip(("rival", "rival second"), RIVALS, strict=True):
            pairs = zip(SHOTS, rival.raw_psnr_db, strict=True)
            points = tuple((shot, value - noisy[shot].raw_psnr_db) for shot, value in pairs)
            gains.append(Curve(rival.name, style, points))
        means = " and ".join(f"{rival.name} {rival.rendered_psnr_db:.2f} dB" for rival in RIVALS)
        about = f"Of the rivals only the mean of the levels is stored: {means}."
        note = f"{' and '.join(rival.name for rival in RIVALS)}: stored scores, measured on {PHOTOGRAPHS}."
    else:
        about, note = "", why_left_out(noisy) + "."
    figures = (
        (gains, "Gain of raw PSNR over the noisy input", "gain in dB", "Below zero: worse than doing nothing."),
        (rendered, "PSNR after rendering", "rendered PSNR in dB", about),
    )
    drawn = "".join(
        f'<figure class="card"><h3>{title}</h3>{chart(curves, title, axis)}<div class="legend">{legend(curves)}</div>'
        f"<figcaption><span>{escape(caption)}</span></figcaption></figure>"
        for curves, title, axis, caption in figures
    )
    return section("Curves", f'<p>{escape(note)}</p><div class="two">{drawn}</div>')


def _crops(rows: Sequence[CropRow]) -> str:
    spots = []
    for spot, levels in groupby(rows, key=lambda row: row.spot):
        where = f"{spot.photograph.path.name}, x {spot.square.left}, y {spot.square.top}, {spot.square.width} px"
        shown = f"; shown {spot.stops} {'stop' if spot.stops == 1 else 'stops'} brighter" if spot.stops else ""
        strips = "".join(f"<h4>shot noise {shot_text(row.shot)}</h4>{_strip(row)}" for row in levels)
        spots.append(
            f'<section class="card spot"><h3>{escape(spot.title)}</h3><p class="small">{escape(spot.why)}; '
            f"{escape(where + shown)}</p>{strips}</section>"
        )
    return section(
        "Crops",
        f"<p>At {ZOOM * 100} %, chosen from the photographs alone. The number is the PSNR of the crop as shown.</p>"
        + "".join(spots),
    )


def _strip(row: CropRow) -> str:
    truth = row.pictures[-1][1]
    figures = []
    for label, picture in row.pictures:
        height, width = picture.shape[:2]
        source = f"data:image/png;base64,{base64.b64encode(encoded_png(picture)).decode()}"
        number = "" if picture is truth else f"{psnr_db(picture / 255, truth / 255):.2f} dB"
        figures.append(
            f'<figure><img src="{source}" width="{ZOOM * width}" height="{ZOOM * height}" alt="{escape(label)}">'
            f"<figcaption><b>{escape(label)}</b><span>{number}</span></figcaption></figure>"
        )
    return f'<div class="strip">{"".join(figures)}</div>'


def _protocol() -> str:
    text = (
        "Photographs are unprocessed to linear camera RGB (Brooks et al., CVPR 2019), laid out in the four Bayer "
        "phases in turn, given noise of variance shot · x + read at five levels that follow the captures of the "
        f"Darmstadt Noise Dataset, and quantised to 12 bits, black at {PEDESTAL_DN} DN, white at {WHITE_DN} DN. The "
        "random streams are fixed, so that scores of different models and days compare. Raw PSNR is taken on the "
        "mosaic clipped to 0 to 1, rendered PSNR and SSIM after bilinear demosaicing, white balance, colour matrix "
        "and gamma."
    )
    return section("Protocol", f"<p>{text}</p>") + versions_section()
