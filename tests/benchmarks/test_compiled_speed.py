"""The comparison of the compiled denoiser with other engines: pieces, checks, statistics, processes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.compiled_speed import check_compiled
from benchmarks.peers import PEERS, Job, reference
from benchmarks.peers.comparison import HEADER, Absence, Comparison, Measurement, Ratio, paired_ratio
from benchmarks.peers.contestants import COMPILED, WrongResult, checked, reason
from benchmarks.peers.pieces import run_in_pieces, window_length, windows
from benchmarks.peers.session import Engine, EngineError, MissingModule
from denoiser.network import Architecture, FeatureAlignNetwork
from isp.errors import MismatchError

NETWORK_SHAPE = Architecture(widths=(4, 4), encoder_blocks=(1, 1), decoder_blocks=(1,))
SHOT = 0.01


def measurement(title: str, *times_s: float, flop: float = 1e9) -> Measurement:
    return Measurement(title, "1.0", "whole", 1e-6, times_s, flop, 2_000_000, 1_000_000)


def comparison(compiled: Measurement | None, *peers: Measurement, absent: tuple[Absence, ...] = ()) -> Comparison:
    return Comparison("Tile", 1, measurement("sgemm", 0.01, 0.01), compiled, (), peers, absent)


class StubEngine:
    """Answers as a process would whose result is given."""

    def __init__(self, result: np.ndarray) -> None:
        self._result = result

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        if do == "save":
            np.save(details["to"], self._result)
        answers: dict[str, dict[str, Any]] = {
            "memory": {"peak_bytes": 2, "resident_bytes": 1},
            "save": {},
            "time": {"elapsed_s": [0.02] * details.get("repeats", 1)},
        }
        return answers[do]


def check(result: np.ndarray, error_of: Callable[[np.ndarray], float]) -> Measurement:
    return checked(cast(Engine, StubEngine(result)), measurement("one"), error_of).measurement


@pytest.fixture(scope="module")
def network() -> FeatureAlignNetwork:
    torch.manual_seed(1)
    made = FeatureAlignNetwork(NETWORK_SHAPE).eval().requires_grad_(False)
    torch.nn.init.normal_(made.head.weight, std=0.3)
    return made


@pytest.fixture(scope="module")
def scene(network: FeatureAlignNetwork, tmp_path_factory: pytest.TempPathFactory) -> reference.Scene:
    return reference.make(network, 32, 48, SHOT, tmp_path_factory.mktemp("scene"))


@pytest.fixture
def residual(network: FeatureAlignNetwork, scene: reference.Scene) -> np.ndarray:
    """What a right engine answers."""
    return network.float()(torch.from_numpy(np.load(scene.planes))).numpy()


class TestCheck:
    def test_a_right_engine_is_taken_with_its_error(self, scene: reference.Scene, residual: np.ndarray) -> None:
        error = check(residual, scene.residual_error).max_error
        assert error is not None
        assert 0 < error < 1e-5

    def test_one_wrong_value_is_caught(self, scene: reference.Scene, residual: np.ndarray) -> None:
        residual[0, 3, -1, -1] += 1.5e-3
        with pytest.raises(WrongResult, match=r"off by 1\.5e-03"):
            check(residual, scene.residual_error)

    @pytest.mark.parametrize(
        "spoil", [lambda x: np.where(x == x.max(), np.nan, x), lambda x: x[..., :-1], lambda x: x[0]]
    )
    def test_nan_and_other_shapes_are_caught(
        self, scene: reference.Scene, residual: np.ndarray, spoil: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        with pytest.raises(WrongResult, match="inf"):
            check(spoil(residual), scene.residual_error)

    def test_the_mosaic_is_that_of_the_denoiser(self, scene: reference.Scene, residual: np.ndarray) -> None:
        """By the residual's definition: 4 standard deviations of the noise, pixel by pixel."""
        mosaic = np.load(scene.mosaic)
        sigma = np.sqrt(SHOT * np.maximum(mosaic, 0) + scene.noise.read[0])
        at = np.zeros_like(mosaic)
        for plane, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            at[row::2, column::2] = residual[0, plane]
        assert scene.mosaic_error(mosaic + 4 * sigma * at) < 1e-5
        assert scene.mosaic_error(mosaic) > 1e-2

    def test_a_border_can_be_left_out(self, scene: reference.Scene) -> None:
        found = scene.clean.copy()
        found[:8] += 1
        assert scene.mosaic_error(found, 8) == 0
        assert scene.mosaic_error(found, 7) == pytest.approx(1)


class TestPieces:
    @settings(deadline=None)
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(5, 20), st.integers(5, 20), st.sampled_from([1, 2, 4]))
    def test_the_result_is_that_of_the_whole(
        self, height: int, width: int, longest_y: int, longest_x: int, multiple: int
    ) -> None:
        def blur(planes: np.ndarray) -> np.ndarray:
            """Sums over 5 x 5 pixels, zeros beyond the edges."""
            padded = np.pad(planes[:, :4], ((0, 0), (0, 0), (2, 2), (2, 2)))
            rows, columns = planes.shape[2:]
            shifts = [padded[..., y : y + rows, x : x + columns] for y in range(5) for x in range(5)]
            return np.sum(shifts, axis=0)

        height, width = height * multiple, width * multiple
        planes = np.random.default_rng(0).integers(0, 9, (1, 5, height, width)).astype(np.float32)
        tall = window_length(height, longest_y * multiple, 2, multiple)
        wide = window_length(width, longest_x * multiple, 2, multiple)
        np.testing.assert_array_equal(run_in_pieces(blur, planes, tall, wide, 2), blur(planes))

    @given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 10))
    def test_windows_are_few_and_no_longer_than_asked(self, size: int, inner: int, halo: int) -> None:
        longest = 2 * halo + inner
        length = window_length(size, longest, halo, 1)
        found = windows(size, length, halo)
        assert length <= longest
        assert len(found) == len(windows(size, min(longest, size), halo))
        assert all(0 <= one.start <= one.first < one.end <= one.start + length <= size for one in found)

    def test_a_piece_that_is_all_halo_is_refused(self) -> None:
        with pytest.raises(ValueError, match="leaves nothing"):
            window_length(100, 8, 4, 1)


