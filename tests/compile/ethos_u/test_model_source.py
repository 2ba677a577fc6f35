"""The C tables of an NPU's networks; `test_border` runs them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from compile.ethos_u.integer_graph import Precision
from compile.ethos_u.model_source import write_tables
from compile.ethos_u.tosa import Layout
from compile.ethos_u.vela import Place
from targets.toolchain import ToolchainError
from tests.compile.ethos_u.test_border import ENTRIES, entry_of, network_of


def array_of(text: str, name: str) -> bytes:
    found = re.search(rf"static const uint8_t {name}\[\] FAN_NPU_ALIGNED = {{([^}}]*)}};", text)
    assert found is not None
    return bytes(int(number) for number in found[1].split(",") if number.strip())


def rows_of(text: str) -> list[list[str]]:
    table = text.partition("fan_npu_networks[] = {")[2].partition("\n};")[0]
    return [[cell.strip(" {}\n") for cell in row.split(",")] for row in table.split("}},") if row.strip()]


def test_the_bytes_are_those_of_vela() -> None:
    compiled = replace(ENTRIES[0].tile.compiled, payload=bytes(range(256)) * 3 + b"\7", weights=b"\xff\x00")
    text = write_tables([replace(ENTRIES[0], tile=replace(ENTRIES[0].tile, compiled=compiled))], Layout.NHWC)
    assert array_of(text, "payload_0") == compiled.payload
    assert array_of(text, "weights_0") == compiled.weights


@pytest.mark.parametrize(("layout", "strides"), [(Layout.NHWC, ("5u", "1u")), (Layout.NCHW, ("1u", "144u"))])
def test_a_row_of_the_table(layout: Layout, strides: tuple[str, str]) -> None:
    rows = rows_of(write_tables(ENTRIES, layout))
    assert [row[:2] for row in rows] == [['"wide"', "0.0f"], ['"narrow"', "0.0010000000474974513f"],
                                         ['"late"', "0.009999999776482582f"]]  # fmt: skip
    assert rows[1][2:6] == ["payload_1", "sizeof payload_1", "weights_1", "sizeof weights_1"]
    # Regions of weights, scratch and fast memory, bytes of a value, tile and halo.
    assert rows[0][6:14] == ["2592u", "0u", "0u", "1u", "1u", "2u", "24u", "32u"]
    assert rows[1][7:12] == ["64u", "0u", "1u", "2u", "1u"]
    assert rows[0][14:18] == ["0u", "5u", *strides]
    assert rows[0][19:21] == ["1440u", "4u"]
    for row, entry in zip(rows, ENTRIES, strict=True):
        for cell, step in ((row[18], entry.network.image.step), (row[23], entry.network.output.step)):
            assert cell.endswith("f")
            assert np.float32(cell[:-1]) == np.float32(step)


def test_a_tensor_beside_the_scratch_memory_is_refused() -> None:
    entry = entry_of("one", 0.0, network_of(Precision.A16W8), 16)
    compiled = replace(entry.tile.compiled, output=Place(2, 0, ()))
    with pytest.raises(ToolchainError, match="into region 2; expected the scratch memory"):
        write_tables([replace(entry, tile=replace(entry.tile, compiled=compiled))], Layout.NHWC)
