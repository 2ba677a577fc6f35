from __future__ import annotations

import pytest

from isp.raw_frame import Rect
from isp.shown_area import shown_area
from tests.isp.colour.captures import a_frame


def test_all_of_it_without_a_crop():
    assert shown_area(a_frame(10, 20), 10, 20) == Rect(0, 0, 10, 20)


def test_the_crop_at_full_size():
    assert shown_area(a_frame(10, 20, default_crop=Rect(1, 3, 9, 18)), 10, 20) == Rect(1, 3, 9, 18)


def test_whole_pixels_of_a_half_size_picture():
    assert shown_area(a_frame(10, 20, default_crop=Rect(1, 3, 9, 18)), 5, 10) == Rect(1, 2, 4, 9)


@pytest.mark.parametrize("size", [(11, 21), (10, 20)])
def test_half_of_an_odd_size(size):
    height, width = size
    frame = a_frame(height, width, default_crop=Rect(0, 0, height, width))
    assert shown_area(frame, height // 2, width // 2) == Rect(0, 0, 5, 10)


def test_a_crop_outside_the_picture_is_cut():
    assert shown_area(a_frame(10, 20, default_crop=Rect(0, 0, 99, 99)), 10, 20) == Rect(0, 0, 10, 20)
    assert shown_area(a_frame(10, 20, default_crop=Rect(50, 50, 99, 99)), 10, 20) == Rect(0, 0, 10, 20)
