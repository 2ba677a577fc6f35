"""Exit codes are those that are documented."""

from __future__ import annotations

import importlib
import re

import isp.errors


def test_every_error_of_the_table_has_its_code() -> None:
    rows = re.findall(r"^\| (\d+) +\| [^|]+\| `([\w.]+)` +\|$", isp.errors.__doc__ or "", re.MULTILINE)
    assert [int(code) for code, _ in rows] == [1, 2, 3, 4, 5, 6]
    for code, name in rows:
        module, _, error = name.rpartition(".")
        assert getattr(importlib.import_module(module or "isp.errors"), error).exit_code == int(code)
