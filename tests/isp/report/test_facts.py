from __future__ import annotations

import json
from typing import Literal

import numpy as np
import pytest
from pydantic import Field

from isp import stage
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import BlackLevel, CalibrationIlluminant, Exposure, GainMap, Rect
from isp.report.facts import as_json, frame_sections, noise_facts
from isp.report.parameter_facts import parameter_facts
from tests.isp.stub_stages import frame


class Example(stage.Parameters):
    method: Literal["a", "b"] = Field("a", description="which")
    gain: float = Field(1.0, gt=0, le=2, description="how\n  much")
    limit: float | None = Field(None, ge=0, description="where")
    name: str = Field(description="who")


def test_parameters_tell_type_range_default_and_meaning() -> None:
    method, gain, limit, name = parameter_facts(Example)
    assert (method.kind, method.default, method.range) == ("a | b", "a", "")
    assert (gain.kind, gain.range, gain.description) == ("float", "above 0 to 2", "how much")
    assert (limit.kind, limit.default) == ("float | none", None)
    assert not name.has_default


def test_every_installed_parameter_is_described() -> None:
    from isp.registry import Registry

    for source in Registry.installed():
        for fact in parameter_facts(source.load().Parameters):
            assert fact.description, f"{source.name}.{fact.name}"


def test_noise_in_electrons_follows_from_poisson_statistics() -> None:
    """A sensor of 2 DN per electron, 4095 - 95 DN range and 3 electrons read noise."""
    model = NoiseModel.uniform(2 / 4000, (3 * 2 / 4000) ** 2, NoiseOrigin.CALIBRATION)
    capture = frame(np.zeros((2, 2), np.uint16))
    from dataclasses import replace

    capture = replace(capture, black=BlackLevel(np.full((2, 2), 95.0)))
    facts = {fact.key: fact.value for fact in noise_facts(model, capture)}
    assert facts["gain_dn_per_electron"] == pytest.approx([2, 2, 2])
    assert facts["white_electrons"] == pytest.approx([2000] * 3)
    assert facts["read_electrons"] == pytest.approx([3] * 3)
    assert facts["sigma_black_dn"] == pytest.approx([6] * 3)
    electrons = 0.18 * 2000
    assert facts["snr_grey_db"] == pytest.approx([20 * np.log10(electrons / np.sqrt(electrons + 9))] * 3)
    assert facts["origin"] == "calibration"


def test_noise_free_and_unknown_models_are_told_too() -> None:
    assert [fact.value for fact in noise_facts(None, frame())] == [None]
    free = {fact.key: fact.text for fact in noise_facts(NoiseModel.uniform(0, 0, NoiseOrigin.ESTIMATE), frame())}
    assert free["snr_grey_db"] == "inf dB"
    json.dumps(as_json(frame_sections(frame(), NoiseModel.uniform(0, 0, NoiseOrigin.ESTIMATE))), allow_nan=False)


def test_a_frame_with_everything_is_told_in_full() -> None:
    eye = np.eye(3)
    capture = frame(
        np.full((4, 6), 4095, np.uint16),
        make="Maker",
        model="Model",
        as_shot_neutral=(0.5, 1.0, 0.8),
        illuminants=(CalibrationIlluminant(2856, eye, eye), CalibrationIlluminant(6504, eye)),
        gain_maps=(GainMap(Rect(0, 0, 4, 6), 0, 1, 1, 1, np.ones((13, 17, 1), np.float32), 0, 0, 1, 1),) * 4,
        default_crop=Rect(0, 2, 4, 6),
        exposure=Exposure(iso=800, time_s=1 / 125, aperture_f=2.8, focal_length_mm=35, lens="Lens"),
        tone_curve=np.zeros((5, 2)),
        noise_reduction_applied=0.75,
    )
    sections = frame_sections(capture, None)
    text = {fact.key: fact.text for section in sections for fact in section.facts}
    assert text["camera"] == "Maker Model"
    assert text["exposure_time_s"] == "1/125 s"
    assert text["as_shot_neutral"] == "as shot, gains R 2.000  G 1.000  B 1.250"
    assert text["illuminant_1"] == "measured at 2856 K, with forward matrix"
    assert text["gain_maps"] == "4 gain maps of 17 x 13"
    assert text["default_crop"] == "4 x 4 from (2, 0)"
    assert text["full_share"] == "100.000%"
    assert text["reduction_applied"] == "75%, as the file tells"
    assert json.loads(json.dumps(as_json(sections)))["colour"]["illuminant_2"]["kelvin"] == 6504
