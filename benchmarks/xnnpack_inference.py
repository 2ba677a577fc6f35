"""Runs a network in XNNPACK a number of times; a program for the 64-bit Arm Python that `arm_python` prepares.

    python xnnpack_inference.py FOLDER REPETITIONS

In FOLDER are the network and `in.npy`, float32 [channels, height, width]; there `out.npy` is left, of the same kind,
and `maps`, what lies where in memory, as Linux has it. One thread. XNNPACK is ExecuTorch's, whose library exports
its C interface; neither ExecuTorch's own code nor PyTorch is needed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import sys
from ctypes import POINTER, byref, c_float, c_size_t, c_uint32, c_void_p
from pathlib import Path

import numpy as np

CALLS, WEIGHTS = "network.json", "weights.npy"
LIBRARIES = ("libexecutorch.so", "libexecutorch_threadpool.so", "libexecutorch_backend_xnnpack.so")
"""Each after what it needs."""
FLOAT32 = 1
INPUT, OUTPUT = 1, 2
EXTRA_VALUES = 16
"""What XNNPACK may read beyond an array's end, and more."""
GEOMETRY = (c_uint32,) * 10
"""Padding on four sides; height and width of the kernel, of its steps, and of its dilation."""
LIMITS = (c_float,) * 2
ARGUMENTS = {
    "xnn_initialize": (c_void_p,),
    "xnn_create_subgraph": (c_uint32, c_uint32, c_void_p),
    "xnn_define_tensor_value": (
        *(c_void_p, c_uint32, c_size_t, POINTER(c_size_t), c_void_p, c_uint32, c_uint32, POINTER(c_uint32)),
    ),
    "xnn_define_convolution_2d": (c_void_p, *GEOMETRY, c_uint32, *(c_size_t,) * 2, *LIMITS, *(c_uint32,) * 5),
    "xnn_define_depthwise_convolution_2d": (c_void_p, *GEOMETRY, c_uint32, c_size_t, *LIMITS, *(c_uint32,) * 5),
    "xnn_define_add2": (c_void_p, *LIMITS, *(c_uint32,) * 4),
    "xnn_define_multiply2": (c_void_p, *LIMITS, *(c_uint32,) * 4),
    "xnn_define_clamp": (c_void_p, *LIMITS, *(c_uint32,) * 3),
    "xnn_define_depth_to_space_2d": (c_void_p, *(c_uint32,) * 4),
    "xnn_create_runtime": (c_void_p, c_void_p),
    "xnn_setup_runtime": (c_void_p, c_size_t, c_void_p),
    "xnn_invoke_runtime": (c_void_p,),
}


class ExternalValue(ctypes.Structure):
    _fields_ = (("index", c_uint32), ("data", c_void_p))


class Xnnpack:
    def __init__(self) -> None:
        package = importlib.util.find_spec("executorch")
        if package is None or not package.submodule_search_locations:
            sys.exit("executorch is not installed")
        folder = Path(package.submodule_search_locations[0], "lib")
        self._library = [ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL) for name in LIBRARIES][-1]

    def call(self, name: str, *arguments: object) -> None:
        function = self._library[name]
        function.argtypes = ARGUMENTS[name]
        status = function(*arguments)
        if status != 0:
            sys.exit(f"XNNPACK: {name} failed with status {status}: {arguments}")


def main() -> None:
    folder, repetitions = Path(sys.argv[1]), int(sys.argv[2])
    network = json.loads((folder / CALLS).read_text())
    weights = with_extra(np.load(folder / WEIGHTS))
    xnnpack, subgraph, runtime = Xnnpack(), c_void_p(), c_void_p()
    xnnpack.call("xnn_initialize", None)
    xnnpack.call("xnn_create_subgraph", len(network["values"]), 0, byref(subgraph))
    image = np.load(folder / "in.npy").transpose(1, 2, 0)
    external = {}
    for index, (shape, place, flags) in enumerate(network["values"]):
        data = None if place < 0 else weights[place:].ctypes.data
        sizes = (c_size_t * len(shape))(*shape)
        tensor = (FLOAT32, len(shape), sizes, data, index, flags, byref(c_uint32()))
        xnnpack.call("xnn_define_tensor_value", subgraph, *tensor)
        if flags == INPUT:
            external[index] = with_extra(image)
        if flags == OUTPUT:
            out_shape = shape
            external[index] = out = with_extra(np.zeros(shape, np.float32))
    for name, arguments in network["calls"]:
        xnnpack.call(name, subgraph, *arguments)
    xnnpack.call("xnn_create_runtime", subgraph, byref(runtime))
    values = (ExternalValue * len(external))()
    for value, (index, memory) in zip(values, external.items(), strict=True):
        value.index, value.data = index, memory.ctypes.data
    xnnpack.call("xnn_setup_runtime", runtime, len(values), values)
    for _ in range(repetitions):
        xnnpack.call("xnn_invoke_runtime", runtime)
    np.save(folder / "out.npy", out[:-EXTRA_VALUES].reshape(out_shape)[0].transpose(2, 0, 1))
    (folder / "maps").write_text(Path("/proc/self/maps").read_text())


def with_extra(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values.ravel(), np.zeros(EXTRA_VALUES, np.float32)])


main()
