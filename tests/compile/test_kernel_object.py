"""Object files of kernels: for every architecture, without a compiler, and with nothing in them but kernels."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tvm import relax, te, tirx
from tvm.relax import op
from tvm.tirx import PrimFunc

from compile.elf_object import AARCH64, ARM, X86_64, Machine, defined_symbols
from compile.kernel_object import MOST_STACK_BYTES, compile_kernels
from compile.network_graph import Window
from compile.row_kernels.convolution import RowConvolution
from compile.row_kernels.depthwise import RowDepthwise
from compile.row_kernels.elementwise import RowElementwise
from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling, Vectors, operands, scheduled
from compile.row_kernels.relax_operator import RowRelaxOperator
from compile.row_kernels.residual_block import Alignment, BlockWeights, RowBlock
from compile.row_kernels.restore import RowRestore
from compile.row_kernels.stabilise import RowStabilise
from compile.tvm_target import tvm_target
from targets.descriptions import Precision, load
from tests.compile.compiled_kernels import Memory, columns_of, compiled_here, scattered

ALIGNED = Alignment(image_inputs=5, image_pitch=8, hidden=8, low=0.0, high=2.0)


def kernels() -> list[RowKernel]:
    """One of every template, whole vectors of eight."""
    return [
        RowConvolution(3, 5, 8, 16, "none"),
        RowConvolution(2, 5, 8, 16, "none"),
        RowConvolution(1, 5, 8, 16, "side"),
        RowDepthwise(2, 8),
        RowBlock(16, 32, ALIGNED),
        RowElementwise("clip", 8, low=0.0, high=1.0),
        RowStabilise(8),
        RowRestore(8),
    ]


def run(program: str, *arguments: object) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


def undefined_symbols(path: Path) -> set[str]:
    """Of an object for any machine."""
    rows = [line.split() for line in run("readelf", "-sW", path).splitlines()]
    return {row[7] for row in rows if len(row) == 8 and row[6] == "UND"}


TARGETS = [
    ("host", Precision.FLOAT32, X86_64),
    ("arm64", Precision.FLOAT32, AARCH64),
    ("cortex-a76", Precision.FLOAT16, AARCH64),
    ("cortex-m4", Precision.FLOAT32, ARM),
    ("cortex-m7", Precision.FLOAT32, ARM),
    ("cortex-m55", Precision.FLOAT32, ARM),
    ("cortex-m55", Precision.FLOAT16, ARM),
]


@pytest.mark.parametrize(
    ("name", "precision", "machine"), TARGETS, ids=lambda value: getattr(value, "name", str(value))
)
def test_objects_hold_the_kernels_and_need_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, precision: Precision, machine: Machine
) -> None:
    target, path = load(name), tmp_path / "kernels.o"
    vectors = Vectors(str(precision), target.lanes[precision])
    functions = {f"fan_k_{each.name}": scheduled(each, vectors, Tiling(4, 2, 8)) for each in kernels()}
    with monkeypatch.context() as patch:
        # No tool is called, and none could be found.
        patch.setenv("PATH", str(tmp_path))
        patch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
        compile_kernels(functions, tvm_target(target), path)
    if name == "host" and load("host").triple.startswith("aarch64"):
        machine = AARCH64
    (number,) = struct.unpack_from("<H", path.read_bytes(), 18)
    assert number == machine.number
    names = defined_symbols(path)
    assert set(functions) <= set(names)
    # Nothing that another object could mean: TVM adds conversions of half precision to each.
    assert all(each.startswith("fan_") for each in names)
    assert undefined_symbols(path) == set()
    assert [entry.name for entry in tmp_path.iterdir()] == ["kernels.o"]


def test_undefined_symbols_would_be_seen(tmp_path: Path) -> None:
    source = tmp_path / "some.c"
    source.write_text("int elsewhere(void);\nint here(void) { return elsewhere(); }\n")
    run("gcc", "-c", source, "-o", tmp_path / "some.o")
    assert undefined_symbols(tmp_path / "some.o") == {"elsewhere"}


def test_functions_of_tvm_need_no_more_than_the_library_of_mathematics(tmp_path: Path) -> None:
    target = load("arm64")
    image = relax.Var("first", relax.TensorType((1, 8, 8, 8), "float32"))
    calls = [relax.BlockBuilder().normalize(make(image)) for make in (op.sigmoid, op.tanh, op.log, op.erf, op.cos)]
    kernels = [RowRelaxOperator(call, Window(), (8,), 8) for call in calls]
    functions = {each.name: scheduled(each, Vectors("float32", 4), Tiling(4, 2, 8)) for each in kernels}
    compile_kernels(functions, tvm_target(target), tmp_path / "kernels.o")
    assert undefined_symbols(tmp_path / "kernels.o") <= {"expf", "tanhf", "logf", "erff", "cosf"}


def test_equal_kernels_give_equal_objects(tmp_path: Path) -> None:
    target, contents = tvm_target(load("arm64")), []
    for name in ("once", "again"):
        functions = {each.name: scheduled(each, Vectors("float32", 4), Tiling(4, 2, 8)) for each in kernels()[2:5]}
        compile_kernels(functions, target, tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_vectors_of_the_core_are_used(tmp_path: Path) -> None:
    """Products are summed in whole vectors, not value by value."""
    kernel = RowConvolution(1, 8, 8, 16, "none")
    for name, instruction in (("arm64", r".4s"), ("cortex-m55", "vfma.f32")):
        function = scheduled(kernel, Vectors("float32", 4), Tiling(4, 2, 8))
        assembly = compile_kernels({"k": function}, tvm_target(load(name)), tmp_path / "k.o").assembly
        sums = [line for line in assembly.splitlines() if "fmla" in line or "vfma" in line]
        assert len(sums) >= 8
        assert all(instruction in line for line in sums)


def twice(before: te.Tensor, length: int, i: te.Var) -> tirx.Expr:
    return 2 * before[i % length] + 1


def chain(*sizes: int) -> PrimFunc:
    """A function that keeps as many values in an array, each twice one of the array before, and ends with sums over
    one value of every array: all of them are alive until then."""
    a = operands(0, "float32")
    stages = [te.compute(sizes[:1], lambda i: a.rows[a.row[0] + i % 32], name="stage0")]
    for number, size in enumerate(sizes[1:], 1):
        before, length = stages[-1], sizes[number - 1]
        stages.append(te.compute((size,), partial(twice, before, length), name=f"stage{number}"))
    return a.function(te.compute((COLUMNS,), lambda i: sum(stage[i + 1] for stage in stages), name="out"))


def chained(row: np.ndarray, *sizes: int) -> np.ndarray:
    """What `chain` is to compute."""
    stages: list[np.ndarray] = []
    for size in sizes:
        index = np.arange(size)
        stages.append(2 * stages[-1][index % stages[-1].size] + 1 if stages else row[index % 32])
    return sum(stage[1 : 1 + COLUMNS] for stage in stages)


LEAST = MOST_STACK_BYTES // 4


@pytest.mark.parametrize(
    ("sizes", "counted"),
    [
        ((LEAST - 1, 40), 0),
        ((LEAST,), MOST_STACK_BYTES),
        ((LEAST - 1, LEAST, 100), MOST_STACK_BYTES),
        ((257, 301, 259), 1088 + 1216 + 1088),  # 1028, 1204 and 1036 bytes, each aligned
        ((256, 16, 512, 300), 1024 + 2048 + 1216),
    ],
    ids=str,
)
def test_large_arrays_lie_in_scratch_beside_each_other(tmp_path: Path, sizes: tuple[int, ...], counted: int) -> None:
    """The result is right, so that no array is written over, and nothing beyond the counted bytes is touched."""
    compiled = compiled_here({"k": chain(*sizes)}, tmp_path)
    assert compiled.scratch_bytes == counted
    row = np.random.default_rng(0).normal(size=32).astype(np.float32)
    memory, places = scattered([row[:, None]], 0, 32)
    found = compiled.call(
        "k", rows=memory, places=places, weights=Memory(np.zeros(1, np.float32)), chunks=1, out_shape=(COLUMNS,)
    )
    np.testing.assert_allclose(found, chained(row, *sizes), rtol=1e-5, atol=1e-5)


def test_scratch_is_that_of_the_hungriest_kernel(tmp_path: Path) -> None:
    functions = {f"k{number}": chain(*sizes) for number, sizes in enumerate([(256,), (512, 300), (400,), (10,)])}
    found = compile_kernels(functions, tvm_target(load("host")), tmp_path / "k.o").scratch_bytes
    assert found == 2048 + 1216


def test_a_block_of_many_channels_computes_the_same_in_scratch(tmp_path: Path) -> None:
    kernel, columns = RowBlock(32, 64, None), columns_of(2)
    generator = np.random.default_rng(1)
    rows = [generator.normal(size=(columns + 2, 32)).astype(np.float32) for _ in range(3)]
    memory, places = scattered(rows, 1, 32)
    results, scratch = [], []
    for tile_columns in (8, 1):
        function = scheduled(kernel, Vectors("float32", 8), Tiling(tile_columns, 2, 8))
        compiled = compiled_here({"k": function}, tmp_path / str(tile_columns))
        scratch.append(compiled.scratch_bytes)
        weights = Memory(filled(kernel))
        results.append(
            compiled.call("k", rows=memory, places=places, weights=weights, chunks=2, out_shape=(columns, 32))
        )
    assert scratch[0] > 0 == scratch[1]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5, atol=1e-5)
    assert np.std(results[0]) > 0.5


def filled(kernel: RowBlock) -> np.ndarray:
    """Packed weights of a block without alignment."""
    generator = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return (generator.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)

    weights = BlockWeights(
        some(kernel.channels, 3, 3),
        some(kernel.channels),
        some(kernel.wide, kernel.channels),
        some(kernel.wide),
        some(kernel.channels, kernel.wide),
        some(kernel.channels),
        None,
    )
    return kernel.packed(weights, 8)


def test_an_object_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "no such folder" / "k.o"
    function = scheduled(RowElementwise("add", 8), Vectors("float32", 8), Tiling(1, 1, 1))
    with pytest.raises(Exception, match=r"k\.o|No such file"):
        compile_kernels({"k": function}, tvm_target(load("host")), path)
    assert list(tmp_path.iterdir()) == []
