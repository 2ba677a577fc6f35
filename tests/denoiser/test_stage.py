"""The denoise stage: what it makes of the signal that the pipeline hands it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from denoiser import Denoiser
from denoiser.stage import Denoise, DenoiseParameters
from isp.cfa import Cfa
from isp.errors import ConfigError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.sample.sensor import expose
from isp.stage import Domain, Signal
from tests.isp.stages.signals import signal_of

NOISE = NoiseModel.uniform(4e-3, 9.6e-5, NoiseOrigin.TAG)


def a_signal(height: int = 96, width: int = 96) -> tuple[np.ndarray, Signal]:
    clean = np.full((height, width), 0.2, np.float32)
    noisy = expose(clean, Cfa.GBRG, NOISE, seed=1)
    return clean, signal_of(noisy, Cfa.GBRG, Domain.LINEAR_MOSAIC, noise=NOISE)


def error_of(data: np.ndarray, clean: np.ndarray) -> float:
    return float(np.square(data - clean).mean())


def test_is_what_the_denoiser_gives() -> None:
    _, signal = a_signal()
    out = Denoise()(signal, DenoiseParameters())
    assert out.domain is Domain.LINEAR_MOSAIC
    expected = Denoiser().denoise(signal.data, Cfa.GBRG, NOISE.shot, NOISE.read)
    np.testing.assert_array_equal(out.data, expected)


# A single row, repeated by the padding, is all there is to tell texture from noise by: it need only not get worse.
@pytest.mark.parametrize(("size", "gain"), [((95, 96), 10), ((96, 95), 10), ((95, 95), 10), ((1, 96), 1)])
def test_odd_sizes(size: tuple[int, int], gain: float) -> None:
    clean, signal = a_signal(*size)
    out = Denoise()(signal, DenoiseParameters()).data
    assert out.shape == size
    assert error_of(out, clean) < error_of(signal.data, clean) / gain


def test_noise_is_judged_before_lens_shading() -> None:
    clean, signal = a_signal()
    gain = np.full_like(clean, 3.0)
    shaded = replace(signal, data=signal.data * gain, shading_gain=gain)
    out = Denoise()(shaded, DenoiseParameters())
    plain = Denoise()(signal, DenoiseParameters())
    np.testing.assert_allclose(out.data, 3 * plain.data, atol=1e-5)


def test_strength_zero_leaves_the_signal_alone() -> None:
    _, signal = a_signal()
    assert Denoise()(signal, DenoiseParameters(strength=0)) is signal


def test_puts_on_record_which_model_it_used(caplog: pytest.LogCaptureFixture) -> None:
    _, signal = a_signal()
    signal = replace(signal, decisions=(("white_balance.method", "grey world"),))
    with caplog.at_level("INFO", "denoiser"):
        out = Denoise()(signal, DenoiseParameters(model="universal"))
    (universal,) = Denoiser("universal").members
    assert out.decisions == (
        *signal.decisions,
        ("denoise.model", "universal"),
        ("denoise.weights_sha256", universal.sha256),
        ("denoise.backend", "torch"),
    )
    assert "capture.dng: denoising by the model universal" in caplog.text


def test_without_a_noise_model_says_what_to_do() -> None:
    _, signal = a_signal()
    with pytest.raises(ConfigError, match="noise model"):
        Denoise()(replace(signal, noise=None), DenoiseParameters())
