"""Golden tiles that are not what was written are refused. `tests.compile.test_golden` writes and reads real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compile.golden import write
from isp.errors import InputError
from targets.golden import GoldenSet, read
from tests.targets.fake_boards import golden_tile


def test_a_folder_without_golden_tiles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"index\.json: No such file"):
        read(tmp_path)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path, [GoldenSet("one", (golden_tile("smallest", 16, 16),))])
    path = tmp_path / "0/smallest.reference.f32"
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"smallest\.reference\.f32: its content is not what index\.json states"):
        read(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=r"smallest\.reference\.f32: No such file"):
        read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"specialists": [{"name": "one"}]},
        {"specialists": [{"name": "one", "tiles": [{"name": "../a"}]}]},
    ],
)
def test_an_index_of_another_kind_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write(tmp_path, [GoldenSet("one", (golden_tile("smallest", 16, 16),))])
    index = tmp_path / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | change))
    with pytest.raises(InputError, match="expected golden tiles"):
        read(tmp_path)
