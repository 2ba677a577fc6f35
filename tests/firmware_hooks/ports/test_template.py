"""The port that users complete: it compiles, without a warning, against the SDKs that it is written for."""

from __future__ import annotations

from pathlib import Path

import pytest

from targets.descriptions import load
from targets.toolchain import Compiler, ToolchainError, find_compiler, missing_compiler_message

HERE = Path(__file__).parent
HOOKS = Path(__file__).resolve().parents[3] / "firmware_hooks"


def compiler_for(target: str) -> Compiler:
    compiler = find_compiler(load(target))
    if compiler is None:
        pytest.skip(missing_compiler_message(load(target)))
    return compiler


def port(folder: Path, definitions: str) -> Path:
    source = folder / "port.c"
    source.write_text(f'{definitions}\n#include "{HOOKS / "ports" / "template.c"}"\n')
    return source


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
@pytest.mark.parametrize(("sdk", "choice"), [("stm32", "FAN_PORT_STM32_HAL"), ("nxp", "FAN_PORT_NXP_LPUART")])
def test_it_compiles_against_an_sdk(tmp_path: Path, core: str, sdk: str, choice: str) -> None:
    includes = [HOOKS / "include", HOOKS / "link", HERE / sdk]
    (made,) = compiler_for(core).compile_objects([port(tmp_path, f"#define {choice}")], includes, tmp_path)
    symbols = made.read_bytes()
    assert b"fan_port_run" in symbols
    assert (b"HAL_UART_Receive_IT" in symbols, b"LPUART_ReadByte" in symbols) == (sdk == "stm32", sdk == "nxp")


def test_without_a_choice_it_says_what_to_define(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match="define FAN_PORT_STM32_HAL or FAN_PORT_NXP_LPUART"):
        compiler_for("cortex-m7").compile_objects([port(tmp_path, "")], [HOOKS / "include", HOOKS / "link"], tmp_path)
