"""Verification notices what it must: integers that cost too much, and a command stream that computes something else."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compile.ethos_u import verification
from compile.ethos_u.vela import Compiled
from compile.ethos_u.verification import EXTREMES, NpuTileResult, Simulation
from isp.psnr import psnr_db
from targets.descriptions import Npu, load
from tests.compile.ethos_u.conftest import NpuBundle


def changed(compiled: Compiled, **arrays: np.ndarray) -> Compiled:
    """The same but for arrays of Vela's output."""
    content = dict(np.load(io.BytesIO(compiled.raw), allow_pickle=True))
    content.update(arrays)
    raw = io.BytesIO()
    np.savez(raw, **content)
    return replace(compiled, raw=raw.getvalue())


def with_other_biases(compiled: Compiled) -> Compiled:
    """Each tenth byte of the constants is another: among weights, scales and biases."""
    weights = np.frombuffer(compiled.weights, np.uint8).copy()
    weights[::10] ^= 0x55
    return changed(compiled, weight_data=weights)


def cut_short(compiled: Compiled) -> Compiled:
    return changed(compiled, cmd_data=np.frombuffer(compiled.payload[:-8], np.uint8))


def with_an_unknown_command(compiled: Compiled) -> Compiled:
    payload = np.frombuffer(compiled.payload, "<u4").copy()
    payload[-2] = 0x3FF
    return changed(compiled, cmd_data=payload.view(np.uint8))


def test_every_bit_is_equal(npu_bundle: NpuBundle) -> None:
    assert [one.differing for one in npu_bundle.results] == [0] * 4
    (built,) = npu_bundle.built
    for made in built.golden:
        assert len(np.unique(made.answer)) > 100


@pytest.mark.parametrize("damage", [with_other_biases, cut_short, with_an_unknown_command])
def test_a_damaged_command_stream_or_weights_fail(npu_bundle: NpuBundle, damage: object) -> None:
    (built,), npu = npu_bundle.built, npu_bundle.request.npu
    made = built.golden[0]
    simulation = verification.simulated(made, damage(built.tile.compiled), npu)  # type: ignore[operator]
    result = verification.judged(made, "tiny", built.network, simulation, npu)
    assert "the command stream" in result.failure
    assert result.differing != 0


def test_a_single_value_that_differs_fails(npu_bundle: NpuBundle) -> None:
    (built,), npu = npu_bundle.built, npu_bundle.request.npu
    made = built.golden[-1]
    assert made.tile.name == EXTREMES
    answer = made.answer.copy()
    answer[0, 3, 5, 1] += 1
    result = verification.judged(made, "tiny", built.network, Simulation(answer, ""), npu)
    assert result.differing == 1
    assert result.failure == f"the command stream makes 1 of {answer.size} values other than TOSA"


def test_there_is_no_simulator_of_u85(npu_bundle: NpuBundle) -> None:
    (built,), u85 = npu_bundle.built, load("ethos-u85-256").npu
    assert u85 is not None
    assert verification.simulated(built.golden[0], built.tile.compiled, u85) is None
    result = verification.judged(built.golden[0], "tiny", built.network, None, u85)
    assert (result.differing, result.failure, result.simulator_text) == (None, "", "-")


def judged_with_error(npu_bundle: NpuBundle, number: int, where: str, npu: Npu) -> NpuTileResult:
    """A tile whose answer is off by up to a unit of the network's output, in the darkest quarter or everywhere."""
    (built,) = npu_bundle.built
    made = built.golden[number]
    dark = made.tile.clean <= np.quantile(made.tile.clean, 0.25)
    planes = np.stack([dark[row::2, column::2] for row in (0, 1) for column in (0, 1)], -1)[None]
    error = np.random.default_rng(1).normal(0, 0.3 / built.network.output.step, made.answer.shape)
    answer = made.answer + np.where(planes | (where == "everywhere"), error, 0)
    wrong = replace(made, answer=np.clip(np.rint(answer), -32767, 32767).astype(np.int16))
    return verification.judged(wrong, "tiny", built.network, None, npu)


