"""The fit as a picture: variance against signal with the line of each colour, and the residual beneath."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from denoiser.calibration.noise_line import NoiseLine
from isp.atomic import replacing
from isp.errors import ConfigError

SIZE = (1280, 960)
SUPERSAMPLING = 2
INK, FAINT, GRID, PAPER = (40, 40, 44), (120, 120, 124), (228, 228, 230), (255, 255, 255)
COLOURS = {"R": (62, 62, 205), "G": (76, 150, 52), "B": (205, 110, 40), "mono": (60, 60, 60)}
"""BGR."""


@dataclass(frozen=True)
class Panel:
    """A rectangle of the canvas in pixels, and the range of numbers it shows."""

    left: int
    top: int
    right: int
    bottom: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[int, int]:
        (x0, x1), (y0, y1) = self.x_range, self.y_range
        column = self.left + (x - x0) / (x1 - x0) * (self.right - self.left)
        row = self.bottom - (y - y0) / (y1 - y0) * (self.bottom - self.top)
        return round(column), round(row)


def draw_fit(lines: Mapping[str, NoiseLine], span_dn: float, title: str) -> np.ndarray:
    """uint8 BGR [960, 1280, 3]; signal and variance in digital numbers, `span_dn` from black to white."""
    s = SUPERSAMPLING
    canvas = np.full((SIZE[1] * s, SIZE[0] * s, 3), PAPER, np.uint8)
    signal = np.concatenate([line.points.mean for line in lines.values()]) * span_dn
    variance = np.concatenate([line.points.variance for line in lines.values()]) * span_dn**2
    residual = 100 * np.concatenate([line.residual[line.points.used] for line in lines.values()])
    x_range = _wide(min(0.0, float(signal.min())), float(signal.max()), 0.03)
    y_range = (0.0, float(variance.max()) * 1.08)
    reach = max(2.0, float(np.quantile(np.abs(residual), 0.98)) * 1.25)
    upper = Panel(120 * s, 126 * s, (SIZE[0] - 50) * s, 620 * s, x_range, y_range)
    lower = Panel(120 * s, 680 * s, (SIZE[0] - 50) * s, (SIZE[1] - 90) * s, x_range, (-reach, reach))

    _text(canvas, title, (120 * s, 44 * s), 0.85, INK, weight=2)
    _text(canvas, "temporal variance = shot x signal + read", (120 * s, 74 * s), 0.6, FAINT)
    _axes(canvas, upper, "variance in DN^2", with_x_numbers=False)
    _axes(canvas, lower, "residual in %", with_x_numbers=True)
    _text(
        canvas, "signal above black in DN", ((120 + SIZE[0] - 50) // 2 * s, (SIZE[1] - 28) * s), 0.6, INK, centred=True
    )
    cv2.line(canvas, lower.at(x_range[0], 0), lower.at(x_range[1], 0), FAINT, s, cv2.LINE_AA)

    radius = (5 if max(len(line.points.mean) for line in lines.values()) < 60 else 4) * s
    for row, (name, line) in enumerate(lines.items()):
        _points(canvas, (upper, lower), line, span_dn, COLOURS[name], radius)
        _legend(canvas, upper, row, name, line, span_dn)
    for name, line in lines.items():
        last = span_dn * float(line.points.mean[line.points.used].max())
        ends = [upper.at(x, line.shot * span_dn * x + line.read * span_dn**2) for x in (0.0, last)]
        inside, a, b = cv2.clipLine((upper.left, upper.top, upper.right - upper.left, upper.bottom - upper.top), *ends)
        if inside:
            cv2.line(canvas, a, b, COLOURS[name], round(1.6 * s), cv2.LINE_AA)
    return np.asarray(cv2.resize(canvas, SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def save_plot(picture: np.ndarray, path: Path) -> None:
    """Writes a PNG, whole or not at all."""
    _, encoded = cv2.imencode(".png", picture)
    try:
        with replacing(path) as draft:
            draft.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", expected="a folder that can be written") from error


def _points(
    canvas: np.ndarray,
    panels: tuple[Panel, Panel],
    line: NoiseLine,
    span_dn: float,
    colour: tuple[int, int, int],
    radius: int,
) -> None:
    upper, lower = panels
    pale = tuple(round(255 - 0.55 * (255 - c)) for c in colour)
    limit = lower.y_range[1]
    points = line.points
    for mean, variance, residual, used in zip(points.mean, points.variance, line.residual, points.used, strict=True):
        x = float(mean) * span_dn
        where = upper.at(x, float(variance) * span_dn**2)
        if used:
            cv2.circle(canvas, where, radius, pale, -1, cv2.LINE_AA)
            held = float(np.clip(100 * residual, -limit, limit))
            cv2.circle(canvas, lower.at(x, held), radius, pale, -1, cv2.LINE_AA)
        else:
            cv2.circle(canvas, where, radius, FAINT, SUPERSAMPLING, cv2.LINE_AA)


def _legend(canvas: np.ndarray, panel: Panel, row: int, name: str, line: NoiseLine, span_dn: float) -> None:
    s = SUPERSAMPLING
    x, y = panel.left + 28 * s, panel.top + (36 + 32 * row) * s
    cv2.line(canvas, (x, y - 6 * s), (x + 30 * s, y - 6 * s), COLOURS[name], 3 * s, cv2.LINE_AA)
    text = (
        f"{name}: shot {line.shot:.3g} ({line.shot * span_dn:.3g} DN)   "
        f"read {line.read:.3g} ({line.read * span_dn**2:.3g} DN^2)   residual {100 * line.residual_rms:.1f} %"
    )
    _text(canvas, text, (x + 44 * s, y), 0.6, INK)


def _axes(canvas: np.ndarray, panel: Panel, label: str, *, with_x_numbers: bool) -> None:
    s = SUPERSAMPLING
    for x in _ticks(*panel.x_range):
        cv2.line(canvas, panel.at(x, panel.y_range[0]), panel.at(x, panel.y_range[1]), GRID, s)
        if with_x_numbers:
            column, row = panel.at(x, panel.y_range[0])
            _text(canvas, _number(x), (column, row + 26 * s), 0.55, INK, centred=True)
    for y in _ticks(*panel.y_range):
        cv2.line(canvas, panel.at(panel.x_range[0], y), panel.at(panel.x_range[1], y), GRID, s)
        column, row = panel.at(panel.x_range[0], y)
        width = cv2.getTextSize(_number(y), cv2.FONT_HERSHEY_SIMPLEX, 0.55 * s, s)[0][0]
        _text(canvas, _number(y), (column - width - 10 * s, row + 6 * s), 0.55, INK)
    cv2.rectangle(canvas, (panel.left, panel.top), (panel.right, panel.bottom), FAINT, s)
    _text(canvas, label, (panel.left + 6 * s, panel.top - 10 * s), 0.6, INK)


def _ticks(low: float, high: float) -> list[float]:
    """About six round numbers within the range."""
    rough = (high - low) / 6
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    return [k * step for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return f"{value:.4g}"


def _wide(low: float, high: float, margin: float) -> tuple[float, float]:
    more = margin * max(high - low, 1e-9)
    return low - more, high + more


def _text(
    canvas: np.ndarray,
    text: str,
    at: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
    *,
    weight: int = 1,
    centred: bool = False,
) -> None:
    scale, thickness = scale * SUPERSAMPLING, weight * SUPERSAMPLING
    if centred:
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)[0][0]
        at = (at[0] - width // 2, at[1])
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA)
