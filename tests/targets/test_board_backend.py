"""A frame denoised on a board is what the host makes of it, however little memory the board has."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.agent_process import agent_process
from benchmarks.faulty_cable import Faults, PtyCable
from denoiser import Denoiser
from denoiser.stage import Denoise, DenoiseParameters
from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.stage import Domain
from isp.tiling import span, tiles
from targets.agent_build import build_agent
from targets.board_backend import BoardBackend, Choice, cut_out, duration, resolve, tile_side
from targets.bundle import Specialist, read
from targets.errors import BoardMemoryError, NoBoardError, WrongBundleError
from tests.isp.stages.signals import signal_of
from tests.targets.conftest import StartAgent
from tests.targets.fake_boards import NAMES, make_bundle

SHOT, READ = 1e-3, 1e-5


def a_mosaic(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 0.2, (height, width)).astype(np.float32)


def specialist_with(halo_px: int, arena_bytes_per_px: int = 5000) -> Specialist:
    arena = {str(width): arena_bytes_per_px * width for width in (*range(32, 257, 32), 512)}
    return Specialist("one", "0" * 64, (1e-4, 1e-2), 0.0, halo_px, arena)


@pytest.mark.parametrize("cfa", Cfa)
def test_the_result_is_the_host_s(tiny_bundle: Path, start_agent: StartAgent, cfa: Cfa) -> None:
    """In tiles: the board has memory for about 128 x 128 px."""
    url, mosaic, seen = start_agent(tiny_bundle, "--memory", "250000"), a_mosaic(250, 190), list[tuple[int, int]]()
    kept = mosaic.copy()
    board, host = Denoiser(backend=f"board:{tiny_bundle}@{url}"), Denoiser(backend=str(tiny_bundle))
    noise = ((SHOT, 2e-3, 3e-3), (READ, 2e-5, 3e-5))
    out = board.denoise(mosaic, cfa, *noise, progress=lambda *at: seen.append(at))
    expected = host.denoise(mosaic, cfa, *noise)
    assert np.abs(expected - mosaic).max() > 1e-3
    assert np.abs(out - expected).max() <= 1e-6
    assert np.array_equal(mosaic, kept)
    assert len(seen) >= 4
    assert seen == [(done, len(seen)) for done in range(1, len(seen) + 1)]


def test_a_frame_that_fits_is_one_tile(
    tiny_bundle: Path, start_agent: StartAgent, caplog: pytest.LogCaptureFixture
) -> None:
    url, mosaic = start_agent(tiny_bundle), a_mosaic(94, 130)
    board, host = Denoiser(backend=f"board:{tiny_bundle}@{url}"), Denoiser(backend=str(tiny_bundle))
    with caplog.at_level(logging.INFO, "targets.board_backend"):
        out = board.denoise(mosaic, "BGGR", SHOT, READ, strength=1.5)
    assert np.abs(out - host.denoise(mosaic, "BGGR", SHOT, READ, strength=1.5)).max() <= 1e-6
    assert caplog.messages.count("board: 1 of 1 tiles, 0 s left") == 2


def test_a_serial_port_goes_as_fast_as_it_can(
    tiny_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program, mosaic = build_agent(tiny_bundle, tmp_path / "fan-agent"), a_mosaic(64, 64)
    host = Denoiser(backend=str(tiny_bundle)).denoise(mosaic, "RGGB", SHOT, READ)
    cable = PtyCable(Faults())
    with cable, agent_process([program, "--tty", cable.board_path]), caplog.at_level(logging.INFO):
        backend = BoardBackend("auto", f"{tiny_bundle}@{cable.host_url}")
        noise = NoiseModel.uniform(SHOT, READ, NoiseOrigin.TAG)
        out = backend.denoise_once(mosaic, Cfa.RGGB, backend.choice.members[0], noise, lambda *_: None)
        assert "board: the link runs at 3000000 baud" in caplog.messages
        del backend
    assert np.abs(out - host).max() <= 1e-6


def test_the_stage_puts_the_board_on_record(tiny_bundle: Path, start_agent: StartAgent) -> None:
    url = start_agent(tiny_bundle, "--board", "desk 7")
    noise = NoiseModel.uniform(SHOT, READ, NoiseOrigin.TAG)
    signal = signal_of(a_mosaic(64, 96), Cfa.GBRG, Domain.LINEAR_MOSAIC, noise=noise)
    decisions = dict(Denoise()(signal, DenoiseParameters(backend=f"board:{tiny_bundle}@{url}")).decisions)
    manifest = read(tiny_bundle).manifest
    assert decisions["denoise.model"] == "tiny"
    assert decisions["denoise.weights_sha256"] == manifest.specialists[0].sha256
    assert decisions["denoise.backend"].startswith("host float32 on desk 7 (")
    assert decisions["denoise.backend"].endswith(f"library SHA-256 {manifest.library.sha256['lib/libfan.a']}")


def test_a_compiled_network_has_no_layers_to_look_at(tiny_bundle: Path, start_agent: StartAgent) -> None:
    denoiser = Denoiser(backend=f"board:{tiny_bundle}@{start_agent(tiny_bundle)}")
    with pytest.raises(ConfigError, match="tiny is compiled"):
        denoiser.loaded(denoiser.members[0])


def test_what_is_not_there_is_told(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    with pytest.raises(NoBoardError, match="no board is attached"):
        Denoiser(backend=f"board:{tiny_bundle}")
    with pytest.raises(ConfigError, match="no such folder"):
        Denoiser(backend=f"board:{tmp_path / 'none'}@user:host")
    with pytest.raises(ConfigError, match="holds no model 'tin'; expected auto, tiny; did you mean 'tiny'"):
        Denoiser("tin", f"board:{tiny_bundle}@user:host")
    with pytest.raises(ConfigError, match="denoiser backend 'bord:x'"):
        Denoiser(backend="bord:x")


def test_a_board_with_another_bundle_is_let_go(tiny_bundle: Path, tmp_path: Path, start_agent: StartAgent) -> None:
    url = start_agent(tiny_bundle)
    with pytest.raises(WrongBundleError):
        Denoiser(backend=f"board:{make_bundle(tmp_path / 'other')}@{url}")
    Denoiser(backend=f"board:{tiny_bundle}@{url}")


def test_models_are_those_of_the_bundle(tmp_path: Path) -> None:
    bundle = read(make_bundle(tmp_path / "bundle"))
    for model in ("auto", "pair"):
        choice = resolve(bundle, model)
        assert isinstance(choice, Choice)
        assert choice.name == "pair"
        assert tuple(member.name for member in choice.members) == NAMES
        assert [choice.member_for(shot).name for shot in (-1, 0, 9e-4, 1e-3, 1)] == ["first"] * 3 + ["second"] * 2
    alone = resolve(bundle, "second")
    assert (alone.name, alone.member_for(0).name) == ("second", "second")


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(0, 7), st.integers(200_000, 10**8), st.floats(1e2, 1e8))
def test_tiles_are_as_large_as_memory_and_patience_allow(
    height: int, width: int, halo: int, memory_bytes: int, px_per_s: float
) -> None:
    frame, specialist = (2 * height, 2 * width), specialist_with(16 * halo, 300)
    halo_px = 16 * halo

    def largest(side_px: int) -> tuple[int, int]:
        """Bytes and pixels of the largest tile that the frame is cut into."""
        h, w = (
            max(len(span(at, min(side_px, size - at), size, halo_px, 16).indices) for at in range(0, size, side_px))
            for size in frame
        )
        return specialist.memory_bytes(w, h), h * w

    try:
        side_px = tile_side(specialist, memory_bytes, px_per_s, frame)
    except BoardMemoryError:
        assert largest(16)[0] + 256 > memory_bytes
        return
    assert side_px % 16 == 0
    assert largest(side_px)[0] <= memory_bytes
    assert side_px <= max(2 * halo_px, 16) or largest(side_px)[1] <= 60 * px_per_s
    if side_px < max(frame):
        # As if there were tiles with their halo on all sides.
        h, w = (min(side_px + 16 + 2 * halo_px, -(-size // 16) * 16 + 2 * min(halo_px, 32)) for size in frame)
        assert specialist.memory_bytes(w, h) + 256 > memory_bytes or h * w > 60 * px_per_s


def test_a_board_without_memory_for_a_tile_is_told_what_it_takes() -> None:
    needed = 8 * 208 * 208 + 5000 * 224 + 256
    assert tile_side(specialist_with(96), needed, float("inf"), (1000, 1000)) == 16
    with pytest.raises(BoardMemoryError, match=f"expected at least {needed:,} bytes"):
        tile_side(specialist_with(96), needed - 1, float("inf"), (1000, 1000))


@pytest.mark.parametrize("cfa", Cfa)
def test_what_is_cut_out_begins_with_red(cfa: Cfa) -> None:
    colours = np.array(cfa.channels, np.float32).reshape(2, 2)
    for tile in tiles(64, 48, 16, 16, 16):
        source = cut_out(np.tile(colours, (32, 24)), cfa, tile)
        assert source.flags.c_contiguous
        assert np.array_equal(
            source, np.tile(np.float32([[0, 1], [1, 2]]), (source.shape[0] // 2, source.shape[1] // 2))
        )


@pytest.mark.parametrize(("time_s", "text"), [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (7200, "2.0 h")])
def test_durations_are_as_people_say_them(time_s: float, text: str) -> None:
    assert duration(time_s) == text
