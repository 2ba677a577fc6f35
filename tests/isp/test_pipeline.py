from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from isp.errors import ConfigError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.pipeline import NOISE_ESTIMATE, Pipeline, start_signal
from isp.pipeline_file import parse_pipeline_file
from isp.registry import Registry
from isp.stage import Domain, Signal
from tests.isp.stub_stages import Stub, clean, frame, interpolate, linearise, pipeline, show

NOISE = NoiseModel.uniform(1e-3, 1e-6, NoiseOrigin.USER)


def names_run(line: Pipeline, **options: str) -> list[str]:
    return [done.name for done in line.run(start_signal(frame(), NOISE), **options)]


def last(line: Pipeline, signal: Signal, **options: str) -> Signal:
    *_, done = line.run(signal, **options)
    return done.signal


def test_domains_that_do_not_meet_are_refused_with_the_stage_named() -> None:
    with pytest.raises(
        ConfigError, match=r"'show' cannot follow 'linearise', which gives linear_mosaic; expected linear_rgb"
    ):
        pipeline(linearise(), show())


def test_first_stage_must_take_the_mosaic() -> None:
    with pytest.raises(ConfigError, match="'clean' cannot follow the capture, which gives mosaic"):
        pipeline(clean())


def test_linear_raw_skips_the_stages_that_take_only_mosaics() -> None:
    stubs = linearise(), clean(), interpolate(), show()
    rgb = frame(np.ones((4, 6, 3), np.uint16), cfa=None)
    assert [done.name for done in pipeline(*stubs).run(start_signal(rgb, None))] == ["linearise", "show"]


def test_linear_raw_cannot_start_at_a_stage_that_it_skips() -> None:
    rgb = frame(np.ones((4, 6, 3), np.uint16), cfa=None)
    with pytest.raises(ConfigError, match="'interpolate' takes mosaics only"):
        list(pipeline(linearise(), interpolate(), show()).run(start_signal(rgb, None), start_at="interpolate"))


def test_stages_run_in_order_with_their_parameters() -> None:
    line = pipeline(linearise(), interpolate(), show(), linearise=2.0, show=3.0)
    result = last(line, start_signal(frame(np.full((4, 6), 5, np.uint16)), NOISE))
    assert result.domain is Domain.DISPLAY_RGB
    np.testing.assert_array_equal(result.data, np.full((4, 6, 3), 30, np.float32))


def test_stop_after_and_start_at_make_up_the_whole() -> None:
    line = pipeline(linearise(), clean(), interpolate(), show(), clean=2.0)
    assert names_run(line, stop_after="clean") == ["linearise", "clean"]
    half_way = last(line, start_signal(frame(), NOISE), stop_after="clean")
    continued = last(line, half_way, start_at="interpolate")
    np.testing.assert_array_equal(continued.data, last(line, start_signal(frame(), NOISE)).data)


def test_start_at_refuses_a_signal_of_another_domain() -> None:
    line = pipeline(linearise(), interpolate(), show())
    with pytest.raises(ConfigError, match="'show' would get mosaic; expected linear_rgb"):
        list(line.run(start_signal(frame(), NOISE), start_at="show"))


@pytest.mark.parametrize("option", ["start_at", "stop_after"])
def test_unknown_stage_name(option: str) -> None:
    line = pipeline(linearise(), interpolate(), show())
    with pytest.raises(ConfigError, match="no stage 'interpolat'; did you mean 'interpolate'"):
        names_run(line, **{option: "interpolat"})


def test_start_after_the_stop() -> None:
    with pytest.raises(ConfigError, match="'show' comes after 'linearise'"):
        names_run(pipeline(linearise(), interpolate(), show()), start_at="show", stop_after="linearise")


def test_known_noise_is_not_estimated() -> None:
    cleaner = clean()
    assert NOISE_ESTIMATE not in names_run(pipeline(linearise(), cleaner, interpolate(), show()))
    assert cleaner.seen[0].noise == NOISE


def test_unknown_noise_is_estimated_just_before_it_is_needed() -> None:
    cleaner = clean()
    line = pipeline(linearise(), cleaner, interpolate(), show(), linearise=1 / 4095)
    done = [item.name for item in line.run(start_signal(frame(), None))]
    assert done == ["linearise", NOISE_ESTIMATE, "clean", "interpolate", "show"]
    noise = cleaner.seen[0].noise
    assert noise is not None
    assert noise.origin is NoiseOrigin.ESTIMATE


def test_noise_that_is_needed_after_demosaic_is_estimated_from_the_mosaic() -> None:
    line = pipeline(linearise(), clean(needs_noise=False), interpolate(), show(needs_noise=True))
    done = [item.name for item in line.run(start_signal(frame(), None))]
    assert done == ["linearise", "clean", NOISE_ESTIMATE, "interpolate", "show"]


