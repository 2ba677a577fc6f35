"""memset, memcpy and memmove of the bare-metal port against Python's own slices."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.descriptions import load
from targets.toolchain import find_compiler, missing_compiler_message

SOURCE = Path(__file__).resolve().parents[3] / "firmware_hooks" / "ports" / "cmsdk" / "memory_functions.c"
BYTES = 96
places = st.integers(0, BYTES)


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The functions under other names, so that the C library of this process stays as it is."""
    target = load("host")
    compiler = find_compiler(target)
    if compiler is None:
        pytest.skip(missing_compiler_message(target))
    folder = tmp_path_factory.mktemp("memory")
    renamed = "".join(f"#define {name} fan_{name}\n" for name in ("memset", "memcpy", "memmove"))
    (folder / "renamed.c").write_text(f'{renamed}#include "{SOURCE}"\n')
    objects = compiler.compile_objects([folder / "renamed.c"], [], folder)
    compiler.link_shared(objects, folder / "libmemory.so")
    library = ctypes.CDLL(str(folder / "libmemory.so"))
    for name in ("fan_memset", "fan_memcpy", "fan_memmove"):
        function = getattr(library, name)
        function.restype = ctypes.c_void_p
        second = ctypes.c_int if name == "fan_memset" else ctypes.c_void_p
        function.argtypes = [ctypes.c_void_p, second, ctypes.c_size_t]
    return library


@given(start=places, count=places, value=st.integers(-300, 300))
def test_memset(functions: ctypes.CDLL, start: int, count: int, value: int) -> None:
    count = min(count, BYTES - start)
    memory = ctypes.create_string_buffer(bytes(range(BYTES)), BYTES)
    expected = bytearray(range(BYTES))
    expected[start : start + count] = bytes([value % 256]) * count
    target = ctypes.addressof(memory) + start
    assert functions.fan_memset(target, value, count) == target
    assert memory.raw == expected


@pytest.mark.parametrize("name", ["fan_memmove", "fan_memcpy"])
@given(start=places, source=places, count=places)
def test_copies(functions: ctypes.CDLL, name: str, start: int, source: int, count: int) -> None:
    count = min(count, BYTES - start, BYTES - source)
    if name == "fan_memcpy" and abs(start - source) < count:
        return
    memory = ctypes.create_string_buffer(bytes(range(BYTES)), BYTES)
    expected = bytearray(range(BYTES))
    expected[start : start + count] = expected[source : source + count]
    target = ctypes.addressof(memory) + start
    assert getattr(functions, name)(target, ctypes.addressof(memory) + source, count) == target
    assert memory.raw == expected