def test_integers_that_cost_too_much_fail(npu_bundle: NpuBundle) -> None:
    result = judged_with_error(npu_bundle, 0, "everywhere", npu_bundle.request.npu)
    loss = result.measures.quality_loss_db
    assert loss > 0.05
    assert f"the integers cost {loss:.3f} dB, expected at most 0.05" in result.failure


def test_what_they_cost_in_the_dark_is_judged_by_itself(npu_bundle: NpuBundle) -> None:
    """The darkest quarter carries little of the noise: the loss over all pixels may hide it."""
    npu = replace(npu_bundle.request.npu, quality_loss_db=100.0)
    result = judged_with_error(npu_bundle, 1, "dark", npu)
    assert result.dark_loss_db > 0.25
    assert f"{result.dark_loss_db:.3f} dB in the dark, expected at most 0.25" in result.failure
    assert "the integers cost" not in result.failure
    tolerant = replace(npu, dark_loss_db=100.0)
    assert "expected at most" not in judged_with_error(npu_bundle, 1, "dark", tolerant).failure


def test_darkness_is_the_darkest_quarter(npu_bundle: NpuBundle) -> None:
    for result in npu_bundle.results:
        tile = result.tile
        dark = tile.clean <= np.sort(tile.clean, axis=None)[tile.clean.size // 4]
        loss = psnr_db(tile.reference[dark], tile.clean[dark]) - psnr_db(result.output[dark], tile.clean[dark])
        assert result.dark_loss_db == pytest.approx(loss, abs=0.01)


def test_worse_than_the_input_in_the_dark_fails(npu_bundle: NpuBundle) -> None:
    """Where the float network is better than its input; a network that is no good is not the integers' fault."""
    (built,), npu = npu_bundle.built, replace(npu_bundle.request.npu, quality_loss_db=100.0, dark_loss_db=100.0)
    made = built.golden[1]
    assert verification.judged(made, "tiny", built.network, None, npu).failure == ""
    ideal = replace(made.tile, reference=made.tile.clean)
    assert "in the dark it is" in verification.judged(
        replace(made, tile=replace(ideal, noisy=(made.tile.noisy + 9 * made.tile.clean) / 10)),
        "tiny", built.network, None, npu,
    ).failure  # fmt: skip


def test_extremes_are_compared_for_their_bits_alone(npu_bundle: NpuBundle) -> None:
    (built,) = npu_bundle.built
    strict = replace(npu_bundle.request.npu, quality_loss_db=0.01, dark_loss_db=0.01)
    made = replace(built.golden[3], answer=np.zeros_like(built.golden[3].answer))
    result = verification.judged(made, "tiny", built.network, None, strict)
    assert result.measures.quality_loss_db > 0.01
    assert result.failure == ""
    others = npu_bundle.results[:3]
    assert verification.worst((*others, result)) == verification.worst(npu_bundle.results)


def test_evidence(npu_bundle: NpuBundle, tmp_path: Path) -> None:
    result = replace(npu_bundle.results[0], failure="it is wrong")
    answer = npu_bundle.built[0].golden[0].answer
    verification.keep_evidence(tmp_path, "0-low", result, Simulation(answer, ""))
    verification.keep_evidence(tmp_path, "0-high", result, Simulation(None, "it ended"))
    folder = tmp_path / "evidence"
    assert {path.name for path in folder.iterdir()} == {
        "0-low.f32", "0-low.txt", "0-low.simulated.bin", "0-high.f32", "0-high.txt"
    }  # fmt: skip
    assert (np.fromfile(folder / "0-low.f32", "<f4") == result.output.reshape(-1)).all()
    assert (np.fromfile(folder / "0-low.simulated.bin", "<i2") == answer.reshape(-1)).all()
    assert (folder / "0-high.txt").read_text() == "it is wrong\n"


def test_biases_in_the_dark(npu_bundle: NpuBundle) -> None:
    for result in npu_bundle.results[:3]:
        below = result.tile.clean < 0.02
        if below.any():
            assert result.npu_dark_bias == pytest.approx(
                1e4 * (result.output - result.tile.clean)[below].mean(), abs=1e-3
            )
        assert abs(result.npu_dark_bias - result.float_dark_bias) < 1
