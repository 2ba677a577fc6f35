"""What the NPU benchmarks compute: integers, gains, and the page."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from denoiser import manifest
from isp.errors import InputError, MismatchError
from tests.denoiser.model_folders import TWO, folder_of

pytest.importorskip("tvm")
pytest.importorskip("tosa_serializer")

from benchmarks import npu_bundles, npu_cycles, npu_integers, npu_quality, npu_report
from benchmarks.npu_bundles import Bundle
from benchmarks.npu_cycles import OURS, PEER, Estimate
from benchmarks.npu_quality import FLOAT, FLOAT_TILES, NOISY, Quality, Row
from compile.ethos_u import integer_graph as integer
from compile.ethos_u.integer_graph import IntegerNetwork, Precision, Scale
from compile.networks import SourceNetwork
from denoiser.evaluation.scores import DARK_BIAS_LIMITS

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


def test_each_level_is_measured_with_the_network_that_is_chosen_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = folder_of(tmp_path, TWO)
    monkeypatch.setattr(manifest, "shipped", lambda: catalogue)
    used: list[str] = []

    def ways(source: SourceNetwork) -> npu_quality.Residuals:
        def nothing(image: np.ndarray) -> np.ndarray:
            used.append(source.member.name)
            return np.zeros_like(image[:, :4])

        return dict.fromkeys((FLOAT_TILES, *map(str, Precision)), nothing)

    monkeypatch.setattr(npu_quality, "ways", ways)
    (tmp_path / "pictures").mkdir()
    picture = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "pictures" / "one.png"), picture)
    rows = {row.how: row for row in npu_quality.measure("specialists", tmp_path / "pictures", 128)}
    chosen = ("specialist-1",) * 2 + ("specialist-2",) * 3
    assert used == [name for name in chosen for _ in range(3)]
    assert {row.networks for row in rows.values()} == {chosen}
    assert rows["a16w8"].levels == rows[NOISY].levels
    assert rows[FLOAT].levels != rows[NOISY].levels
    assert "| chosen | specialist-1 | specialist-1 | specialist-2 |" in npu_quality.tables(tuple(rows.values()))


@pytest.mark.parametrize(
    ("loss_db", "dark", "said"),
    [
        (0.05, 1.0, "at most +0.0500 dB at any level (met: 0.05 dB); dark bias at most 100% of its limit (met)"),
        (0.06, 0.5, "at most +0.0600 dB at any level (MISSED: 0.05 dB); dark bias at most 50% of its limit (met)"),
        (0.0, -1.1, "at most +0.0000 dB at any level (met: 0.05 dB); dark bias at most 110% of its limit (MISSED)"),
    ],
)
def test_the_verdict_on_16_bits_is_that_of_the_worst_level(loss_db: float, dark: float, said: str) -> None:
    def row(how: str, last_psnr_db: float, last_bias: float) -> Row:
        biases = (*(0.0,) * 4, last_bias)
        psnrs = (*(40.0,) * 4, last_psnr_db)
        levels = tuple(Quality(psnr, 0, bias, 0) for psnr, bias in zip(psnrs, biases, strict=True))
        return Row("m", how, ("m",) * 5, levels)

    rows = {FLOAT: row(FLOAT, 30.0, 0), "a16w8": row("a16w8", 30.0 - loss_db + 1e-9, dark * DARK_BIAS_LIMITS[-1])}
    assert said in npu_quality.verdict(rows)


def bundle(target: str, *, values: int, differing: int) -> Bundle:
    return Bundle(
        model="specialists", target=target, precision="a16w8", networks=4, tile_px=256, cycles=1000,
        other_layout_cycles=1100, cycles_per_megapixel=2.5e6, clock_hz=5e8, frame_s=1.25, tiles_per_frame=9,
        sram_bytes=4096, dram_bytes=0, weights_bytes=1 << 20, payload_bytes=64, operators=88, npu_operators=88,
        tiles=16, values=values, bits=16 * values, differing=differing, failing=int(differing > 0), loss_db=0.01,
        dark_loss_db=0.02, compile_s=77.0,
    )  # fmt: skip


def test_integers_are_counted_and_those_that_differ_stand_out() -> None:
    found = [
        bundle("ethos-u55-64", values=1_000_000, differing=0),
        bundle("ethos-u55-128", values=1_000_000, differing=3),
        bundle("ethos-u85-256", values=0, differing=0),
    ]
    good, bad, alone = npu_bundles.exactness_table(found).splitlines()[2:]
    assert "| 16 | 1,000,000 | 16,000,000 | 0 | +0.0100 | +0.0200 | passes |" in good
    assert "| 16,000,000 | 3 |" in bad
    assert bad.endswith("| 1 FAIL |")
    assert "| 16 | - | - | - |" in alone
    assert "| 256 | 2.5 | +10.0% | 9 | 1.25 | 4 | 0 | 1,024 | 88 of 88 | 77 |" in npu_bundles.estimate_table(found)
    page = npu_report.report({"bundles": [asdict(one) for one in found]})
    assert "<dd>3</dd><dd class=small>of 2,000,000 that the simulator computed</dd>" in page
    assert "no simulator" in page


def test_a_page_has_what_was_measured_alone(tmp_path: Path) -> None:
    level = {"raw_psnr_db": 42.123, "rendered_psnr_db": 36.0, "dark_bias": 0.5, "dark_quarter_psnr_db": 49.0}
    row = {"model": "m", "how": "float", "networks": ["m-3"], "levels": [level]}
    text = npu_report.report({"rows": [row], "shots": [1.3e-3], "dark_bias_limits": [4.5]})
    assert "42.12" in text
    assert "1.3e-3" in text
    assert "m-3" in text
    assert (
        "<th scope=row>m, float</th><td>0.50</td></tr><tr><th scope=row>limit, a tenth of the noise</th><td>4.50"
        in text
    )
    assert "ExecuTorch" not in text
    assert "TOSA" not in text
    with pytest.raises(InputError, match="no results"):
        npu_report.report({})
    with pytest.raises(InputError, match=r"missing\.json"):
        npu_report.read([tmp_path / "missing.json"])
