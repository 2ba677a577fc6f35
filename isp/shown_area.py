"""The part of a picture that its file wants to be seen."""

from __future__ import annotations

from isp.raw_frame import RawFrame, Rect


def shown_area(frame: RawFrame, height: int, width: int) -> Rect:
    """The frame's default crop in a picture of `height` x `width` pixels developed from it.

    The picture may be a fraction of the mosaic's size, as `half` demosaicing makes it; only whole
    pixels inside the crop are shown. All of the picture where there is no usable default crop.
    """
    everything = Rect(0, 0, height, width)
    crop = frame.default_crop
    if crop is None:
        return everything
    down, across = max(1, round(frame.height / height)), max(1, round(frame.width / width))
    area = Rect(
        max(0, -(-crop.top // down)),
        max(0, -(-crop.left // across)),
        min(height, crop.bottom // down),
        min(width, crop.right // across),
    )
    return area if area.height > 0 and area.width > 0 else everything
