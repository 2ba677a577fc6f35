"""LibRaw (rawpy) behind one door: its errors as InputError, its pixels as arrays of our own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from isp.dng.storage import MAXIMUM_SAMPLES
from isp.errors import InputError

if TYPE_CHECKING:
    from rawpy import RawPy

_MAXIMUM_PIXELS_PER_BYTE = 1024
"""Lossy codecs store flat blocks in a few bits."""


@contextmanager
def opened(path: Path) -> Iterator[RawPy]:
    """The file as a `rawpy.RawPy`, its header read and its size checked, its pixels not yet decoded.

    Raises InputError for what LibRaw cannot use, inside the context as well.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            sizes = raw.sizes
            possible = min(MAXIMUM_SAMPLES, path.stat().st_size * _MAXIMUM_PIXELS_PER_BYTE)
            if not 0 < sizes.raw_height * sizes.raw_width <= possible:
                raise InputError(
                    f"{path.name} declares a frame of {sizes.raw_width} x {sizes.raw_height}",
                    expected=f"1 to {possible} pixels in a file of its length",
                )
            yield raw
    except (rawpy.LibRawError, rawpy.NotSupportedError, NotImplementedError) as error:
        # rawpy raises the last one for mosaics that it has no pattern for
        reason = error.args[0] if error.args else type(error).__name__
        reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise InputError(
            f"LibRaw cannot decode {path.name}: {reason}",
            remedy="check that the file opens elsewhere, or convert it to an uncompressed DNG",
        ) from error


def full_mosaic(path: Path, height: int, width: int) -> np.ndarray:
    """All decoded pixels of the file, masked borders included, linearised: uint16 [H, W] or [H, W, 3].

    Raises InputError, before decoding, if LibRaw found a frame of another size than `height` x `width`.
    """
    with opened(path) as raw:
        found = raw.sizes.raw_height, raw.sizes.raw_width
        if found != (height, width):
            raise InputError(
                f"LibRaw found a frame of {found[1]} x {found[0]} in {path.name}", expected=f"{width} x {height}"
            )
        decoded = raw.raw_image
        return decoded.copy() if decoded.ndim == 2 else np.ascontiguousarray(decoded[..., :3])
