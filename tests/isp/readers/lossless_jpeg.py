"""Lossless JPEG (ITU-T T.81, process 14) as DNG stores it, for tests: slow, one component, predictor 1."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import tifffile

_CODE_BITS = 5  # of every Huffman code: 17 categories, all as long as each other


def encode(pixels: np.ndarray) -> bytes:
    """A JPEG stream of `pixels`, uint16 [H, W]."""
    height, width = pixels.shape
    values = pixels.astype(np.int64)
    predicted = np.empty_like(values)
    predicted[:, 1:] = values[:, :-1]
    predicted[1:, 0] = values[:-1, 0]
    predicted[0, 0] = 1 << 15
    bits = []
    for difference in ((values - predicted + 32768) % 65536 - 32768).ravel().tolist():
        category = abs(difference).bit_length()
        bits.append(f"{category:0{_CODE_BITS}b}")
        if 0 < category < 16:
            low = difference if difference > 0 else difference + (1 << category) - 1
            bits.append(f"{low:0{category}b}")
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    data = int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHB3B", 16, height, width, 1, 0, 0x11, 0)
    counts = [0] * 16
    counts[_CODE_BITS - 1] = 17
    table = bytes([0, *counts, *range(17)])
    scan = bytes([1, 0, 0, 1, 0, 0])
    segments = [(0xC4, table), (0xC3, frame), (0xDA, scan)]
    head = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return b"\xff\xd8" + head + data + b"\xff\xd9"


def compress(path: Path, mosaic: np.ndarray) -> None:
    """Replace the blocks of the DNG in `path`, made of `mosaic`, by lossless JPEG streams at its end."""
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        tile = (tags[323].value, tags[322].value) if 324 in tags else (tags[278].value, mosaic.shape[1])
    streams = []
    for top in range(0, mosaic.shape[0], tile[0]):
        for left in range(0, mosaic.shape[1], tile[1]):
            block = mosaic[top : top + tile[0], left : left + tile[1]]
            missing = [(0, tile[0] - block.shape[0]), (0, tile[1] - block.shape[1])]
            streams.append(encode(np.pad(block, missing, mode="edge")))
    offsets = []
    with path.open("ab") as file:
        for stream in streams:
            offsets.append(file.tell())
            file.write(stream)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tags = tiff.pages[0].tags
        tags[324 if 324 in tags else 273].overwrite(offsets)
        tags[325 if 325 in tags else 279].overwrite([len(stream) for stream in streams])
        tags[259].overwrite(7)
