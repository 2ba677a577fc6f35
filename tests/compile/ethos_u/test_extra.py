"""Without the extra `npu`: what to install is said, before anything is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CODE = """\
import sys
sys.modules.update(dict.fromkeys({blocked!r}))
sys.path.insert(0, {root!r})
from compile.cli import main
sys.exit(main(["--target", "ethos-u55-64", "-o", "out"]))
"""


@pytest.mark.parametrize(
    ("blocked", "said"),
    [
        (["ethosu", "ethosu.vela"], "ethos-u-vela not installed"),
        (["tosa_serializer", "tosa_reference_model"], "tosa-tools not installed"),
        (["tosa_reference_model"], "tosa-tools not installed"),
        (["ethosu", "tosa_serializer", "tvm"], "apache-tvm, ethos-u-vela, tosa-tools not installed"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, blocked: list[str], said: str) -> None:
    code = CODE.format(blocked=blocked, root=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        f"error: {said}; expected what compiling for an NPU needs; pip install 'fan-isp[npu]'\n"
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
