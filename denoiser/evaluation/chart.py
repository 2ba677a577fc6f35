"""Curves against noise level as an SVG drawing; colours and fonts come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from isp.report.results_page import shot_text

WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 26, 14, 50
MOST_TICKS = 8


@dataclass(frozen=True)
class Curve:
    """points: (shot noise, value in dB), from left to right. style: class names of the style sheet."""

    label: str
    style: str
    points: tuple[tuple[float, float], ...]


def chart(curves: Sequence[Curve], title: str, value_axis: str) -> str:
    """An `svg` element: shot noise, logarithmic, to the right, dB upwards; zero stands out if it is in range."""
    shots = sorted({shot for curve in curves for shot, _ in curve.points})
    values = [value for curve in curves for _, value in curve.points]
    step = _step(max(values) - min(values))
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    if low == high:
        high = low + step
    x = _scale(math.log(shots[0]) - 0.12, math.log(shots[-1]) + 0.12, LEFT, WIDTH - RIGHT)
    y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for shot in shots:
        at = x(math.log(shot))
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 20}">{shot_text(shot)}</text>')
    for k in range(round((high - low) / step) + 1):
        value = low + k * step
        kind = "zero" if abs(value) < step / 2 else "grid"
        at = y(value)
        parts.append(f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="left" x="{LEFT - 8}" y="{at + 5:.1f}">{_number(value)}</text>')
    for curve in curves:
        places = [(x(math.log(shot)), y(value), shot, value) for shot, value in curve.points]
        line = " ".join(f"{across:.1f},{up:.1f}" for across, up, _, _ in places)
        parts.append(f'<polyline class="line {curve.style}" points="{line}"/>')
        parts += [
            f'<circle class="dot {curve.style}" cx="{across:.1f}" cy="{up:.1f}" r="3.5"><title>{escape(curve.label)}, '
            f"shot noise {shot_text(shot)}: {value:.2f} dB</title></circle>"
            for across, up, shot, value in places
        ]
    middle, centre = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="{middle:.0f}" y="{HEIGHT - 6}">shot noise (variance at white)</text>')
    parts.append(f'<text transform="translate(13 {centre:.0f}) rotate(-90)">{escape(value_axis)}</text>')
    return "".join([*parts, "</svg>"])


def legend(curves: Sequence[Curve]) -> str:
    """The curves' names beside a sample of each line, as `span` elements."""
    return "".join(
        f'<span><svg viewBox="0 0 28 10" aria-hidden="true"><path class="line {curve.style}" d="M0 5h28"/>'
        f'<circle class="dot {curve.style}" cx="14" cy="5" r="3.5"/></svg>{escape(curve.label)}</span>'
        for curve in curves
    )


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (end - start) * (value - low) / (high - low)


def _step(span: float) -> float:
    """The least step of 1, 2 or 5 times a power of ten that gives no more than `MOST_TICKS` ticks."""
    least = max(span, 1e-6) / MOST_TICKS
    decade = 10.0 ** math.floor(math.log10(least))
    return next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= least * 0.999)


def _number(value: float) -> str:
    return f"{value:.10g}".replace("-", "−") if abs(value) > 1e-9 else "0"
