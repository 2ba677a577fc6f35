from __future__ import annotations

import subprocess
import sys
import time

import pytest

from isp.cli.parser import PACKINGS, build_parser
from isp.cli.settings import DUMP_OPTIONS
from isp.readers.bayer_dump import BayerDump, Packing

SLOW = ("torch", "cv2", "rawpy", "tifffile", "pydantic", "numpy", "yaml")


@pytest.mark.parametrize("command", [(), ("run",), ("info",), ("stages",), ("compare",)])
def test_help_imports_nothing_slow(command: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom isp.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        f"sys.exit(','.join(name for name in {SLOW} if name in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, f"imported: {done.stderr}"
    assert "usage: python -m isp" in done.stdout


def test_help_answers_at_once() -> None:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "isp", "--help"], capture_output=True, timeout=30, check=True)
        return time.perf_counter() - began

    assert min(once() for _ in range(4)) < 0.5


def test_packings_are_those_of_the_reader() -> None:
    assert set(PACKINGS) == {packing.value for packing in Packing}


def test_dump_options_exist_on_both_sides() -> None:
    options = vars(build_parser().parse_args(["run", "x.raw"]))
    assert options.keys() >= DUMP_OPTIONS.keys()
    assert BayerDump.model_fields.keys() >= set(DUMP_OPTIONS.values())


def test_every_option_has_help() -> None:
    for command in ("run", "info", "stages", "compare"):
        parser = build_parser()._subparsers._group_actions[0].choices[command]  # type: ignore[union-attr, index]
        for action in parser._actions:
            assert action.help, f"{command} {action.option_strings}"
