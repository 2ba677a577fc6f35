"""The sample capture that ships with the project, and the simulator that made it."""

from __future__ import annotations

from pathlib import Path

SAMPLE: Path = Path(__file__).with_name("sample.dng")
"""A procedural scene, photographed by the simulated sensor of `isp.sample.maker`."""
