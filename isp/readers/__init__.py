"""Captures into RawFrames."""

from __future__ import annotations

from isp.readers.bayer_dump import BayerDump, Packing, load_description
from isp.readers.read import is_raw_file, read, supported_suffixes

__all__ = ["BayerDump", "Packing", "is_raw_file", "load_description", "read", "supported_suffixes"]
