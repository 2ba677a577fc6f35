"""A real capture developed twice, its noise removed by the board and by this machine, and the two compared.

`python -m isp run` does it in processes of its own, as its users would: the denoised mosaics are held against each
other, then developed into pictures.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from isp.atomic import replacing
from isp.errors import ConfigError, InputError, UserError
from isp.report.view import encoded_png
from targets.errors import BoardError, LinkError, NoBoardError

DENOISE, AFTER_DENOISE = "denoise", "white_balance"
"""Stages of the pipeline `default`, one after the other."""
SHOWN_PX: Final = 1600
"""Longer side of each picture beside the others."""
GAP_PX: Final = 8

_ERRORS: dict[int, type[UserError]] = {
    error.exit_code: error for error in (ConfigError, InputError, NoBoardError, LinkError, BoardError)
}


@dataclass(frozen=True)
class RawComparison:
    """How the board's denoised mosaic and picture differ from the host's.

    board, host: what computed each. max_error, rms_error: of the mosaics before lens shading was corrected, relative
    to full scale; of values beyond it, to the value itself. most_codes: greatest difference of the pictures, in
    steps of 255. board_s, host_s: of the whole denoising, start and link included. pictures: board's, host's, and both
    with their difference.
    """

    capture: Path
    model: str
    board: str
    host: str
    limit: float
    max_error: float
    rms_error: float
    most_codes: int
    board_s: float
    host_s: float
    pictures: tuple[Path, Path, Path]

    @property
    def passes(self) -> bool:
        return self.max_error <= self.limit

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        paths = {"capture": str(self.capture), "pictures": [str(path) for path in self.pictures]}
        return {**asdict(self), **paths, "passes": self.passes}


@dataclass(frozen=True)
class _Denoised:
    """mosaic: float32 [H, W], black 0, white 1, before lens shading was corrected. decisions: what the stage chose."""

    mosaic: np.ndarray
    decisions: dict[str, str]
    time_s: float


def compare_raw(
    capture: Path, backends: tuple[str, str], model: str, limit: float, folder: Path, on_line: Callable[[str], None]
) -> RawComparison:
    """Develops a capture by the board and by the host.

    backends: the denoise stage's, the board's first. model: which both are asked for. limit: greatest error that
    passes. folder: takes the pictures, named after the capture. on_line: told of the board's progress, line by line.
    Raises what the ISP ended with; ConfigError where the two used different weights.
    """
    names = ("board", "host")
    board_png, host_png, both_png = (folder / f"{capture.stem}.{name}.png" for name in (*names, "board-and-host"))
    with tempfile.TemporaryDirectory(prefix="fan-raw-") as work:
        board, host = (
            _developed(capture, backend, model, Path(work, name), picture, on_line)
            for backend, name, picture in zip(backends, names, (board_png, host_png), strict=True)
        )
    weights = [denoised.decisions["denoise.weights_sha256"] for denoised in (board, host)]
    if weights[0] != weights[1]:
        raise ConfigError(
            f"the host used the weights {weights[1][:12]}",
            expected=f"{weights[0][:12]}, which the bundle was compiled from",
            remedy="--host-backend with a bundle of the same networks for this machine",
        )
    error = np.abs(board.mosaic - host.mosaic) / np.maximum(1, np.abs(host.mosaic))
    pictures = tuple(_read_png(path) for path in (board_png, host_png))
    codes = pictures[0].astype(np.int16) - pictures[1]
    with replacing(both_png) as temporary:
        temporary.write_bytes(encoded_png(side_by_side(pictures[0], pictures[1])))
    return RawComparison(
        capture,
        board.decisions["denoise.model"],
        board.decisions["denoise.backend"],
        host.decisions["denoise.backend"],
        limit,
        float(error.max()),
        float(np.sqrt(np.square(error, dtype=np.float64).mean())),
        int(np.abs(codes).max()),
        board.time_s,
        host.time_s,
        (board_png, host_png, both_png),
    )


def side_by_side(board: np.ndarray, host: np.ndarray) -> np.ndarray:
    """Both pictures and their difference in one row, uint8 [h, w, 3], reduced to SHOWN_PX by whole steps.

    The difference is mid-grey where both agree, black and white where they differ most; of the pixels that become
    one, the one that differs most is shown.
    """
    step = -(-max(board.shape[:2]) // SHOWN_PX)
    height, width = (side // step * step for side in board.shape[:2])

    def blocks(values: np.ndarray) -> np.ndarray:
        cut = values[:height, :width].reshape(height // step, step, width // step, step, 3)
        return cut.swapaxes(1, 2).reshape(height // step, width // step, step * step, 3)

    codes = blocks(board.astype(np.int16) - host)
    extreme = np.take_along_axis(codes, np.abs(codes).argmax(axis=2, keepdims=True), axis=2)[:, :, 0]
    grey = 127.5 + 127.5 * extreme / max(int(np.abs(codes).max()), 1)
    pictures = [np.rint(blocks(picture).mean(axis=2)) for picture in (board, host)]
    gap = np.full((height // step, GAP_PX, 3), 255)
    return np.concatenate([pictures[0], gap, pictures[1], gap, np.rint(grey)], axis=1).astype(np.uint8)


def _developed(
    capture: Path, backend: str, model: str, work: Path, picture: Path, on_line: Callable[[str], None]
) -> _Denoised:
    array = work / "denoised.npy"
    chosen = ["--set", f"{DENOISE}.backend={backend}", "--set", f"{DENOISE}.model={model}"]
    kept = ["--save-stages", str(work), "--overwrite", "-v"]
    command = [sys.executable, "-m", "isp", "run", str(capture), *chosen, *kept]
    began = time.monotonic()
    _run([*command, "--stop-after", DENOISE, "-o", str(array)], on_line)
    time_s = time.monotonic() - began
    _run([*command, "--start-at", AFTER_DENOISE, "-o", str(picture)], on_line)
    (description,) = work.glob(f"*/*_{DENOISE}.json")
    decisions = dict(json.loads(description.read_bytes())["decisions"])
    mosaic = np.load(array)
    for gain in work.glob(f"*/*_{DENOISE}.shading_gain.npy"):
        mosaic = mosaic / np.load(gain)
    return _Denoised(mosaic, decisions, time_s)


def _run(command: Sequence[str], on_line: Callable[[str], None]) -> None:
    """Runs the ISP; raises the error that it ended with."""
    last = ""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        assert process.stderr is not None, "it is a pipe"
        for line in process.stderr:
            last = line.strip() or last
            on_line(line.rstrip())
    if process.returncode:
        error = _ERRORS.get(process.returncode, UserError)
        raise error(last.removeprefix("error: ") or f"python -m isp ended with status {process.returncode}")


def _read_png(path: Path) -> np.ndarray:
    """uint8 [h, w, 3] RGB."""
    import cv2

    encoded = np.fromfile(path, np.uint8)
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))
