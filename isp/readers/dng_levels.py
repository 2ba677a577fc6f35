"""Black level, white level and noise of a DNG (DNG specification 1.7.1, chapters 4 and 5)."""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.dng.storage import Storage
from isp.dng.tags import Tag
from isp.dng.tiff import Ifd
from isp.errors import InputError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import BlackLevel, Rect

_OUTLIERS_PERCENT = 1.0


def black_level(ifd: Ifd, stored: np.ndarray, active: Rect) -> BlackLevel:
    """Digital number of no light in the active area.

    stored: the whole linearised frame. Where the file has MaskedAreas but no BlackLevel, the level is
    measured in them. Raises InputError for patterns that do not repeat every one or two pixels.
    """
    per_row = ifd.reals(Tag.BlackLevelDeltaV, active.height)
    per_column = ifd.reals(Tag.BlackLevelDeltaH, active.width)
    planes = 1 if stored.ndim == 2 else stored.shape[2]
    rows, columns = ifd.integers(Tag.BlackLevelRepeatDim, [1, 1], count=2)
    if not (0 < rows <= 64 and 0 < columns <= 64):
        raise InputError(f"{ifd.file.path.name}: BlackLevelRepeatDim is {rows} x {columns}", expected="1 or 2 each way")
    levels = ifd.reals(Tag.BlackLevel, rows * columns * planes)
    if levels is None and Tag.MaskedAreas in ifd.entries:
        return BlackLevel(_masked_level(ifd, stored, active), per_row, per_column)
    if levels is None:
        levels = np.zeros(rows * columns * planes)
    pattern = levels.reshape(rows, columns, planes)
    if planes > 1:
        if not (pattern == pattern[:1, :1]).all():
            raise InputError(f"{ifd.file.path.name}: BlackLevel varies by position in a LinearRaw file")
        return BlackLevel(pattern[:1, :1], per_row, per_column)
    two_by_two = pattern[np.ix_(np.arange(2) % rows, np.arange(2) % columns)][..., 0]
    # A longer period is the same thing written out, or else beyond a 2x2 pattern
    both = np.ix_(np.arange(2 * rows) % rows, np.arange(2 * columns) % columns)
    if not np.array_equal(pattern[both][..., 0], np.tile(two_by_two, (rows, columns))):
        raise InputError(f"{ifd.file.path.name}: BlackLevelRepeatDim is {rows} x {columns}", expected="1 or 2 each way")
    return BlackLevel(two_by_two, per_row, per_column)


def _masked_level(ifd: Ifd, stored: np.ndarray, active: Rect) -> np.ndarray:
    """Mean of the masked pixels at each position of the active area's 2x2 blocks (or per plane).

    The lowest and the highest hundredth are left out, for hot pixels would raise the mean.
    """
    corners = ifd.integers(Tag.MaskedAreas, [])
    name = ifd.file.path.name
    inside = [
        stored[top:bottom, left:right]
        for top, left, bottom, right in zip(*[iter(corners)] * 4, strict=False)
        if 0 <= top < bottom <= stored.shape[0] and 0 <= left < right <= stored.shape[1]
    ]
    if len(corners) % 4 or len(inside) != len(corners) // 4:
        raise InputError(f"{name}: MaskedAreas is {corners[:8]}", expected="rectangles within the frame")
    if stored.ndim == 3:
        planes = np.concatenate([area.reshape(-1, stored.shape[2]) for area in inside])
        return np.array([[[_mean_without_outliers(planes[:, i]) for i in range(stored.shape[2])]]])
    pattern = np.empty((2, 2))
    tops_lefts = [(corners[i] - active.top, corners[i + 1] - active.left) for i in range(0, len(corners), 4)]
    for y in (0, 1):
        for x in (0, 1):
            samples = [
                area[(y - top) % 2 :: 2, (x - left) % 2 :: 2].ravel()
                for area, (top, left) in zip(inside, tops_lefts, strict=True)
            ]
            masked = np.concatenate(samples)
            if masked.size == 0:
                raise InputError(f"{name}: MaskedAreas {corners[:8]} miss some of the CFA's positions")
            pattern[y, x] = _mean_without_outliers(masked)
    return pattern


def _mean_without_outliers(values: np.ndarray) -> float:
    low, high = np.percentile(values, (_OUTLIERS_PERCENT, 100 - _OUTLIERS_PERCENT))
    return float(values[(values >= low) & (values <= high)].mean(dtype=np.float64))


def white_level(ifd: Ifd, layout: Storage, black: BlackLevel) -> float:
    """Digital number of a full pixel; by default 1 for floats, else the largest that the bits hold.

    Raises InputError if colours differ, or if it does not lie above black.
    """
    levels = ifd.reals(Tag.WhiteLevel)
    if levels is None:
        levels = np.array([1.0 if layout.is_float else 2.0**layout.bits - 1])
    if (levels != levels[0]).any():
        raise InputError(f"{ifd.file.path.name}: WhiteLevel is {levels.tolist()}", expected="one level for all colours")
    white = float(levels[0])
    highest = float(black.pattern.max())
    highest += 0.0 if black.per_row is None else float(black.per_row.max())
    highest += 0.0 if black.per_column is None else float(black.per_column.max())
    if white <= highest:
        raise InputError(f"{ifd.file.path.name}: WhiteLevel {white:g} is not above BlackLevel {highest:g}")
    return white


def noise_model(directories: list[Ifd], cfa: Cfa | None) -> NoiseModel | None:
    """The NoiseProfile, from the first of `directories` that has one; None without, or if all zero.

    One pair (shot, read) holds for all colours; three are per colour plane; four are per position
    of the 2x2 block, as some phones write them: greens are averaged. Fits of some cameras give a read
    variance slightly below 0: it counts as 0. Raises InputError for any other count or sign.
    """
    for ifd in directories:
        values = ifd.reals(Tag.NoiseProfile)
        if values is None:
            continue
        pairs = values.reshape(-1, 2) if values.size % 2 == 0 else values[:, None]
        if pairs.shape == (1, 2):
            pairs = np.repeat(pairs, 3, axis=0)
        elif pairs.shape == (4, 2) and cfa is not None:
            channels = np.array(cfa.channels)
            pairs = np.array([pairs[channels == channel].mean(axis=0) for channel in range(3)])
        if pairs.shape != (3, 2) or (pairs[:, 0] < 0).any():
            raise InputError(
                f"{ifd.file.path.name}: NoiseProfile is {values.tolist()[:8]}",
                expected="1, 3 or 4 pairs of (shot, read), shot not negative",
            )
        if not pairs.any():
            return None
        shot, read = pairs[:, 0].tolist(), np.maximum(pairs[:, 1], 0.0).tolist()
        return NoiseModel(tuple(shot), tuple(read), NoiseOrigin.TAG)
    return None


def noise_reduction_applied(directories: list[Ifd]) -> float | None:
    """NoiseReductionApplied, from the first of `directories` that has it; None for unknown, written as 0/0."""
    entry = next((ifd.entries[tag] for ifd in directories if (tag := Tag.NoiseReductionApplied) in ifd.entries), None)
    value = np.nan if entry is None else float(entry.reals()[0])
    return value if np.isfinite(value) else None
