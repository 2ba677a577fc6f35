"""What the NPU benchmarks compute: integers, gains, and the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from isp.errors import InputError, MismatchError

pytest.importorskip("tvm")
pytest.importorskip("tosa_serializer")

from benchmarks import npu_cycles, npu_integers, npu_report
from benchmarks.npu_cycles import OURS, PEER, Estimate
from compile.ethos_u import integer_graph as integer
from compile.ethos_u.integer_graph import IntegerNetwork, Precision, Scale

SCALE = Scale(1 << 14, 21)


def network(precision: Precision) -> IntegerNetwork:
    """One of every operation, with sums that saturate."""
    rng = np.random.default_rng(3)
    image = integer.Image(5, 1.0)

    def convolution(source: integer.Tensor, channels: int, side: int, groups: int, low: int) -> integer.Convolution:
        weight = rng.integers(-127, 128, (channels, source.channels // groups, side, side)).astype(np.int8)
        bias = rng.integers(-5000, 5000, channels)
        bounds = (max(low, precision.lowest), precision.largest)
        return integer.Convolution(
            channels, 1.0, source, weight, bias, (SCALE,) * channels, 1, side // 2, groups, *bounds
        )

    first = convolution(image, 8, 3, 1, precision.lowest)
    deep = convolution(first, 8, 3, 8, 0)
    total = integer.Add(8, 1.0, first, deep, Scale(1 << 30, 31))
    product = integer.Multiply(8, 1.0, total, deep, Scale(1 << 30, 44 if precision is Precision.A16W8 else 36))
    return IntegerNetwork(
        precision, image, integer.DepthToSpace(4, 1.0, convolution(product, 16, 1, 1, precision.lowest))
    )


@pytest.mark.parametrize("precision", list(Precision))
def test_integers_are_the_reference_models_to_the_bit(precision: Precision) -> None:
    made = network(precision)
    rng = np.random.default_rng(4)
    image = rng.integers(precision.lowest, precision.largest + 1, (1, 5, 8, 8)).astype(precision.activation)
    integers = npu_integers.Integers(made)
    graph = npu_integers.tosa.write(made, 8, 8, npu_integers.Layout.NCHW)
    expected = npu_integers.reference_model.run(graph, image, (1, 4, 16, 16))
    assert len(np.unique(expected)) > 20
    np.testing.assert_array_equal(integers.answer(image), expected)


def test_integers_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = network(Precision.A16W8)
    image = np.zeros((1, 5, 8, 8), np.int16)
    wrong = npu_integers.Integers(made).answer(image) + np.int16(1)
    monkeypatch.setattr(npu_integers.reference_model, "run", lambda *_: wrong)
    with pytest.raises(MismatchError, match="1024 of 1024 values"):
        npu_integers.checked(made, image)


def estimate(by: str, vela: str, cycles: int) -> Estimate:
    return Estimate("ethos-u55-256", "a16w8", by, vela, cycles, 2048, 0, 1024, 9, 9, fits=by == OURS)


def test_the_gain_is_the_lesser_of_the_versions_of_vela() -> None:
    found = [estimate(OURS, "1", 50), estimate(OURS, "2", 80), estimate(PEER, "1", 100), estimate(PEER, "2", 100)]
    (gain,) = npu_cycles.gains(found)
    assert gain.fewer == pytest.approx(0.2)
    assert "| 20% | MISSED |" in npu_cycles.gain_table([gain])
    assert "| 25% | met |" in npu_cycles.gain_table([replace(gain, fewer=0.25)])


def test_cycles_are_per_pixel_that_is_kept_and_what_does_not_fit_is_told() -> None:
    ours, peer = npu_cycles.estimate_table(
        [estimate(OURS, "1", 128**2), estimate(PEER, "1", 192**2)], 192
    ).splitlines()[2:]
    assert "| 1.0 | 0.4 | 2 |" in ours
    assert "| 2.2 | 1.0 | 2, too much |" in peer


def test_a_page_has_what_was_measured_alone(tmp_path: Path) -> None:
    level = {"raw_psnr_db": 42.123, "rendered_psnr_db": 36.0, "dark_bias": 0.5, "dark_quarter_psnr_db": 49.0}
    text = npu_report.report({"rows": [{"model": "m", "how": "a16w8", "levels": [level]}], "shots": [1.3e-3]})
    assert "42.12" in text
    assert "1.3e-3" in text
    assert "ExecuTorch" not in text
    with pytest.raises(InputError, match="no results"):
        npu_report.report({})
    with pytest.raises(InputError, match=r"missing\.json"):
        npu_report.read([tmp_path / "missing.json"])
