"""NumPy array files (NEP 1) of two dimensions, their header read by a pattern instead of evaluated."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from isp.errors import InputError

_HEADER = re.compile(
    rb"\{\s*'descr':\s*'([<>|][uf][1248])',\s*'fortran_order':\s*(True|False),"
    rb"\s*'shape':\s*\((\d{1,9}),\s*(\d{1,9})\),?\s*\}\s*"
)
_LONGEST_HEADER_BYTES = 4096


def read_npy(path: Path) -> np.ndarray:
    """The array [H, W] of uint8, uint16, float16, float32 or float64 in `path`, native byte order.

    Raises InputError for anything else.
    """
    with path.open("rb") as file:
        head = file.read(12)
        if head[:6] != b"\x93NUMPY" or len(head) < 12:
            raise InputError(f"{path.name} is not a NumPy array file: it starts with {head[:8]!r}")
        length_bytes = 2 if head[6] == 1 else 4
        length = int.from_bytes(head[8 : 8 + length_bytes], "little")
        file.seek(8 + length_bytes)
        header = _HEADER.fullmatch(file.read(min(length, _LONGEST_HEADER_BYTES)))
        if header is None or header[1][1:] in (b"u4", b"u8"):
            raise InputError(
                f"{path.name} is not a NumPy array file of a mosaic",
                expected="an array [H, W] of uint8, uint16 or floating-point numbers",
            )
        dtype = np.dtype(header[1].decode())
        height, width = int(header[3]), int(header[4])
        stored = path.stat().st_size - file.tell()
        if stored != height * width * dtype.itemsize:
            raise InputError(
                f"{path.name} holds {stored} bytes",
                expected=f"{height * width * dtype.itemsize} for {width} x {height} numbers of {dtype.itemsize} bytes",
                remedy="the file is truncated or corrupt: copy it again from its source",
            )
        values = np.fromfile(file, dtype, height * width).astype(dtype.newbyteorder("="), copy=False)
    return values.reshape(width, height).T if header[2] == b"True" else values.reshape(height, width)
