from __future__ import annotations

from pathlib import Path

import pytest

from isp.errors import ConfigError
from isp.pipeline import Pipeline
from isp.pipeline_file import PipelineFile, load_pipeline_file, parse_pipeline_file
from isp.registry import Registry
from isp.stage import Domain

GOOD = """\
version: 1
name: tele
description: one line
stages:
  - stage: black_level
  - stage: demosaic
    method: malvar
"""


def parsed(text: str = GOOD) -> PipelineFile:
    return parse_pipeline_file(text, "tele.yaml")


def test_order_and_parameters_are_read_with_their_lines() -> None:
    file = parsed()
    assert (file.name, file.description) == ("tele", "one line")
    assert [entry.stage for entry in file.entries] == ["black_level", "demosaic"]
    (setting,) = file.entries[1].settings
    assert (setting.key, setting.value, setting.where) == ("method", "malvar", "tele.yaml:7")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tele.yaml is empty"),
        ("version: 2\nstages: [{stage: a}]", r"tele.yaml:1: version 2; expected version 1"),
        ("stages: [{stage: a}]", "'version' is missing"),
        ("version: 1", "'stages' is missing"),
        ("version: 1\nstages: []", "tele.yaml:2: 'stages' is no list"),
        ("version: 1\nstages: demosaic", "tele.yaml:2: 'stages' is no list"),
        ("version: 1\nstaegs: [{stage: a}]", "tele.yaml:2: unknown key 'staegs'; did you mean 'stages'"),
        ("version: 1\nstages:\n  - demosaic", "tele.yaml:3: an item of 'stages' has no keys"),
        ("version: 1\nstages:\n  - method: malvar", "tele.yaml:3: an item of 'stages' names no stage"),
        (
            "version: 1\nstages:\n- stage: a\n- stage: b\n- stage: a",
            "tele.yaml:5: .*'a' is listed before, at tele.yaml:3",
        ),
        ("version: 1\nversion: 1\nstages: [{stage: a}]", "tele.yaml:2: the key 'version' stands twice"),
        ("version: 1\nstages:\n- stage: a\n  k: 1\n  k: 2", "tele.yaml:5: the key 'k' stands twice"),
        ("version: 1\nstages: [", "tele.yaml:2: not YAML"),
        ("version: 1\nstages:\n- stage: a\n  k: !python/name:os.system x", "tele.yaml:4: not YAML"),
        ("just text", "tele.yaml:1: a pipeline file has no keys"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parsed(text)


def test_override_adds_and_replaces_with_yaml_types() -> None:
    file = parsed().with_override("demosaic.method=menon").with_override("demosaic.gains=[1, 2.5, 0x10]")
    settings = {setting.key: setting.value for setting in file.entries[1].settings}
    assert settings == {"method": "menon", "gains": [1, 2.5, 16]}
    assert parsed().entries[1].settings[0].value == "malvar"


@pytest.mark.parametrize("text", ["demosaic", "demosaic.method", "demosaic=1", ".method=1", "demosaic.=1"])
def test_override_of_another_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"stage\.key=value"):
        parsed().with_override(text)


def test_override_of_a_stage_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="'tele' has no stage 'demosiac'; did you mean 'demosaic'"):
        parsed().with_override("demosiac.method=menon")


def test_stage_left_out() -> None:
    assert [entry.stage for entry in parsed().without("demosaic").entries] == ["black_level"]
    with pytest.raises(ConfigError, match="has no stage 'sharpen'"):
        parsed().without("sharpen")


def test_unknown_pipeline_lists_the_built_in_ones() -> None:
    with pytest.raises(ConfigError, match="default, machine_vision"):
        load_pipeline_file("no_such_pipeline")


def test_path_wins_over_nothing_and_binary_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pipeline_file(str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pipeline_file(str(tmp_path))


def test_default_pipeline_has_the_stages_in_their_order() -> None:
    assert [entry.stage for entry in load_pipeline_file("default").entries] == [
        "black_level",
        "defective_pixels",
        "lens_shading",
        "denoise",
        "white_balance",
        "demosaic",
        "highlights",
        "colour_matrix",
        "exposure",
        "tone_map",
        "output_encoding",
    ]


@pytest.mark.parametrize("name", ["default", "machine_vision"])
def test_shipped_pipelines_are_valid_for_mosaics_and_linear_raw(name: str) -> None:
    pipeline = Pipeline.from_file(load_pipeline_file(name), Registry.installed())
    assert pipeline.plan(Domain.MOSAIC)[-1].gives is Domain.DISPLAY_RGB
    rgb = [part.name for part in pipeline.plan(Domain.SENSOR_RGB)]
    assert rgb[0] == "black_level"
    assert "demosaic" not in rgb
    assert "denoise" not in rgb


def test_machine_vision_is_linear_and_leaves_the_exposure_alone() -> None:
    pipeline = Pipeline.from_file(load_pipeline_file("machine_vision"), Registry.installed())
    resolved = pipeline.resolved()["stages"]
    stages = {item["stage"]: item for item in resolved}  # type: ignore[attr-defined]
    assert stages["output_encoding"]["colour_space"] == "linear"
    assert stages["exposure"]["metering"] == "none"
    assert not {"tone_map", "sharpen"} & stages.keys()
