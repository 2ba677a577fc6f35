"""Tables of an evaluation's page: scores at each noise level, and how far the dark is lifted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from denoiser.evaluation.comparison import Comparison, Result
from denoiser.evaluation.rivals import RIVALS, Rival, measured_on
from denoiser.evaluation.scenes import SHOTS
from denoiser.evaluation.scores import DARK_BIAS_LIMITS, DARK_LEVEL
from isp.report.results_page import section, shot_text

MEAN = "mean"


@dataclass(frozen=True)
class _Row:
    """cells: HTML of the `td` elements. kind: class of the style sheet."""

    name: str
    cells: Sequence[str]
    kind: str = ""


def scores_section(comparison: Comparison) -> str:
    """Raw PSNR, rendered PSNR and SSIM of every denoiser; what is worse than the noisy input stands out."""
    rivals = RIVALS if measured_on(comparison.noisy.levels) else ()
    raw = {rival.name: (*rival.raw_psnr_db, float(np.mean(rival.raw_psnr_db))) for rival in rivals}
    rendered = {rival.name: _only_mean(rival) for rival in rivals}
    tables = (
        _score_table(comparison, "raw_psnr_db", 2, "Raw PSNR in dB", raw),
        _score_table(comparison, "rendered_psnr_db", 2, "Rendered PSNR in dB", rendered),
        _score_table(comparison, "ssim", 4, "SSIM of the rendering's luma", {}),
    )
    about = "<p>Below each score, the gain over the noisy input.</p>"
    return section("Scores", f'{about}<div class="tables">{"".join(tables)}</div>')


def dark_bias_section(comparison: Comparison) -> str:
    """Dark bias of every candidate beside its limits; what is beyond them stands out."""
    rows = [_Row("limit", [f"<td>±{limit:g}</td>" for limit in DARK_BIAS_LIMITS], "quiet")]
    for result in comparison.results:
        biases = [score.dark_bias for score in result.levels.values()]
        cells = [
            _cell(_signed(bias, 2), f"{abs(bias) / limit * 100:.0f} %", bad=abs(bias) > limit)
            for bias, limit in zip(biases, DARK_BIAS_LIMITS, strict=True)
        ]
        rows.append(_Row(result.label, cells))
    table = _table("Dark bias in units of 1e-4 of full scale", rows, [shot_text(shot) for shot in SHOTS])
    about = (
        f"Mean error where the truth is below {DARK_LEVEL:g}, not clipped: above zero, shadows are lifted. "
        "The limit is a tenth of the noise there; below each value, the share of it."
    )
    return section("Dark bias", f"<p>{about}</p>{table}")


def _only_mean(rival: Rival) -> tuple[float | None, ...]:
    return (*(None for _ in SHOTS), rival.rendered_psnr_db)


def _score_table(
    comparison: Comparison, name: str, digits: int, title: str, rivals: Mapping[str, Sequence[float | None]]
) -> str:
    """name: field of `Score`. rivals: their values at each level and the mean of them."""
    noisy = _values(comparison.noisy, name)
    shown = [(rival, values, "quiet") for rival, values in rivals.items()]
    shown += [(result.label, _values(result, name), "") for result in comparison.results]
    rows = [_Row(comparison.noisy.label, [f"<td>{value:.{digits}f}</td>" for value in noisy], "quiet")]
    for label, values, kind in shown:
        pairs = zip(values, noisy, strict=True)
        rows.append(_Row(label, [_gain_cell(value, before, digits) for value, before in pairs], kind))
    return _table(title, rows, [*map(shot_text, comparison.noisy.levels), MEAN])


def _values(result: Result, name: str) -> list[float]:
    return [getattr(score, name) for score in (*result.levels.values(), result.mean)]


def _gain_cell(value: float | None, noisy: float, digits: int) -> str:
    if value is None:
        return "<td>–</td>"
    return _cell(f"{value:.{digits}f}", _signed(value - noisy, digits), bad=value < noisy)


def _cell(value: str, note: str, *, bad: bool) -> str:
    return f"<td{' class=bad' if bad else ''}>{value}<small>{note}</small></td>"


def _table(title: str, rows: Sequence[_Row], heads: Sequence[str]) -> str:
    heading = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(
        f'<tr class="{row.kind}"><th scope="row">{escape(row.name)}</th>{"".join(row.cells)}</tr>' for row in rows
    )
    return (
        f'<section class="card wide"><h3>{title}</h3><table class="scores"><thead><tr><th scope="col">shot noise</th>'
        f"{heading}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def _signed(value: float, digits: int) -> str:
    return f"{value:+.{digits}f}".replace("-", "−")
