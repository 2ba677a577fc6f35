"""What counts as the same, and that every fault has its words."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from targets.descriptions import Threshold
from targets.golden import GoldenTile
from targets.verdict import Column, TileResult, TileRun, judged, measure, table, worst
from tests.targets.fake_boards import golden_tile

LIMITS = Threshold(max_error=1e-5, quality_loss_db=0.01)


def result_of(tile: GoldenTile, output: np.ndarray | None, failure: str = "") -> TileResult:
    return judged(TileRun(output, 4096, 0.25, failure), "net", tile, LIMITS)


def test_measures_are_what_they_are_called() -> None:
    tile = golden_tile("t", 16, 16, 4)
    output = tile.reference.copy()
    output[4, 4] += np.float32(0.125)
    measures = measure(output, tile)
    assert measures.max_error == pytest.approx(0.125, rel=1e-6)
    assert measures.rms_error == pytest.approx(0.125 / 16, rel=1e-6)
    assert measures.psnr_db == pytest.approx(20 * math.log10(16 / 0.125), abs=1e-4)
    for picture, psnr_db in (
        (tile.noisy, measures.noisy_psnr_db),
        (tile.reference, measures.reference_psnr_db),
        (output, measures.output_psnr_db),
    ):
        error = picture.astype(np.float64) - tile.clean
        assert psnr_db == pytest.approx(-10 * math.log10(np.square(error).mean()), abs=1e-6)
    assert measures.quality_loss_db == measures.reference_psnr_db - measures.output_psnr_db > 0


def test_far_above_white_errors_are_relative_to_the_value() -> None:
    light = np.full((16, 16), 16, np.float32)
    tile = GoldenTile("t", (1e-3,) * 3, (1e-6,) * 3, light, light, light)
    assert measure(light + np.float32(8e-5), tile).max_error == pytest.approx(5e-6, rel=0.02)


@pytest.mark.parametrize(("error", "passes"), [(0.97e-5, True), (1.03e-5, False), (-1.03e-5, False)])
def test_one_pixel_beyond_the_threshold_fails(error: float, passes: bool) -> None:
    tile = golden_tile("t", 16, 48)
    output = tile.reference.copy()
    output[15, 47] += np.float32(error)
    assert (result_of(tile, output).failure == "") is passes
    if not passes:
        assert result_of(tile, output).failure.startswith("max error 1.03e-05, expected at most 1e-05")


def test_lost_quality_fails_though_no_pixel_does() -> None:
    tile = golden_tile("t", 64, 64)
    output = tile.reference + np.copysign(np.float32(9e-5), tile.reference - tile.clean)
    found = judged(TileRun(output, None, None, ""), "net", tile, Threshold(max_error=1e-4, quality_loss_db=0.01))
    assert found.failure.startswith("quality loss 0.0")
    assert "expected at most 0.01 dB" in found.failure


def test_values_that_are_none_are_no_measures() -> None:
    tile = golden_tile("t", 16, 16)
    output = tile.reference.copy()
    output[3, 7], output[5, 5] = np.nan, -np.inf
    found = result_of(tile, output)
    assert found.failure == "2 values of the output are not finite, the first in row 3, column 7"
    assert found.measures is None
    assert result_of(tile, output, "it crashed").failure == "it crashed"
    json.dumps(found.as_dict(), allow_nan=False)


def test_the_worst_is_taken_of_every_measure() -> None:
    tile = golden_tile("t", 16, 16)
    far, quiet = tile.reference.copy(), tile.reference + np.float32(1e-3)
    far[0, 0] += np.float32(0.01)
    results = [result_of(tile, far), result_of(tile, quiet), result_of(tile, None, "lost")]
    found, one, two = worst(results), results[0].measures, results[1].measures
    assert found is not None
    assert one is not None
    assert two is not None
    assert one.max_error > two.max_error
    assert one.rms_error < two.rms_error
    assert (found.max_error, found.rms_error) == (one.max_error, two.rms_error)
    assert found.psnr_db == two.psnr_db
    assert worst(results[2:]) is None


def test_the_table_has_a_line_for_each_tile_and_the_columns_that_are_wanted() -> None:
    tile = golden_tile("wide", 16, 48)
    results = [result_of(tile, tile.reference), result_of(tile, None, "it crashed")]
    head, good, bad, *rest = table(results, LIMITS, [Column("time", lambda result: f"{result.best_s} s")]).splitlines()
    assert head.split()[-2:] == ["loss", "time"]
    assert good.split()[:3] == ["net", "wide", "48x16"]
    assert good.split()[-3:] == ["0.25", "s", "ok"]
    assert bad.split()[-1] == "FAILS"
    assert rest[-1] == "  net, tile wide: it crashed"
