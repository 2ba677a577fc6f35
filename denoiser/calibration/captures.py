"""Captures made for calibration, read into stacks of frames of one exposure.

A RAW file or a described dump is one frame. A 16-bit greyscale PNG without a description is one frame
of the layout that the user states. An `.npz` file is a whole stack: either `frames` [N, H, W], or
`median` [H, W] with `delta` [N, H, W], frame i being their sum.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.raw_frame import RawFrame
from isp.readers import read
from isp.readers.bayer_dump import description_beside
from isp.stages.black_level import subtract_black


@dataclass(frozen=True)
class Layout:
    """What files without metadata hold; `cfa` None means monochrome, levels in digital numbers."""

    cfa: Cfa | None = None
    black_dn: float | None = None
    white_dn: float | None = None


@dataclass(frozen=True)
class Stack:
    """Frames of one exposure, float32 [N, H, W], black 0, white 1.

    black_dn, span_dn: digital numbers of black, and from black to white. make, model, iso: as the
    files tell, or empty.
    """

    frames: np.ndarray
    cfa: Cfa | None
    black_dn: float
    span_dn: float
    make: str = ""
    model: str = ""
    iso: float | None = None

    @property
    def floor(self) -> float:
        """Value of digital number 0."""
        return -self.black_dn / self.span_dn

    def planes(self) -> dict[str, list[np.ndarray]]:
        """Frames [N, h, w] of each colour plane: two for G of a Bayer sensor, one "mono" without colours."""
        if self.cfa is None:
            return {"mono": [self.frames]}
        found: dict[str, list[np.ndarray]] = {"R": [], "G": [], "B": []}
        for position, channel in enumerate(self.cfa.channels):
            found["RGB"[channel]].append(self.frames[:, position // 2 :: 2, position % 2 :: 2])
        return found


def load_stack(paths: Sequence[Path], layout: Layout) -> Stack:
    """Frames of one exposure from several files, or from one `.npz`.

    Raises InputError for files that cannot be used or don't belong together, ConfigError where
    `layout` lacks what a file doesn't tell.
    """
    if len(paths) == 1 and paths[0].suffix.lower() == ".npz":
        return _bare(_npz_frames(paths[0]), layout, paths[0])
    if any(path.suffix.lower() == ".npz" for path in paths):
        raise InputError("a stack of .npz and other files", expected="one .npz, which is a stack by itself")
    if len(paths) < 2:
        raise InputError(f"{paths[0].name} is one frame", expected="two or more frames of the same exposure")
    if all(path.suffix.lower() == ".png" and _is_bare(path, layout) for path in paths):
        return _bare(np.stack([_png(path) for path in _alike(paths, [_png(p).shape for p in paths])]), layout, paths[0])
    frames = [read(path) for path in paths]
    _alike(paths, [(f.mosaic.shape, f.cfa, f.white, f.model, f.exposure.iso) for f in frames])
    if frames[0].cfa is None:
        raise InputError(f"{paths[0].name} was demosaiced by its camera", expected="mosaics as captured")
    return _from_raw(frames)


def _from_raw(frames: Sequence[RawFrame]) -> Stack:
    first = frames[0]
    black = float(np.mean(first.black.pattern))
    stack = np.stack([subtract_black(frame.mosaic, frame.black, frame.white) for frame in frames])
    span = first.white - float(np.max(first.black.pattern))
    return Stack(stack, first.cfa, black, span, first.make, first.model, first.exposure.iso)


def _bare(frames_dn: np.ndarray, layout: Layout, path: Path) -> Stack:
    if layout.black_dn is None or layout.white_dn is None:
        missing = "--white" if layout.white_dn is None else "--black"
        raise ConfigError(f"{path.name} doesn't tell its levels", expected=f"{missing} in digital numbers")
    span = layout.white_dn - layout.black_dn
    if span <= 0:
        raise ConfigError(f"black {layout.black_dn:g}, white {layout.white_dn:g}", expected="white above black")
    if len(frames_dn) < 2:
        raise InputError(f"{path.name} holds one frame", expected="two or more of the same exposure")
    return Stack((frames_dn - np.float32(layout.black_dn)) / np.float32(span), layout.cfa, layout.black_dn, span)


def mean_dn(paths: Sequence[Path]) -> float | None:
    """Mean digital number of bare files, to serve as black level; None where files tell theirs."""
    if not all(path.suffix.lower() in (".npz", ".png") for path in paths):
        return None
    means = [float((_npz_frames(p) if p.suffix.lower() == ".npz" else _png(p)).mean(dtype=np.float64)) for p in paths]
    return float(np.mean(means))


def _is_bare(path: Path, layout: Layout) -> bool:
    return layout.white_dn is not None or description_beside(path) is None


def _alike(paths: Sequence[Path], facts: Sequence[object]) -> Sequence[Path]:
    for path, fact in zip(paths, facts, strict=True):
        if fact != facts[0]:
            raise InputError(
                f"{path.name} differs from {paths[0].name} in size, colours, levels, camera or ISO",
                expected="frames of one camera with one setting",
            )
    return paths


def _png(path: Path) -> np.ndarray:
    import cv2

    if not path.is_file():
        raise InputError(f"{path} is not a file", expected="a 16-bit greyscale PNG")
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None or picture.ndim != 2 or picture.dtype != np.uint16:
        found = "not a picture" if picture is None else f"{picture.dtype} of shape {picture.shape}"
        raise InputError(f"{path.name} is {found}", expected="a 16-bit greyscale PNG")
    return np.asarray(picture, np.float32)


def _npz_frames(path: Path) -> np.ndarray:
    try:
        with np.load(path) as content:
            if "frames" in content:
                frames = content["frames"].astype(np.float32)
            elif "median" in content and "delta" in content:
                frames = content["median"].astype(np.float32) + content["delta"]
            else:
                raise InputError(f"{path.name} holds {', '.join(content)}", expected="frames, or median and delta")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path.name} cannot be read: {error}", expected="a NumPy .npz file") from error
    if frames.ndim != 3:
        raise InputError(f"{path.name} has frames of shape {frames.shape}", expected="[N, H, W]")
    return frames
