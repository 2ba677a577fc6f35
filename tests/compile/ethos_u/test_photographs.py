"""Photographs to calibrate with: unprocessed, at every level of a network's noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from compile.ethos_u import network_bundle, photographs
from compile.ethos_u.calibration import PACKED, SHARES
from compile.ethos_u.manifest import content
from compile.ethos_u.network_bundle import Request
from isp.errors import InputError
from isp.report.sidecar import sha256
from tests.compile.ethos_u.conftest import NpuBundle

RANGE = (1e-4, 1e-2)


def put(folder: Path, name: str, seed: int, height: int = 140, width: int = 150) -> Path:
    """A picture with little detail: the noise shows by itself."""
    coarse = np.random.default_rng(seed).integers(60, 200, (3, 3, 3)).astype(np.uint8)
    path = folder / name
    assert cv2.imwrite(str(path), cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return path


def test_every_photograph_is_seen_at_every_level(tmp_path: Path) -> None:
    for seed in (1, 2):
        put(tmp_path, f"{seed}.png", seed)
    found = list(photographs.images(tmp_path, RANGE))
    assert len(found) == 2 * len(SHARES)
    assert {image.shape for image in found} == {(1, 5, PACKED, PACKED)}
    levels = [float(image[0, 4, 0, 0]) for image in found]
    expected = [0.5 * np.log10(1e-4 * 100**share) + 1.5 for share in SHARES]
    assert levels == pytest.approx(2 * expected, abs=1e-5)
    assert (found[0] != found[len(SHARES)]).any()
    again = list(photographs.images(tmp_path, RANGE))
    assert all((one == other).all() for one, other in zip(found, again, strict=True))


def test_the_noise_has_the_deviation_that_the_network_is_told(tmp_path: Path) -> None:
    """Stabilised, it has the same one everywhere: 1 / 16."""
    put(tmp_path, "one.png", 1)
    for image in photographs.images(tmp_path, RANGE):
        planes = image[0, :4]
        noise = (planes[:, :, 1:] - planes[:, :, :-1])[:, 20:-20, 20:-20] / 2**0.5
        assert noise.std() == pytest.approx(1 / 16, rel=0.25)


def test_of_many_photographs_some_are_taken_from_all_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "MOST", 3)
    paths = [put(tmp_path, f"{number}.png", number) for number in range(7)]
    assert [one.path for one in photographs.chosen(tmp_path)] == [paths[0], paths[2], paths[4]]
    assert len(list(photographs.images(tmp_path, RANGE))) == 3 * len(SHARES)


@pytest.mark.parametrize(
    ("height", "width", "said"),
    [(127, 200, r"one\.png: 200 x 127 px; expected at least 128 x 128"), (0, 0, "no photograph")],
)
def test_what_cannot_be_used(tmp_path: Path, height: int, width: int, said: str) -> None:
    if height:
        put(tmp_path, "one.png", 1, height, width)
    with pytest.raises(InputError, match=said):
        list(photographs.images(tmp_path, RANGE))


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    path = put(tmp_path, "one.png", 1)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match=r"one\.png: not a readable photograph"):
        list(photographs.images(tmp_path, RANGE))


def test_a_bundle_is_calibrated_with_them_and_says_so(
    npu_bundle: NpuBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, "one.png", 1)
    old = npu_bundle.request
    request = Request(old.target, old.npu, old.precision, old.family, old.tile_px, tmp_path)
    seen = []

    def lowered(_source: object, _precision: object, images: network_bundle.Images) -> object:
        seen.extend(images(RANGE))
        return npu_bundle.built[0].network

    monkeypatch.setattr(network_bundle, "lowered", lowered)
    monkeypatch.setattr(network_bundle, "fitted", lambda *_: npu_bundle.built)
    built = network_bundle.build(request)
    assert len(seen) == len(SHARES)
    found = content(request, built, None, npu_bundle.folder)
    assert found["calibration"] == {"images": "photographs", "sha256": [sha256(path)]}
