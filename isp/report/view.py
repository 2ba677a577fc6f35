"""Any stage's array as a picture to look at."""

from __future__ import annotations

import numpy as np

from isp.cfa import Cfa
from isp.stage import Domain, Signal


def viewable(signal: Signal) -> np.ndarray:
    """uint8 [h, w, 3], sRGB-encoded, of a signal in any domain; the signal is left as it is.

    Mosaics are shown at half size, each 2x2 block as one pixel. Neither white balance nor a look is
    added: black is 0, a full pixel 1, and what lies outside is clipped.
    """
    data = signal.data
    match signal.domain:
        case Domain.DISPLAY_RGB:
            return _shown(data, signal.colour_space)
        case Domain.MOSAIC | Domain.SENSOR_RGB:
            black = float(signal.frame.black.pattern.mean())
            linear = (data.astype(np.float32) - black) / max(signal.frame.white - black, 1.0)
        case _:
            linear = data
    if linear.ndim == 2:
        assert signal.cfa is not None, "a mosaic has a CFA"
        linear = half_size(linear, signal.cfa)
    return _encoded(linear)


def half_size(mosaic: np.ndarray, cfa: Cfa) -> np.ndarray:
    """float32 [H // 2, W // 2, 3] of a mosaic [H, W]: each 2x2 block's red, mean green and blue."""
    rows, columns = mosaic.shape[0] // 2 * 2, mosaic.shape[1] // 2 * 2

    def plane(colour: str) -> np.ndarray:
        row, column = cfa.position(colour)
        return mosaic[row:rows:2, column:columns:2]

    return np.stack([plane("R"), (plane("Gr") + plane("Gb")) * np.float32(0.5), plane("B")], axis=-1)


def encoded_png(picture: np.ndarray) -> bytes:
    """A PNG file of uint8 [h, w, 3] RGB."""
    import cv2

    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(encoded)


def encoded_jpeg(picture: np.ndarray, quality: int) -> bytes:
    """A JPEG file of uint8 [h, w, 3] RGB, colour at full resolution; `quality` is 1 to 100."""
    import cv2

    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)
    return bytes(encoded)


def _shown(display: np.ndarray, colour_space: str) -> np.ndarray:
    """A display-referred picture in another colour space or depth, as uint8 sRGB."""
    from isp.colour.colour_space import ColourSpace, Transfer
    from isp.colour.linear_map import apply_matrix
    from isp.colour.quantise import encode

    space = ColourSpace(colour_space)
    if space is ColourSpace.SRGB and display.dtype == np.uint8:
        return display
    scale = 1.0 if display.dtype.kind == "f" else 1.0 / np.iinfo(display.dtype).max
    values = display * np.float32(scale)
    if space is ColourSpace.SRGB:
        return np.asarray(np.rint(np.clip(values, 0, 1) * 255), np.uint8)
    if space.transfer is Transfer.SRGB:
        values = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4).astype(np.float32)
    matrix = space.from_linear_srgb()
    if matrix is not None:
        apply_matrix(values, np.linalg.inv(matrix))
    return encode(values, ColourSpace.SRGB, np.uint8)


def _encoded(linear: np.ndarray) -> np.ndarray:
    from isp.colour.colour_space import ColourSpace
    from isp.colour.quantise import encode

    return encode(linear.astype(np.float32), ColourSpace.SRGB, np.uint8)
