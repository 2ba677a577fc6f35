from __future__ import annotations

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.raw_frame import GainMap, Rect
from isp.stage import Domain
from isp.stages.demosaic import Demosaic
from isp.stages.lens_shading import LensShading
from tests.isp.stages.signals import signal_of

H, W = 40, 60


def gain_map(gains, *, area=None, plane=0, planes=1, pitch=1, origin=(0.0, 0.0), spacing=None, opcode_list=2):
    grid = np.asarray(gains, np.float32)
    grid = grid[..., None] if grid.ndim == 2 else grid
    steps = spacing or (1 / max(grid.shape[0] - 1, 1), 1 / max(grid.shape[1] - 1, 1))
    area = area or Rect(0, 0, H, W)
    return GainMap(area, plane, planes, pitch, pitch, grid, *origin, *steps, opcode_list)


def run(data, cfa, maps=(), **parameters):
    domain = Domain.LINEAR_RGB if cfa is None else Domain.LINEAR_MOSAIC
    return LensShading()(signal_of(data, cfa, domain, gain_maps=maps), LensShading.Parameters(**parameters))


def ones(cfa=Cfa.RGGB):
    return np.ones((H, W) if cfa is not None else (H, W, 3), np.float32)


def test_interpolates_between_pixel_centres_as_the_dng_specification():
    result = run(ones(), Cfa.RGGB, (gain_map([[1, 2], [3, 4]]),))
    y, x = (np.arange(H)[:, None] + 0.5) / H, (np.arange(W) + 0.5) / W
    np.testing.assert_allclose(result.data, 1 + x + 2 * y, rtol=1e-6)
    np.testing.assert_array_equal(result.shading_gain, result.data)


def test_outermost_points_hold_beyond_the_grid():
    result = run(ones(), Cfa.RGGB, (gain_map([[1, 2, 5]], origin=(0.5, 0.25), spacing=(1.0, 0.25)),)).data[0]
    x = (np.arange(W) + 0.5) / W
    np.testing.assert_allclose(result, np.interp(x, [0.25, 0.5, 0.75], [1, 2, 5]), rtol=1e-6)


