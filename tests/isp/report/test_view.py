from __future__ import annotations

import cv2
import numpy as np
import pytest

from isp.cfa import Cfa
from isp.pipeline import start_signal
from isp.raw_frame import BlackLevel
from isp.report.view import encoded_jpeg, encoded_png, half_size, viewable
from isp.stage import Domain, Signal
from tests.isp.stub_stages import frame


def signal(data: np.ndarray, domain: Domain, colour_space: str = "", cfa: Cfa | None = Cfa.RGGB) -> Signal:
    return Signal(data=data, domain=domain, frame=frame(), cfa=cfa, colour_space=colour_space)


def srgb(linear: float) -> int:
    encoded = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * encoded)


@pytest.mark.parametrize("cfa", list(Cfa))
def test_half_size_puts_every_colour_in_its_place(cfa: Cfa) -> None:
    mosaic = np.zeros((4, 6), np.float32)
    for position, channel in enumerate(cfa.channels):
        mosaic[position // 2 :: 2, position % 2 :: 2] = channel + 1
    np.testing.assert_array_equal(half_size(mosaic, cfa), np.broadcast_to(np.float32([1, 2, 3]), (2, 3, 3)))
    assert half_size(mosaic[:3, :5], cfa).shape == (1, 2, 3)


def test_raw_mosaic_is_shown_from_black_to_white() -> None:
    capture = frame(np.full((4, 4), 1064, np.uint16))
    from dataclasses import replace

    start = start_signal(replace(capture, black=BlackLevel(np.full((2, 2), 64.0)), white=2064.0), None)
    assert viewable(start).tolist() == [[[srgb(0.5)] * 3] * 2] * 2


def test_linear_values_are_encoded_clipped_and_left_alone() -> None:
    data = np.array([[[-0.5, 0.18, 4.0]]], np.float32)
    assert viewable(signal(data, Domain.SCENE_RGB)).tolist() == [[[0, srgb(0.18), 255]]]
    assert data.tolist() == [[[-0.5, pytest.approx(0.18), 4.0]]]


def test_display_srgb_is_shown_as_it_is() -> None:
    data = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(viewable(signal(data, Domain.DISPLAY_RGB, "srgb")), data)
    np.testing.assert_array_equal(viewable(signal(data.astype(np.uint16) * 257, Domain.DISPLAY_RGB, "srgb")), data)


def test_linear_and_p3_results_are_converted_for_view() -> None:
    linear = np.full((1, 1, 3), round(0.18 * 65535), np.uint16)
    assert viewable(signal(linear, Domain.DISPLAY_RGB, "linear")).ravel().tolist() == [srgb(0.18)] * 3
    # P3 components of sRGB's pure red, from the two standards' primaries.
    p3 = np.uint16([[[0.917488 * 65535, 0.200287 * 65535, 0.138561 * 65535]]])
    np.testing.assert_allclose(viewable(signal(p3, Domain.DISPLAY_RGB, "display_p3")).ravel(), [255, 0, 0], atol=2)


def test_files_are_rgb() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[..., 0] = 200
    for content in (encoded_png(picture), encoded_jpeg(picture, 95)):
        blue, green, red = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[8, 8].tolist()
        assert red == pytest.approx(200, abs=4)
        assert max(green, blue) < 8
