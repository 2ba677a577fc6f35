"""Consistent Overhead Byte Stuffing: bytes without a zero among them, so that a zero can end a frame.

S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999.
"""

from __future__ import annotations

_LONGEST = 254


class CobsError(ValueError):
    """Bytes that no encoder makes."""


def encode(data: bytes) -> bytes:
    """Encodes; the result is longer by a byte for each 254 begun, and holds no zero."""
    encoded = bytearray()
    for block in data.split(b"\0"):
        start = 0
        while len(block) - start >= _LONGEST:
            encoded.append(_LONGEST + 1)
            encoded += block[start : start + _LONGEST]
            start += _LONGEST
        encoded.append(len(block) - start + 1)
        encoded += block[start:]
    return bytes(encoded)


def decode(encoded: bytes) -> bytes:
    """Decodes what `encode` made. Raises CobsError for a zero, and for a block that is cut short."""
    data = bytearray()
    position = 0
    while position < len(encoded):
        code = encoded[position]
        end = position + code
        block = encoded[position + 1 : end]
        if len(block) != code - 1 or 0 in block:
            raise CobsError(f"a block of {code} bytes at {position} of {len(encoded)}")
        data += block
        position = end
        if code <= _LONGEST and position < len(encoded):
            data.append(0)
    return bytes(data)
