"""Features of cores: the same bits as in the agent's header, and what the code of each target needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from targets.core_features import CoreFeature, needed_features
from targets.descriptions import Target, host, load

HEADER = Path(__file__).resolve().parents[2] / "firmware_hooks" / "link" / "fan_agent.h"
IN_C = {
    "NEON": "NEON",
    "FP16": "FP16",
    "DOT_PRODUCT": "DOT_PRODUCT",
    "FPU": "THUMB_FPU",
    "MVE": "MVE_FLOAT",
    "X86_64_V3": "X86_64_V3",
    "X86_64_V4": "X86_64_V4",
    "FPU_DOUBLE": "THUMB_FPU_DOUBLE",
}
V4 = "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4_ALONE = "avx512f avx512bw avx512cd avx512dq avx512vl"


def test_the_bits_are_those_of_the_agent() -> None:
    defined = dict(re.findall(r"^#define FAN_FEATURE_(\w+) (\d+)u", HEADER.read_text(), re.MULTILINE))
    assert {IN_C[str(each.name)]: each.value for each in CoreFeature} == {k: int(v) for k, v in defined.items()}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("arm64", "neon"),
        ("cortex-a53", "neon"),
        ("cortex-a72", "neon"),
        ("cortex-a55", "neon, fp16, dot-product"),
        ("cortex-a76", "neon, fp16, dot-product"),
        ("cortex-m4", "fpu"),
        ("cortex-m7", "fpu"),
        ("cortex-m33", "fpu"),
        ("cortex-m55", "fpu, mve, fpu-double"),
    ],
)
def test_what_the_targets_need(name: str, words: str) -> None:
    assert needed_features(load(name)).words == words


@pytest.mark.parametrize(
    ("flags", "words"), [("", "none"), (V4, "x86-64-v3"), (f"{V4} {V4_ALONE}", "x86-64-v3, x86-64-v4")]
)
def test_what_this_kind_of_machine_needs(flags: str, words: str) -> None:
    assert needed_features(host("x86_64", "Linux", frozenset(flags.split()))).words == words


def test_soft_floats_need_no_fpu() -> None:
    adapter = TypeAdapter(Target)
    content = adapter.dump_python(load("cortex-m4"), mode="json")
    soft = content | {"float_abi": "soft", "triple": "thumbv7em-none-none-eabi", "features": []}
    assert needed_features(adapter.validate_json(TypeAdapter(dict).dump_json(soft))) == CoreFeature(0)


def test_bits_that_nobody_knows_are_shown() -> None:
    assert (CoreFeature.MVE | CoreFeature(1 << 20)).words == "mve, 0x100000"
