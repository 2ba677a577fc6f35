"""Demosaic: two missing colours at every pixel of a Bayer mosaic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from isp import stage
from isp.cfa import Cfa
from isp.errors import InputError
from isp.stage import Domain, Signal


class Demosaic:
    """CFA mosaic to camera RGB; not clipped, so values below 0 and above 1 pass.

    `half` makes a picture of half the width and height, and halves the shading gain with it.
    """

    name: ClassVar[str] = "demosaic"
    summary: ClassVar[str] = "Interpolates the two colours that each pixel did not measure"
    transitions: ClassVar[Mapping[Domain, Domain]] = MappingProxyType({Domain.LINEAR_MOSAIC: Domain.LINEAR_RGB})
    needs_noise: ClassVar[bool] = False

    class Parameters(stage.Parameters):
        """Which interpolation."""

        method: Literal["half", "bilinear", "malvar", "menon"] = Field(
            "malvar",
            description="half: one pixel per 2x2 block, fastest; bilinear: for previews; malvar: linear with "
            "gradient correction (Malvar, He, Cutler 2004); menon: directional, best at edges, about twice "
            "as slow (Menon, Andriani, Calvagno 2007)",
        )

    def __call__(self, signal: Signal, parameters: Parameters, /) -> Signal:
        height, width = signal.data.shape
        if signal.cfa is None or min(height, width) < 2:
            raise InputError(f"a mosaic of {width} x {height} pixels", expected="a Bayer mosaic of at least 2 x 2")
        rgb = _interpolation(parameters.method)(signal.data, signal.cfa)
        developed = replace(signal, data=rgb, domain=Domain.LINEAR_RGB, cfa=None)
        return _halved(developed) if parameters.method == "half" else developed


def _interpolation(method: str) -> Callable[[np.ndarray, Cfa], np.ndarray]:
    """Imported here, for they import OpenCV."""
    match method:
        case "half":
            from isp.demosaicing.half import half as interpolation
        case "bilinear":
            from isp.demosaicing.bilinear import bilinear as interpolation
        case "menon":
            from isp.demosaicing.menon2007 import menon2007 as interpolation
        case _:
            from isp.demosaicing.malvar2004 import malvar2004 as interpolation
    return interpolation


def _halved(signal: Signal) -> Signal:
    """`signal`, whose data are half the size already, with its shading gain halved too.

    What the frame says of areas still counts in pixels of its mosaic.
    """
    gain, (height, width) = signal.shading_gain, signal.data.shape[:2]
    if gain is None:
        return signal
    blocks = gain[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return replace(signal, shading_gain=blocks.mean(axis=(1, 3)))
