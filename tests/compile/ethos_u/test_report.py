"""What people are shown of an NPU's verification."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compile.ethos_u import report
from compile.ethos_u.model_source import Entry
from compile.ethos_u.report import table, verification_page
from compile.ethos_u.verification import NpuTileResult
from tests.compile.ethos_u.conftest import TILE_PX, NpuBundle


def entries(npu_bundle: NpuBundle) -> list[Entry]:
    return [Entry("tiny", 0.0, built.network, built.tile) for built in npu_bundle.built]


def page_of(npu_bundle: NpuBundle, *results: NpuTileResult) -> str:
    return verification_page(results, entries(npu_bundle), npu_bundle.request.npu, {"tvm": "<0.27>"})


def test_a_line_for_each_tile(npu_bundle: NpuBundle) -> None:
    first, second, *_ = npu_bundle.results
    lines = table(
        [first, replace(second, differing=7, failure="it is wrong"), replace(first, differing=None)]
    ).splitlines()
    assert lines[0].split()[-5:] == ["NPU", "loss", "dark", "loss", "simulator"]
    assert lines[1].split()[:3] == ["tiny", "low", "5.0e-05"]
    assert lines[1].split()[-2:] == ["equal", "ok"]
    assert lines[2].split()[-3:] == ["7", "differ", "FAILS"]
    assert lines[3].split()[-2:] == ["-", "ok"]
    assert lines[1].split()[5:7] == [f"{first.measures.output_psnr_db:.2f}", f"{first.measures.quality_loss_db:+.4f}"]
    assert lines[-1] == "  tiny, tile middle: it is wrong"


def test_the_page_states_results_and_circumstances(npu_bundle: NpuBundle) -> None:
    page = page_of(npu_bundle, *npu_bundle.results)
    for part in ("Verification for ethos-u55-64", "<dd>passes</dd>", "every bit equal",
                 "36,864 values, 4 of 4 tiles simulated",
                 "Ethos_U55_High_End_Embedded", "Shared_Sram", "NHWC", "&lt;0.27&gt;"):  # fmt: skip
        assert part in page
    assert page.count('src="data:image/png;base64,') == 5 * 4
    assert page.count("<td>equal</td><td>ok</td></tr>") == 4
    assert "What fails" not in page
    assert "arena" not in page
    assert "src=" not in page.replace('src="data:image/png;base64,', "")


def test_of_large_tiles_the_page_shows_the_middle(npu_bundle: NpuBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = report.middles(npu_bundle.results[:1])
    assert whole.tile.noisy.shape == (TILE_PX, TILE_PX)
    monkeypatch.setattr(report, "PICTURE_PX", 32)
    first = npu_bundle.results[0]
    (shown,) = report.middles([first])
    assert shown.measures == first.measures
    for part in (shown.tile.noisy, shown.tile.clean, shown.tile.reference, shown.output):
        assert part.shape == (32, 32)
    assert (shown.tile.noisy == first.tile.noisy[32:64, 32:64]).all()
    assert (shown.output == first.output[32:64, 32:64]).all()


def test_estimates_are_called_estimates(npu_bundle: NpuBundle) -> None:
    page = page_of(npu_bundle, *npu_bundle.results)
    estimates = npu_bundle.built[0].tile.compiled.estimates
    assert "<h2>Estimates</h2><p>What Vela, Arm's compiler, works out" in page
    assert "nobody has measured it" in page
    assert "Vela&#x27;s estimate, not measured" in page
    assert f"<td>tiny</td><td>{TILE_PX}</td><td>{estimates.cycles:,}</td>" in page
    assert f"{estimates.npu_operators} of {estimates.operators}" in page


def test_what_fails_stands_out(npu_bundle: NpuBundle) -> None:
    first, second, *_ = npu_bundle.results
    page = page_of(npu_bundle, replace(first, differing=12, failure="12 are <wrong>"), second)
    for part in ("<dd>1 of 2 fail</dd>", "12 values differ", "What fails", "12 are &lt;wrong&gt;"):
        assert part in page
    assert page.count("<tr class=bad>") == 1


def test_where_there_is_no_simulator(npu_bundle: NpuBundle) -> None:
    page = page_of(npu_bundle, *(replace(one, differing=None) for one in npu_bundle.results))
    assert "not compared" in page
    assert "every bit equal" not in page
