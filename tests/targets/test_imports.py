"""Boards are checked on machines where there is neither PyTorch nor TVM: nothing of `targets` imports them."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import targets

BLOCKER = """
import importlib, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "tvm", "denoiser", "compile"}:
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, Blocker())
"""
MODULES = sorted(module.name for module in pkgutil.walk_packages(targets.__path__, "targets."))


def run_python(code: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER + code, *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_module_imports_what_boards_do_without() -> None:
    assert {"targets.validate", "targets.validate_report", "targets.board_backend", "targets.link.client"} <= set(
        MODULES
    )
    wanted = [name for name in MODULES if name != "targets.__main__"]
    run_python("for name in sys.argv[1:]: importlib.import_module(name)", *wanted)


def test_a_board_is_checked_without_them(tiny_bundle: Path) -> None:
    run_python(
        "from targets.__main__ import main\n"
        "sys.exit(main(['validate', sys.argv[1], '--board', 'user:host', '--tiles', 'smallest']))",
        str(tiny_bundle),
    )


@pytest.mark.parametrize("command", ["list", "validate", "agent"])
def test_help_of_each_command_imports_nothing_slow(command: str) -> None:
    run_python(
        "from targets.__main__ import main\n"
        "try: main([sys.argv[1], '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(','.join({'pydantic', 'yaml', 'numpy', 'serial'} & set(sys.modules)) or 0)",
        command,
    )
