"""Descriptions of targets: those that come with the program, and those of the user's own."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from isp.errors import ConfigError, InputError
from targets.descriptions import FOLDER, OperatingSystem, Precision, keep_in_bundle, load, names, of_bundle

CORTEX_A = ("arm64", "cortex-a53", "cortex-a55", "cortex-a72", "cortex-a76")
CORTEX_M = ("cortex-m33", "cortex-m4", "cortex-m55", "cortex-m7")
ETHOS_U = (
    "ethos-u55-128",
    "ethos-u55-256",
    "ethos-u55-64",
    "ethos-u65-256",
    "ethos-u65-512",
    "ethos-u85-1024",
    "ethos-u85-256",
)


def changed(tmp_path: Path, name: str, old: str, new: str) -> str:
    """Path of a copy of a description with one text in it replaced."""
    text = (FOLDER / f"{name}.yaml").read_text()
    assert old in text
    path = tmp_path / "my.yaml"
    path.write_text(text.replace(old, new))
    return str(path)


def test_the_targets_are_those_that_are_promised() -> None:
    assert names() == (*CORTEX_A, *CORTEX_M, *ETHOS_U, "host")


@pytest.mark.parametrize("name", [*CORTEX_A, *CORTEX_M, "host"])
def test_a_target_is_named_as_its_file(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("name", CORTEX_A)
def test_cortex_a_runs_linux_and_is_emulated(name: str) -> None:
    target = load(name)
    assert target.operating_system is OperatingSystem.LINUX
    assert target.emulator is not None
    assert target.float_abi is None
    assert target.lanes[Precision.FLOAT32] == 4


@pytest.mark.parametrize("name", CORTEX_M)
def test_cortex_m_has_no_system_and_passes_floats_in_registers(name: str) -> None:
    target = load(name)
    assert target.operating_system is OperatingSystem.NONE
    assert target.emulator is None
    assert target.float_abi == "hard"
    assert "-mfloat-abi=hard" in target.compiler_flags
    assert target.triple.endswith("-none-none-eabihf")


@pytest.mark.parametrize("name", [*CORTEX_A, *CORTEX_M])
def test_half_precision_is_offered_where_the_core_has_it(name: str) -> None:
    target = load(name)
    assert (Precision.FLOAT16 in target.lanes) == (name in ("cortex-a55", "cortex-a76", "cortex-m55"))
    assert (Precision.FLOAT16 in target.lanes) == ("+fullfp16" in target.features)
    if Precision.FLOAT16 in target.lanes:
        assert target.lanes[Precision.FLOAT16] == 2 * target.lanes[Precision.FLOAT32]


@pytest.mark.parametrize("name", [*CORTEX_A, *CORTEX_M, "host"])
def test_thresholds_are_those_of_the_precision(name: str) -> None:
    for precision, threshold in load(name).thresholds.items():
        assert threshold.max_error == {"float32": 1e-5, "float16": 2e-2}[precision]
        assert threshold.quality_loss_db == 0.01


def test_a_target_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        load("arm64").cpu = "cortex-a53"  # type: ignore[misc]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"no target is named 'cortex-a67'.*did you mean 'cortex-a[75]\d'\?"
    ) as refused:
        load("cortex-a67")
    assert refused.value.exit_code == 2


def test_an_unknown_name_far_from_all_is_refused_with_all_there_are() -> None:
    with pytest.raises(ConfigError, match=r"arm64, cortex-a53, .*, host"):
        load("z80")


def test_a_description_of_the_users_own(tmp_path: Path) -> None:
    path = changed(tmp_path, "cortex-a55", "name: cortex-a55", "name: my-camera")
    target = load(path)
    assert target.name == "my-camera"
    assert target.features == load("cortex-a55").features


def test_a_number_without_a_point_is_a_number(tmp_path: Path) -> None:
    target = load(changed(tmp_path, "arm64", "1.0e-5", "1e-5"))
    assert target.thresholds[Precision.FLOAT32].max_error == 1e-5


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("cpu: cortex-m55", "cpuu: cortex-m55", r"my.yaml: unknown key 'cpuu'; did you mean 'cpu'\?"),
        ("cpu: cortex-m55\n", "", "my.yaml: the key 'cpu' is missing"),
        (
            "quality_loss_db: 0.01}\n  float16",
            "}\n  float16",
            "the key 'thresholds.float32.quality_loss_db' is missing",
        ),
        ("float32: 4", "float32: 3", "lanes.float32: Input should be 1, 2, 4, 8, 16 or 32"),
        ("float32: 4", "float64: 2", "lanes.float64.*'float32' or 'float16'"),
        (", float16: 8", "", "thresholds for float32, float16: expected for float32"),
        ("operating_system: none", "operating_system: zephyr", "operating_system: .*'linux', 'macos' or 'none'"),
        ("max_error: 1.0e-5", "max_error: small", "thresholds.float32.max_error: .*valid number"),
        ("max_error: 1.0e-5", "max_error: -1.0", "thresholds.float32.max_error: .*greater than 0"),
        ("max_error: 1.0e-5", "max_error: .inf", "thresholds.float32.max_error: .*finite number"),
        ("-none-none-eabihf", "-none-eabihf", "triple thumbv8.1m.main-none-eabihf: expected four parts"),
        ("float_abi: hard", "float_abi: soft", "float_abi soft with triple .*: expected hard where"),
        ("float_abi: hard\n", "", "float_abi None with triple .*: expected hard where"),
        ('"+mve.fp"', "mve.fp", r"features.0: .*pattern"),
        ("[arm-none-eabi-gcc]", "[]", "compilers: .*at least 1 item"),
        ("name: cortex-m55", "name: ../m55", "name: .*pattern"),
        ("name: cortex-m55", "name: [cortex-m55", r"my.yaml:\d+: not YAML"),
        ("summary: ", "summary: 2026-01-01 #", "my.yaml: .*expected texts, numbers, lists"),
    ],
)
def test_a_faulty_description_is_told_in_one_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as refused:
        load(changed(tmp_path, "cortex-m55", old, new))
    assert refused.value.exit_code == 3
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"text", b"\xff\xfe\xff"])
def test_what_is_no_description_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"my\.yaml: (no 'key: value' lines|not UTF-8 text)"):
        load(str(path))


@pytest.mark.parametrize("name", ["no/such.yaml", "such.yaml", "no/such"])
def test_a_missing_file_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: No such file"):
        load(name)


def test_a_bundle_keeps_the_description_of_a_target_of_ones_own(tmp_path: Path) -> None:
    own = replace(load("cortex-a72"), name="my-core")
    keep_in_bundle(own, tmp_path)
    assert of_bundle(tmp_path, "my-core") == own
    # One that comes with the program is the program's, whatever lies in the bundle.
    assert of_bundle(tmp_path, "cortex-a72") == load("cortex-a72")


def test_a_bundle_for_a_known_target_needs_no_description(tmp_path: Path) -> None:
    keep_in_bundle(load("cortex-m7"), tmp_path)
    assert not any(tmp_path.iterdir())
    assert of_bundle(tmp_path, "cortex-m7") == load("cortex-m7")
    with pytest.raises(ConfigError, match="no target is named 'my-core'"):
        of_bundle(tmp_path, "my-core")


@pytest.mark.parametrize("name", names())
def test_every_description_survives_being_kept(tmp_path: Path, name: str) -> None:
    own = replace(load(name), name="my-core")
    keep_in_bundle(own, tmp_path)
    assert of_bundle(tmp_path, "my-core") == own