class TestStatistics:
    def test_ratios_are_of_the_same_round(self) -> None:
        """A machine that gets slower changes every time and no ratio."""
        assert paired_ratio([2.0, 4.0, 20.0], [1.0, 2.0, 10.0]) == Ratio(2, 2, 2)

    def test_the_spread_is_that_of_the_quartiles(self) -> None:
        assert paired_ratio([5.0, 1.0, 3.0, 2.0, 4.0], [1.0] * 5) == Ratio(3, 2, 4)
        assert paired_ratio([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5)

    def test_rounds_that_do_not_match_are_refused(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            paired_ratio([1.0, 2.0], [1.0])

    def test_rates_count_the_median(self) -> None:
        assert measurement("one", 0.5, 0.1, 0.2, flop=2e9).gflop_per_s == pytest.approx(10)


class TestTable:
    def test_rows(self) -> None:
        slow, fast = measurement("slow", 0.08, 0.08), measurement("fast", 0.04, 0.06)
        absent = (Absence("gone", "not installed: pip install gone"),)
        lines = comparison(measurement("compiled", 0.02, 0.02), slow, fast, absent=absent).table().splitlines()
        rows = [line for line in lines if line.startswith("| ")]
        assert [row.split(" | ")[0] for row in rows[1:]] == ["| sgemm", "| compiled", "| fast", "| slow", "| gone"]
        assert {row.count("|") for row in rows} == {HEADER.splitlines()[0].count("|")}
        assert "| 80.00 | 12.5 | 12% | 4.00 (4.00-4.00) | 2 | 1 |" in rows[4]
        assert "The fastest peer, fast, takes 2.50 (2.25-2.75) times as long as the compiled library." in lines

    def test_without_the_library_there_is_nothing_to_compare(self) -> None:
        table = comparison(None, measurement("peer", 1.0), absent=(Absence(COMPILED, "wrong: off by 1.0e+00"),))
        assert "Nothing to compare." in table.table()
        with pytest.raises(MismatchError, match="wrong: off by"):
            check_compiled([table])

    def test_a_peer_that_is_wrong_is_no_mismatch_of_ours(self) -> None:
        check_compiled([comparison(measurement("compiled", 1.0), absent=(Absence("peer", "wrong"),))])

    def test_json_holds_the_times_and_the_ratio(self) -> None:
        compared = comparison(measurement("compiled", 0.1, 0.2), measurement("peer", 0.2, 0.6))
        content = json.loads(json.dumps(compared.as_dict()))
        assert content["peers"][0]["times_s"] == [0.2, 0.6]
        assert content["peers"][0]["time_over_compiled"]["median"] == pytest.approx(2.5)
        assert content["sgemm"]["time_over_compiled"] is None


class TestReason:
    def test_a_peer_that_is_not_there(self) -> None:
        assert reason(MissingModule("pnnx"), PEERS["ncnn"]) == "not installed: pip install ncnn pnnx"

    def test_a_module_that_the_peer_lacks_itself(self) -> None:
        assert reason(MissingModule("yaml"), PEERS["ncnn"]) == "failed: no module named yaml"


class TestProcess:
    @pytest.fixture
    def cpus(self) -> list[int]:
        return [min(os.sched_getaffinity(0))]

    def test_a_peer_that_is_not_installed(self, cpus: list[int], tmp_path: Path) -> None:
        if find_spec("openvino"):
            pytest.skip("OpenVINO is installed")
        planes = tmp_path / "planes.npy"
        np.save(planes, np.zeros((1, 5, 8, 8), np.float32))
        job = Job(tmp_path / "weights", tmp_path, 8, 8, 1)
        with Engine(sys.executable, cpus) as engine, pytest.raises(MissingModule, match="openvino"):
            engine.ask("open_peer", peer="openvino", job=job.as_dict(), planes=str(planes), halo=0)

    def test_it_is_stopped_between_requests_and_confined(self, cpus: list[int]) -> None:
        with Engine(sys.executable, cpus) as engine:
            memory = engine.ask("memory")
            process = engine._process.pid
            state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
            assert state == "T"
            assert os.sched_getaffinity(process) == set(cpus)
            assert memory["peak_bytes"] >= memory["resident_bytes"] > 1_000_000

    def test_one_that_dies_says_why(self, cpus: list[int]) -> None:
        with Engine(sys.executable, cpus) as engine:
            with pytest.raises(EngineError, match=r"ended with 1: AttributeError: .*_dance"):
                engine.ask("dance")
            with pytest.raises(EngineError, match="ended with 1"):
                engine.ask("memory")

    def test_one_that_takes_too_long(self, cpus: list[int]) -> None:
        with Engine(sys.executable, cpus, patience_s=0.0) as engine, pytest.raises(EngineError, match="no answer"):
            engine.ask("memory")


def test_a_job_survives_its_journey() -> None:
    job = Job(Path("weights"), Path("folder"), 8, 16, 2)
    assert Job.from_dict(json.loads(json.dumps(job.as_dict()))) == job
    assert Job.from_dict(json.loads(json.dumps(replace(job, threads=1).as_dict()))) != job