def test_noise_that_nobody_needs_is_not_estimated() -> None:
    line = pipeline(linearise(), clean(needs_noise=False), interpolate(), show())
    assert all(item.signal.noise is None for item in line.run(start_signal(frame(), None)))


def test_estimate_is_of_the_mosaic_before_lens_shading() -> None:
    class Shade(Stub):
        def __call__(self, signal: Signal, parameters: object, /) -> Signal:
            gain = np.full(signal.data.shape, 4.0, np.float32)
            return replace(signal, data=signal.data * gain, shading_gain=gain)

    def estimated(*between: Stub) -> NoiseModel:
        cleaner = clean()
        list(pipeline(linearise(), *between, cleaner, linearise=1 / 4095).run(start_signal(frame(), None)))
        noise = cleaner.seen[0].noise
        assert noise is not None
        return noise

    shaded = estimated(Shade("shade", {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}))
    plain = estimated()
    np.testing.assert_allclose((*shaded.shot, *shaded.read), (*plain.shot, *plain.read), rtol=1e-3)


def test_stage_that_breaks_its_own_contract_is_named() -> None:
    class Liar(Stub):
        def __call__(self, signal: Signal, parameters: object, /) -> Signal:
            return signal

    line = pipeline(Liar("liar", {Domain.MOSAIC: Domain.LINEAR_MOSAIC}))
    with pytest.raises(ConfigError, match=r"'liar' of stub-package 1\.2 gave mosaic; expected linear_mosaic"):
        names_run(line)


def test_intermediate_arrays_do_not_stay_alive() -> None:
    arrays: list[weakref.ref[np.ndarray]] = []

    class Watched(Stub):
        def __call__(self, signal: Signal, parameters: object, /) -> Signal:
            gc.collect()
            assert sum(array() is not None for array in arrays) <= 1, "more than a stage's own input is alive"
            data = np.zeros(signal.data.shape, np.float32)
            arrays.append(weakref.ref(data))
            return replace(signal, data=data, domain=self.transitions[signal.domain])

    first = Watched("linearise", {Domain.MOSAIC: Domain.LINEAR_MOSAIC})
    others = [Watched(f"stage{n}", {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}) for n in range(4)]
    mosaic = np.zeros((48, 64), np.uint16)
    arrays.append(weakref.ref(mosaic))
    running = pipeline(first, *others).run(start_signal(frame(mosaic), NOISE))
    del mosaic
    for _done in running:
        pass


def test_facts_travel_without_the_pixels() -> None:
    capture = frame()
    signal = start_signal(capture, None)
    assert signal.data is capture.mosaic
    assert (signal.frame.height, signal.frame.width) == (48, 64)
    assert signal.frame.mosaic.base is not capture.mosaic
    assert signal.frame.mosaic.strides == (0, 0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("demosaic.metod=menon", r"--set demosaic\.metod: .*no parameter 'metod'; did you mean 'method'"),
        ("demosaic.method=ahd", r"--set demosaic\.method: demosaic\.method = 'ahd'; expected .*'malvar'"),
        ("exposure.ev=11", r"exposure\.ev = 11; expected less than or equal to 10"),
        ("white_balance.gains=[2, 1]", r"white_balance\.gains = \[2, 1\]; expected more than 2 values"),
        ("white_balance.method=gains", r"^--set white_balance\.method: .*give gains with method gains"),
    ],
)
def test_bad_parameters_say_where_and_what(override: str, message: str) -> None:
    from isp.pipeline_file import load_pipeline_file

    with pytest.raises(ConfigError, match=message):
        Pipeline.from_file(load_pipeline_file("default").with_override(override), Registry.installed())


def test_unknown_stage_in_a_file_says_its_line() -> None:
    file = parse_pipeline_file("version: 1\nstages:\n  - stage: black_lvel\n", "p.yaml")
    with pytest.raises(ConfigError, match=r"p\.yaml:3: no stage is named 'black_lvel'; did you mean 'black_level'"):
        Pipeline.from_file(file, Registry.installed())


def test_resolved_pipeline_is_a_pipeline_file_that_makes_the_same_pipeline() -> None:
    import yaml

    from isp.pipeline_file import load_pipeline_file

    line = Pipeline.from_file(load_pipeline_file("default"), Registry.installed())
    again = Pipeline.from_file(parse_pipeline_file(yaml.safe_dump(line.resolved()), "again.yaml"), Registry.installed())
    assert again.resolved() == line.resolved()
