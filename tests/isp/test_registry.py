from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from importlib.metadata import EntryPoint
from pathlib import Path
from zipfile import ZipFile

import pytest

from isp.errors import ConfigError
from isp.registry import Registry, StageSource, nearest

GOOD = """
from dataclasses import replace
from isp.stage import Domain, Parameters
from pydantic import Field

class Twice:
    name = "twice"
    summary = "doubles linear values"
    transitions = {Domain.LINEAR_MOSAIC: Domain.LINEAR_MOSAIC}
    needs_noise = False
    class Parameters(Parameters):
        times: int = Field(1, ge=0, le=4, description="how often")
    def __call__(self, signal, parameters):
        return replace(signal, data=signal.data * 2**parameters.times)
"""


def source(name: str, value: str, package: str = "other-package", version: str = "2.0") -> StageSource:
    return StageSource(name, package, version, EntryPoint(name, value, "isp.stages"))


def install(folder: Path, package: str, module: str, code: str, stage: str = "twice", attribute: str = "Twice") -> None:
    """Makes a wheel of one module and has pip install it into a folder."""
    name = package.replace("-", "_")
    info = f"{name}-2.0.dist-info"
    files = {
        f"{module}.py": textwrap.dedent(code),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 2.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[isp.stages]\n{stage} = {module}:{attribute}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{name}-2.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, "--target", str(folder), str(wheel)], check=True, capture_output=True)


def isp(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "isp", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_built_in_stages_come_through_the_entry_points() -> None:
    found = {item.name: item.package for item in Registry.installed()}
    assert found["demosaic"] == found["denoise"] == "fan-isp"


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    registry = Registry([source("absent", "no_such_module:Stage")])
    assert [item.name for item in registry] == ["absent"]


def test_unknown_stage_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'demosaic'") as caught:
        Registry([source("demosaic", "a:B"), source("sharpen", "a:C")]).load("demosiac")
    assert caught.value.exit_code == 2


def test_nearest_lists_all_where_none_is_near() -> None:
    assert nearest("xyz", ["sharpen", "demosaic"]) == "there are: demosaic, sharpen"


def test_duplicate_names_are_refused_with_both_origins() -> None:
    with pytest.raises(ConfigError, match=r"'twice'.*first-package 1\.0.*second-package 2\.0"):
        Registry([source("twice", "a:B", "first-package", "1.0"), source("twice", "c:D", "second-package", "2.0")])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module:Stage", "ModuleNotFoundError"),
        ("isp.cfa:NoSuchClass", "AttributeError"),
        ("isp.raw_frame:RawFrame", "TypeError"),
        ("isp.errors:UserError", "TypeError"),
        ("collections:OrderedDict", "calls itself None"),
    ],
)
def test_broken_stage_is_one_line_that_names_its_package(value: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s)^(?=.*other-package 2\.0)(?=.*{reason})") as caught:
        Registry([source("twice", value)]).load("twice")
    assert "\n" not in str(caught.value)


def test_package_that_fails_in_its_own_way_while_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fails_at_import.py").write_text("raise RuntimeError('needs a licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="RuntimeError: needs a licence"):
        Registry([source("twice", "fails_at_import:Stage")]).load("twice")


def test_third_party_package_adds_a_stage(tmp_path: Path) -> None:
    install(tmp_path, "my-stages", "my_stages", GOOD)
    (tmp_path / "p.yaml").write_text("version: 1\nstages:\n  - stage: black_level\n  - stage: twice\n    times: 3\n")
    listed = isp(tmp_path, "stages", "twice")
    assert listed.returncode == 0
    assert "my-stages 2.0" in listed.stdout
    assert "0 to 4" in listed.stdout
    sample = Path(__file__).parents[2] / "isp/sample/sample.dng"
    out = tmp_path / "out.npy"
    ran = isp(tmp_path, "run", str(sample), "-p", str(tmp_path / "p.yaml"), "-o", str(out))
    assert ran.returncode == 0, ran.stderr
    plain = isp(
        tmp_path,
        "run",
        str(sample),
        "-p",
        str(tmp_path / "p.yaml"),
        "-o",
        str(tmp_path / "x.npy"),
        "--without",
        "twice",
    )
    assert plain.returncode == 0, plain.stderr
    import numpy as np

    np.testing.assert_allclose(np.load(out), np.load(tmp_path / "x.npy") * 8)


def test_broken_package_leaves_other_stages_alone(tmp_path: Path) -> None:
    install(tmp_path, "my-stages", "my_stages", "import no_such_thing\n")
    listed = isp(tmp_path, "stages")
    assert listed.returncode == 0
    assert "broken: " in listed.stdout
    assert "my-stages 2.0" in listed.stdout
    assert "demosaic: " in listed.stdout
    asked = isp(tmp_path, "stages", "twice")
    assert asked.returncode == 2


def test_two_packages_with_one_stage_name(tmp_path: Path) -> None:
    install(tmp_path, "first-stages", "first_stages", GOOD)
    install(tmp_path, "second-stages", "second_stages", GOOD)
    listed = isp(tmp_path, "stages")
    assert listed.returncode == 2
    assert "first-stages 2.0" in listed.stderr
    assert "second-stages 2.0" in listed.stderr
    assert "Traceback" not in listed.stderr