@pytest.mark.parametrize("cfa", list(Cfa))
def test_one_map_per_position(cfa):
    maps = tuple(gain_map([[2 + i]], area=Rect(i // 2, i % 2, H, W), pitch=2, opcode_list=2) for i in range(4))
    block = run(ones(), cfa, maps).data
    for i in range(4):
        assert (block[i // 2 :: 2, i % 2 :: 2] == 2 + i).all()


@pytest.mark.parametrize("cfa", list(Cfa))
def test_maps_for_the_demosaiced_picture_go_to_their_colours(cfa):
    planes = np.array([[[2, 3, 4]]])
    result = run(ones(), cfa, (gain_map(planes, planes=3, opcode_list=3),)).data
    for i, channel in enumerate(cfa.channels):
        assert (result[i // 2 :: 2, i % 2 :: 2] == 2 + channel).all()


def test_only_the_area_is_changed():
    area = Rect(3, 5, 20, 31)
    result = run(ones(), Cfa.RGGB, (gain_map([[2]], area=area),)).data
    assert (result[area.slices] == 2).all()
    assert result.sum() == H * W + area.height * area.width
    result = run(ones(), Cfa.RGGB, (gain_map([[2]], area=area, plane=1, opcode_list=3),)).data
    assert set(np.argwhere(result == 2).sum(axis=1) % 2) == {1}
    assert (result[area.slices] == 2).sum() == (result == 2).sum()


def test_maps_multiply_each_other_and_the_picture():
    data = np.random.default_rng(0).normal(0.1, 0.2, (H, W)).astype(np.float32)
    result = run(data, Cfa.RGGB, (gain_map([[2]]), gain_map([[1.5]])))
    np.testing.assert_allclose(result.data, 3 * data, rtol=1e-6)
    np.testing.assert_allclose(result.data / result.shading_gain, data, rtol=1e-6)


def test_demosaiced_frames_take_the_maps_of_list_3():
    maps = (gain_map([[9]]), gain_map(np.array([[[2, 3, 4]]]), planes=3, opcode_list=3))
    result = run(ones(None), None, maps)
    np.testing.assert_array_equal(result.data, np.broadcast_to(np.float32([2, 3, 4]), (H, W, 3)))
    assert result.shading_gain is None


def test_areas_follow_half_size_demosaic():
    maps = (gain_map([[2]], area=Rect(10, 20, 30, 41), plane=1, opcode_list=3),)
    signal = Demosaic()(
        signal_of(ones(), Cfa.RGGB, Domain.LINEAR_MOSAIC, gain_maps=maps), Demosaic.Parameters(method="half")
    )
    green = LensShading()(signal, LensShading.Parameters()).data[..., 1]
    assert (green[5:15, 10:21] == 2).all()
    assert (green == 2).sum() == 10 * 11


@pytest.mark.parametrize(("maps", "source"), [((), "auto"), ((gain_map([[2]]),), "none")])
def test_without_maps_nothing_changes(maps, source):
    result = run(ones(), Cfa.RGGB, maps, source=source)
    assert (result.data == 1).all()
    assert result.shading_gain is None


def test_saturation_falls_where_a_gain_is_below_one():
    maps = (gain_map([[0.5, 2]], area=Rect(0, 0, H, W), pitch=2), gain_map([[0.8]], plane=2, opcode_list=3))
    assert run(ones(), Cfa.RGGB, maps).saturation == pytest.approx((0.5, 1.0, 0.8))


def test_twice_is_a_config_error():
    signal = signal_of(ones(), Cfa.RGGB, Domain.LINEAR_MOSAIC, gain_maps=(gain_map([[2]]),))
    with pytest.raises(ConfigError, match="corrected before"):
        LensShading()(LensShading()(signal, LensShading.Parameters()), LensShading.Parameters())


@pytest.mark.parametrize("cfa", list(Cfa))
@pytest.mark.parametrize("suffix", [".npz", ".yaml"])
def test_file_with_four_grids(cfa, suffix, tmp_path):
    grids = {"R": [[1.0, 2.0]], "Gr": [[1.25]], "Gb": [[1.5]], "B": [[3.0], [1.0]]}
    path = tmp_path / f"gains{suffix}"
    if suffix == ".npz":
        np.savez(path, **{name: np.array(grid) for name, grid in grids.items()})
    else:
        path.write_text(yaml.safe_dump(grids))
    result = run(ones(), cfa, source="file", gain_file=path).data
    row, column = cfa.position("R")
    np.testing.assert_allclose(result[row, column::2], 1 + (np.arange(column, W, 2) + 0.5) / W, rtol=1e-6)
    row, column = cfa.position("B")
    np.testing.assert_allclose(result[row::2, column], 3 - 2 * (np.arange(row, H, 2) + 0.5) / H, rtol=1e-6)
    for name, gain in (("Gr", 1.25), ("Gb", 1.5)):
        row, column = cfa.position(name)
        assert (result[row::2, column::2] == gain).all()


@pytest.mark.parametrize("cfa", [Cfa.GBRG, None])
def test_file_with_three_grids(cfa, tmp_path):
    path = tmp_path / "gains.yaml"
    path.write_text("R: [[2]]\nG: [[3]]\nB: [[4]]\n")
    result = run(ones(cfa), cfa, source="file", gain_file=path).data
    colours = (0, 1, 2) if cfa is None else cfa.channels
    values = result[0, 0] if cfa is None else result[:2, :2].ravel()
    assert values.tolist() == [2 + colour for colour in colours]


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "R: [[1]]\nG: [[1]]\n", "R: [[1]]\nG: [[0]]\nB: [[1]]\n", "R: [1]\nG: x\nB: [[1]]\n", "R: ["]
)
def test_a_file_that_does_not_fit_is_an_input_error(text, tmp_path):
    path = tmp_path / "gains.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"lens-shading file .* expected a grid"):
        run(ones(), Cfa.RGGB, source="file", gain_file=path)


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match=r"lens-shading file .*gains\.npz: No such file or directory; expected a grid"):
        run(ones(), Cfa.RGGB, source="file", gain_file=tmp_path / "gains.npz")


@pytest.mark.parametrize("parameters", [{"source": "file"}, {"gain_file": "gains.npz"}])
def test_file_and_its_source_come_together(parameters):
    with pytest.raises(ValidationError, match="gain_file"):
        LensShading.Parameters(**parameters)
