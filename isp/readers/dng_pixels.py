"""Pixels of a DNG: uncompressed and deflated ones from the file itself, all others by LibRaw.

LibRaw gives floating-point mosaics as integers and rounds odd margins; what this module decodes is
exact. Predictors: TIFF 6.0 section 14; Adobe Photoshop TIFF technical note 3 (floating point); DNG
specification 1.7.1 (steps of two and four pixels).
"""

from __future__ import annotations

import zlib

import numpy as np

from isp.dng.storage import Block, Storage
from isp.dng.tags import Compression, Tag
from isp.dng.tiff import Ifd
from isp.errors import InputError
from isp.readers.libraw import full_mosaic

_DEFLATE = (Compression.DEFLATE, Compression.ADOBE_DEFLATE)
_HORIZONTAL_STEPS = {2: 1, 34892: 2, 34893: 4}
_FLOAT_STEPS = {3: 1, 34894: 2, 34895: 4}


def decode(ifd: Ifd, layout: Storage) -> np.ndarray:
    """The whole stored frame, linearised once: uint16 or float32 [H, W], or [H, W, samples].

    Raises InputError for what neither this module nor LibRaw can decode.
    """
    own = (8, 16) if not layout.is_float else (16, 32)
    if layout.compression in (Compression.NONE, *_DEFLATE) and layout.bits in own:
        stored = _decode_blocks(ifd, layout)
        return _linearised(ifd, stored)
    name = ifd.file.path.name
    if layout.is_float or layout.bits > 16:
        raise InputError(
            f"{name} stores {layout.bits}-bit {'floats' if layout.is_float else 'integers'} with compression "
            f"{layout.compression_name}",
            expected="integers of 8 to 16 bits or floats of 16 or 32 bits, floats uncompressed or deflated",
        )
    if layout.compression == Compression.LOSSLESS_JPEG and len(layout.blocks) > 1 and not layout.is_tiled:
        # LibRaw decodes the first strip only and leaves garbage below it
        raise InputError(
            f"{name} stores lossless JPEG in {len(layout.blocks)} strips",
            expected="one strip, or tiles",
            remedy="convert it with another DNG writer",
        )
    decoded = full_mosaic(ifd.file.path, layout.height, layout.width)
    if decoded.ndim != (2 if layout.samples == 1 else 3):
        raise InputError(
            f"LibRaw decoded {decoded.shape} pixels from {name}", expected=f"{layout.samples} samples each"
        )
    return decoded


def _decode_blocks(ifd: Ifd, layout: Storage) -> np.ndarray:
    """Stored numbers of all strips or tiles, before linearisation."""
    kind = ("f" if layout.is_float else "u") + str(layout.bits // 8)
    stored_type = np.dtype(ifd.file.byteorder + kind)
    shape = (layout.height, layout.width) if layout.samples == 1 else (layout.height, layout.width, layout.samples)
    if layout.compression == Compression.NONE and not layout.is_tiled:
        frame = _read_strips(ifd, layout, np.empty(shape, stored_type))
    else:
        frame = np.empty(shape, stored_type.newbyteorder("="))
        for block in layout.blocks:
            pixels = _block_pixels(ifd, layout, block, stored_type)
            part = frame[block.top : block.top + layout.block_height, block.left : block.left + layout.block_width]
            part[...] = pixels.reshape(-1, layout.block_width, *shape[2:])[: part.shape[0], : part.shape[1]]
    return frame.astype(np.float32 if layout.is_float else np.dtype(f"=u{layout.bits // 8}"), copy=False)


def _read_strips(ifd: Ifd, layout: Storage, frame: np.ndarray) -> np.ndarray:
    """Fill `frame` with uncompressed strips, neighbours in the file by one call."""
    rows = frame.reshape(layout.height, -1)
    row_bytes = rows.nbytes // layout.height
    at = 0
    while at < len(layout.blocks):
        first = layout.blocks[at]
        bottom = first.top
        offset = first.offset
        while at < len(layout.blocks) and layout.blocks[at].offset == offset:
            height = min(layout.block_height, layout.height - bottom)
            if layout.blocks[at].length < height * row_bytes:
                raise ifd.file.truncated(f"strip {at} has {layout.blocks[at].length} bytes of {height * row_bytes}")
            offset += height * row_bytes
            bottom += height
            at += 1
        ifd.file.read_into(first.offset, rows[first.top : bottom])
    return frame


def _block_pixels(ifd: Ifd, layout: Storage, block: Block, stored_type: np.dtype) -> np.ndarray:
    """All numbers of one strip or tile, flat; only the rows that exist for the last strip."""
    rows = layout.block_height if layout.is_tiled else min(layout.block_height, layout.height - block.top)
    row_values = layout.block_width * layout.samples
    size = rows * row_values * stored_type.itemsize
    data = ifd.file.read(block.offset, block.length)
    if layout.compression in _DEFLATE:
        try:
            data = zlib.decompressobj().decompress(data, size)
        except zlib.error as error:
            raise ifd.file.truncated(f"deflated block at {block.offset}: {error}") from error
    if len(data) < size:
        raise ifd.file.truncated(f"block at {block.offset} has {len(data)} bytes of {size}")
    values = np.frombuffer(data, stored_type, rows * row_values)
    if layout.compression == Compression.NONE or layout.predictor == 1:
        return values
    if layout.predictor in _HORIZONTAL_STEPS and not layout.is_float:
        step = _HORIZONTAL_STEPS[layout.predictor] * layout.samples
        return _sum_along_rows(values.astype(stored_type.newbyteorder("=")).reshape(rows, row_values), step).ravel()
    if layout.predictor in _FLOAT_STEPS and layout.is_float:
        step = _FLOAT_STEPS[layout.predictor] * layout.samples
        planes = _sum_along_rows(values.view(np.uint8).reshape(rows, -1), step)
        # Each row holds all first (most significant) bytes, then all second ones, ...
        by_value = planes.reshape(rows, stored_type.itemsize, row_values).transpose(0, 2, 1)
        return np.ascontiguousarray(by_value).view(stored_type.newbyteorder(">")).ravel()
    raise InputError(f"{ifd.file.path.name} uses predictor {layout.predictor}", expected="1, 2, 3 or 34892 to 34895")


def _sum_along_rows(differences: np.ndarray, step: int) -> np.ndarray:
    """Undo differences between values `step` apart, modulo their type's range. [rows, values]."""
    rows, values = differences.shape
    padded = np.zeros((rows, -(-values // step) * step), differences.dtype)
    padded[:, :values] = differences
    summed = np.cumsum(padded.reshape(rows, -1, step), axis=1, dtype=differences.dtype)
    return summed.reshape(rows, -1)[:, :values]


def _linearised(ifd: Ifd, stored: np.ndarray) -> np.ndarray:
    """Stored numbers through the LinearizationTable, where there is one; integers as uint16.

    Numbers past the table's end map to its last entry.
    """
    entry = ifd.entries.get(Tag.LinearizationTable)
    if stored.dtype == np.float32:
        return stored
    if entry is None:
        return stored.astype(np.uint16, copy=False)
    table = np.array(entry.integers()[: 1 << 16])
    if table.min() < 0 or table.max() > 0xFFFF:
        raise InputError(f"{ifd.file.path.name}: LinearizationTable holds {table.min()} to {table.max()}")
    every = np.full(1 << stored.dtype.itemsize * 8, table[-1], np.uint16)
    count = min(len(table), len(every))
    every[:count] = table[:count]
    return np.take(every, stored)
