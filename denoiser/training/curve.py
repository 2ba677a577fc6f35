"""The course of a run as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from denoiser.training.checkpoint import HistoryPoint
from isp.atomic import replacing

WIDTH, HEIGHT, MARGIN = 960, 540, 60
COLOURS = ((176, 96, 32), (64, 144, 32), (32, 128, 208), (48, 48, 208), (160, 64, 160))


def draw_curve(path: Path, history: Sequence[HistoryPoint], shots: Sequence[float]) -> None:
    """Gain in held-out PSNR since the first validation, one line per noise level, as a PNG."""
    if len(history) < 2:
        return
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    steps = np.array([point.step for point in history], np.float64)
    psnr = np.array([point.psnr_db for point in history])
    gain = psnr - psnr[0]
    low, high = min(0.0, float(gain.min())), max(0.5, float(gain.max()))
    x = MARGIN + (steps - steps[0]) / (steps[-1] - steps[0]) * (WIDTH - 3.2 * MARGIN)
    y = HEIGHT - MARGIN - (gain - low) / (high - low) * (HEIGHT - 2 * MARGIN)
    for tick in np.linspace(low, high, 6):
        row = round(HEIGHT - MARGIN - (tick - low) / (high - low) * (HEIGHT - 2 * MARGIN))
        cv2.line(picture, (MARGIN, row), (round(x[-1]), row), (225, 225, 225), 1)
        _text(picture, f"{tick:+.2f}", (6, row + 4))
    for level, (shot, colour) in enumerate(zip(shots, COLOURS, strict=True)):
        points = np.stack([x, y[:, level]], 1).round().astype(np.int32)
        cv2.polylines(picture, [points], False, colour, 2, cv2.LINE_AA)
        label_y = MARGIN + 22 * level
        cv2.line(picture, (WIDTH - 122, label_y - 4), (WIDTH - 104, label_y - 4), colour, 2, cv2.LINE_AA)
        _text(picture, f"{shot:.1e} {psnr[-1, level]:.2f}", (WIDTH - 100, label_y))
    _text(
        picture,
        f"held-out PSNR gained since step {int(steps[0])}, dB; shot noise and last PSNR at the right",
        (MARGIN, 28),
    )
    _text(picture, f"step {int(steps[-1])}", (round(x[-1]) - 60, HEIGHT - 24))
    encoded = cv2.imencode(".png", picture)[1]
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _text(picture: np.ndarray, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (60, 60, 60), 1, cv2.LINE_AA)
