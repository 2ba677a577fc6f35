"""Records: written and read back, chosen kernel by kernel, refused with what is wrong."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from compile import tilings
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.kernel import Tiling, Vectors
from compile.tuning import records
from compile.tuning.records import Entry, Records
from isp.errors import InputError
from targets.descriptions import Precision, load, names

TARGET = load("cortex-a72")
VECTORS = Vectors("float32", 4)
FIRST, SECOND = RowConvolution(1, 8, 8, 8, "none"), RowDepthwise(3, 8)
UNTUNED = tilings.untuned([FIRST, SECOND], TARGET)
ENTRY = Entry(4, 3, 2, 0.8, 9)


def a_record(**kernels: Entry) -> Records:
    return Records(1, "cortex-a72", "float32", 4, "thought", kernels)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = a_record(**{FIRST.name: ENTRY})
    records.write(tmp_path / "a.json", written)
    assert records.read(tmp_path / "a.json") == written
    assert records.read(tmp_path / "b.json") is None


def test_the_first_folder_that_knows_a_kernel_counts(tmp_path: Path) -> None:
    mine, shipped = tmp_path / "mine", tmp_path / "shipped"
    records.write(records.path_of(mine, TARGET, VECTORS), a_record(**{FIRST.name: ENTRY}))
    other = replace(ENTRY, columns=1)
    records.write(records.path_of(shipped, TARGET, VECTORS), a_record(**{FIRST.name: other, SECOND.name: other}))
    chosen = records.tuned(UNTUNED, (mine, shipped), TARGET, VECTORS)
    assert chosen == {FIRST: Tiling(4, 3, 2), SECOND: Tiling(1, 3, 2)}


def test_kernels_without_a_record_are_named_and_untuned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    records.write(records.path_of(tmp_path, TARGET, VECTORS), a_record(**{FIRST.name: ENTRY}))
    with caplog.at_level(logging.INFO):
        chosen = records.tuned(UNTUNED, (tmp_path,), TARGET, VECTORS)
    assert chosen[SECOND] == UNTUNED[SECOND]
    assert SECOND.name in caplog.text
    assert FIRST.name not in caplog.text


def test_a_record_for_other_vectors_is_left_aside_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = records.path_of(tmp_path, TARGET, VECTORS)
    records.write(path, replace(a_record(**{FIRST.name: ENTRY}), lanes=8))
    assert records.tuned(UNTUNED, (tmp_path,), TARGET, VECTORS) == UNTUNED
    assert str(path) in caplog.text


@pytest.mark.parametrize(
    ("change", "word"), [({"schema": 2}, "schema"), ({"kernels": {"x": {"columns": 0}}}, "kernels"), (None, "JSON")]
)
def test_an_unusable_record_is_refused_by_its_name(tmp_path: Path, change: dict[str, object] | None, word: str) -> None:
    path = tmp_path / "a.json"
    records.write(path, a_record(**{FIRST.name: ENTRY}))
    content = "{" if change is None else json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(content)
    with pytest.raises(InputError, match=word) as caught:
        records.read(path)
    assert str(path) in str(caught.value)


def test_the_shipped_records_fit_the_targets_they_are_called_after() -> None:
    known = {name for name in names() if name != "host"} | {"x86-64-v3", "x86-64-v4"}
    paths = sorted(records.SHIPPED.glob("*.json"))
    assert paths
    for path in paths:
        record = records.read(path)
        assert record is not None
        assert path.stem == f"{record.target}-{record.values}"
        assert record.target in known
        if record.target in names():
            assert record.fit(Vectors(record.values, load(record.target).lanes[Precision(record.values)]))
