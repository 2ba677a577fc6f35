"""Noise against brightness as an SVG drawing: the model's lines and what denoising took away."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from isp.noise.model import NoiseModel
from isp.report.facts import COLOURS
from isp.report.residual import LevelNoise

WIDTH, HEIGHT = 640, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 52
LEVELS = np.geomspace(1e-3, 1, 61)


def noise_chart(noise: NoiseModel, by_level: Sequence[LevelNoise], range_dn: float) -> str:
    """An `svg` element; colours and fonts come from the page's style sheet.

    range_dn: digital numbers from black to white, the unit of the vertical axis.
    """
    lines = [np.sqrt(noise.variance(LEVELS, channel)) * range_dn for channel in range(3)]
    shown = np.concatenate([*lines, [item.sigma * range_dn for item in by_level]])
    shown = shown[shown > 0]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.1, 10.0)
    low, high = low / 1.3, high * 1.3
    x, y = _axis(LEVELS[0], 1.0, LEFT, WIDTH - RIGHT), _axis(low, high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Standard deviation of the noise against brightness, both logarithmic">'
    ]
    for value in _ticks(LEVELS[0], 1.0):
        parts.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 18}">{value:g}</text>')
    for value in _ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="tick left" x="{LEFT - 8}" y="{y(value) + 4:.1f}">{value:g}</text>')
    same = np.allclose(lines[0], lines[1:])
    for channel, line in enumerate(lines[:1] if same else lines):
        if line.min() > 0:
            points = " ".join(f"{x(level):.1f},{y(sigma):.1f}" for level, sigma in zip(LEVELS, line, strict=True))
            parts.append(f'<polyline class="line {"all" if same else f"c{channel}"}" points="{points}"/>')
    for item in by_level:
        if item.sigma > 0:
            title = (
                f"{COLOURS[item.channel]} at {item.level:.3g}: {item.sigma * range_dn:.3g} DN, {item.samples} pixels"
            )
            parts.append(
                f'<circle class="dot c{item.channel}" cx="{x(item.level):.1f}" cy="{y(item.sigma * range_dn):.1f}" '
                f'r="3.5"><title>{title}</title></circle>'
            )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="axis" x="{middle:.0f}" y="{HEIGHT - 8}">brightness, 1 = white</text>')
    centre = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text class="axis" transform="translate(16 {centre:.0f}) rotate(-90)">noise σ in DN</text>')
    return "".join([*parts, "</svg>"])


def _axis(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = math.log(high / low)
    return lambda value: start + (end - start) * math.log(value / low) / span


def _ticks(low: float, high: float) -> list[float]:
    """Powers of ten inside the range, with 2 and 5 times them where there is room."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if high / low > 300 else (1, 2, 5)
    values = [step * 10.0**decade for decade in decades for step in steps]
    return [value for value in values if low * 0.999 <= value <= high * 1.001]
