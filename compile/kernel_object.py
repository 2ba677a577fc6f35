"""TensorIR functions to one object file, without TVM's runtime.

TVM's own lowering ends in functions that check and unpack arguments for its runtime. Here they take raw
pointers, and whatever they keep in memory for the time of a call lies in scratch that the caller gives: no
allocation, nothing but the kernel's own code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tvm
from tvm import s_tir, tirx
from tvm.ir import IRModule, PointerType, PrimType
from tvm.tirx import PrimFunc, Stmt

from isp.atomic import replacing

MOST_STACK_BYTES = 1024
"""Larger local arrays would be allocated by TVM's runtime; they go into scratch."""
SCRATCH_ALIGNMENT = 64
CPU = 1
"""DLPack's device type."""
OWN_NAMES = {b"__extendhfsf2": b"fan_extendhf2", b"__truncsfhf2": b"fan_truncsf2"}
"""TVM puts conversions of half precision into every object, under the names of the compiler's own library: a program
that links it could get either. Names of equal length take their place in the table of strings."""


@dataclass(frozen=True)
class CompiledKernels:
    """scratch_bytes: what the hungriest kernel needs. module: TVM's, from which the object was written."""

    scratch_bytes: int
    module: tvm.runtime.Module

    @property
    def assembly(self) -> str:
        """For those who want to read it; LLVM generates the code anew for this."""
        return self.module.inspect_source("s")


def compile_kernels(functions: Mapping[str, PrimFunc], target: tvm.target.Target, path: Path) -> CompiledKernels:
    """Writes the functions, under their C names, into an object file for `target`."""
    module = IRModule({name: function.with_attr("global_symbol", name) for name, function in functions.items()})
    module = _flattened(module, target)
    raw: dict[tvm.ir.GlobalVar, PrimFunc] = {}
    most_scratch = 0
    for variable, function in module.functions_items():
        kernel, scratch = _with_raw_pointers(function, target)
        raw[tvm.ir.GlobalVar(variable.name_hint)] = kernel
        most_scratch = max(most_scratch, scratch)
    lowered = _lowered(IRModule(raw))
    built = tvm.get_global_func("target.build.llvm")(lowered, target)
    with replacing(path) as temporary:
        built.write_to_file(str(temporary), "o")
        content = temporary.read_bytes()
        for name, own_name in OWN_NAMES.items():
            content = content.replace(b"\0" + name + b"\0", b"\0" + own_name + b"\0")
        temporary.write_bytes(content)
    return CompiledKernels(most_scratch, built)


def _flattened(module: IRModule, target: tvm.target.Target) -> IRModule:
    s = s_tir.transform
    passes = [
        tirx.transform.BindTarget(target.with_host(target)),
        s.CanonicalizeLoop(),
        s.LowerInitBlock(),
        s.PlanAndUpdateBufferAllocationLocation(),
        s.ConvertBlocksToOpaque(),
        s.CompactBufferAllocation(),
        s.LowerMatchBuffer(),
        s.StmtSimplify(),
        s.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
    ]
    return tvm.transform.Sequential(passes)(module)


def _lowered(module: IRModule) -> IRModule:
    t, s = tirx.transform, s_tir.transform
    passes = [
        t.NarrowDataType(32),
        s.LoopPartition(),
        t.VectorizeLoop(True),
        t.StorageRewrite(),
        t.UnrollLoop(),
        s.RenormalizeSplitPattern(),
        t.StmtSimplify(),
        t.RemoveNoOp(),
        s.RewriteUnsafeSelect(),
        t.CommonSubexprElim(),
        t.LowerTVMBuiltin(),
        t.LowerIntrin(),
    ]
    return tvm.transform.Sequential(passes)(module)


def _with_raw_pointers(function: PrimFunc, target: tvm.target.Target) -> tuple[PrimFunc, int]:
    """(the function with pointers for its buffers and for scratch, bytes of scratch)."""
    parameters, declared = [], []
    for parameter in function.params:
        if not tirx.buffer.is_buffer_var(parameter):
            parameters.append(parameter)
            continue
        pointer = _pointer(f"{parameter.name}_pointer", str(parameter.ty.dtype))
        parameters.append(pointer)
        declared.append(tirx.DeclBuffer(parameter, data=pointer))
    scratch = _Scratch(_pointer("scratch", "float32"))
    body = tirx.SeqStmt([*declared, scratch.moved(function.body)])
    body = tirx.AttrStmt("default", "device_id", tirx.const(0, "int32"), body)
    body = tirx.AttrStmt("default", "device_type", tirx.const(CPU, "int32"), body)
    body = tirx.SeqStmt([body, tirx.stmt.Return(tirx.const(0, "int32"))])
    raw = tirx.PrimFunc([*parameters, scratch.pointer], body, PrimType("int32"), function.attrs)
    return raw.with_attr("target", target).with_attr("tirx.noalias", True), scratch.size_bytes


def _pointer(name: str, dtype: str) -> tvm.ir.Var:
    return tvm.ir.Var(name, PointerType(PrimType(dtype), "global"))


class _Scratch:
    """Gives a function's large local arrays places behind one pointer; size_bytes: how much they take."""

    def __init__(self, pointer: tvm.ir.Var) -> None:
        self.pointer = pointer
        self.size_bytes = 0

    def moved(self, statement: Stmt) -> Stmt:
        """The statement with its large allocations replaced."""
        if isinstance(statement, tirx.SeqStmt):
            return tirx.SeqStmt([self.moved(part) for part in statement.seq])
        if isinstance(statement, tirx.For):
            return tirx.For(
                statement.loop_var,
                statement.min,
                statement.extent,
                statement.kind,
                self.moved(statement.body),
                annotations=statement.annotations,
            )
        return self._placed(statement) if isinstance(statement, tirx.AllocBuffer) else statement

    def _placed(self, allocation: tirx.AllocBuffer) -> Stmt:
        buffer = allocation.buffer
        count = math.prod(int(size) for size in buffer.ty.shape)
        taken = count * np.dtype(str(buffer.ty.dtype)).itemsize
        if taken < MOST_STACK_BYTES:
            return allocation
        place = tirx.handle_add_byte_offset(self.pointer, self.size_bytes)
        self.size_bytes += -(-taken // SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT
        return tirx.DeclBuffer(buffer, data=place)
