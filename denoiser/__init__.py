"""The RAW denoiser: a Feature-Align Network on Bayer mosaics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from denoiser.denoise import Denoiser, denoise_mosaic

__all__ = ["Denoiser", "denoise_mosaic"]


def __getattr__(name: str) -> object:
    """Imports torch only when the denoiser is used."""
    if name in __all__:
        from denoiser import denoise

        return getattr(denoise, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
