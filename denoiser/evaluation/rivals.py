"""Scores of other denoisers, stored, for the photographs on which they were measured.

They hold for these very mosaics and no others. The set is recognised by the scores of its noisy
mosaics, which depend on every pixel of every photograph and on the protocol.

References
----------
Y. Wang et al., "Practical Deep Raw Image Denoising on Mobile Devices", ECCV 2020: PMRID.
K. Dabov et al., "Image Denoising by Sparse 3-D Transform-Domain Collaborative Filtering", IEEE
Transactions on Image Processing 16 (8), 2007: BM3D, here between a variance-stabilising
transform and its inverse.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from denoiser.evaluation.scenes import SHOTS
from denoiser.evaluation.scores import Score

PHOTOGRAPHS = "Kodak 13 to 24"
NOISY_RAW_PSNR_DB = (49.43, 43.37, 38.08, 32.60, 26.36)
"""Of these photographs at the levels of `SHOTS`."""
TOLERANCE_DB = 0.02


@dataclass(frozen=True)
class Rival:
    """raw_psnr_db: at the levels of `SHOTS`. rendered_psnr_db: mean of the levels. parameters,
    kmac_per_px: None for what isn't a network."""

    name: str
    raw_psnr_db: tuple[float, ...]
    rendered_psnr_db: float
    parameters: int | None = None
    kmac_per_px: float | None = None


RIVALS = (
    Rival("PMRID", (44.20, 42.52, 40.22, 37.36, 33.65), 33.93, 1_031_908, 3.74),
    Rival("BM3D + VST", (50.50, 45.47, 41.38, 37.40, 33.35), 34.63),
)


def measured_on(noisy: Mapping[float, Score]) -> bool:
    """Whether these are the photographs on which the rivals were measured.

    noisy: scores of the noisy mosaics, keyed by shot noise.
    """
    return tuple(noisy) == SHOTS and all(
        abs(noisy[shot].raw_psnr_db - stored_db) <= TOLERANCE_DB
        for shot, stored_db in zip(SHOTS, NOISY_RAW_PSNR_DB, strict=True)
    )


def why_left_out(noisy: Mapping[float, Score]) -> str:
    """A sentence for people who look for the rivals on other photographs."""
    found, stored = (
        ", ".join(f"{value:.2f}" for value in values)
        for values in ((score.raw_psnr_db for score in noisy.values()), NOISY_RAW_PSNR_DB)
    )
    names = " and ".join(rival.name for rival in RIVALS)
    return (
        f"{names} are left out: their scores were measured on {PHOTOGRAPHS} and would mislead beside other "
        f"photographs (raw PSNR of the noisy input here {found} dB, there {stored} dB)"
    )
