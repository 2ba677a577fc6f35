"""Engines built of small networks as a bundle is, and what a network makes of a mosaic by PyTorch in float64."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from compile import elf_object, model_tables
from compile.fusion import fuse
from compile.kernel_object import compile_kernels
from compile.model_tables import Specialist
from compile.network_graph import Node
from compile.relax_import import to_graph, to_relax
from compile.row_kernels.kernel import Tiling, Vectors, scheduled
from compile.tvm_target import tvm_target
from denoiser.denoise import PLANE_COLOURS
from denoiser.network import INPUT_CHANNELS, FeatureAlignNetwork
from denoiser.normalisation import apply_residual, network_input
from denoiser.packing import pack, unpack
from isp.cfa import Cfa
from targets.descriptions import load
from tests.compile.compiled_kernels import c_compiler
from tests.compile.graphs import add, clip, convolved, executed, graph_of, logarithm, multiply, relu, shuffled
from tests.compile.small_networks import FOUR_SCALES, GAMMA_FREE, ONE_SCALE, UNALIGNED, random_network

HOOKS = Path(str(files("firmware_hooks")))
ENGINE_SOURCES = tuple(HOOKS / "src" / name for name in ("fan.c", "fan_frame.c"))
HALO_PX = 48
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion")
OK, BAD_ARGUMENT, BAD_SIZE, ARENA_TOO_SMALL, STOPPED = range(5)

Apply = Callable[[np.ndarray], np.ndarray]
"""A network on an image [5, H, W], in float64."""


@dataclass(frozen=True)
class Noise:
    """Variance of the noise = shot * x + read, of R, G, B; float32 values."""

    shot: tuple[float, float, float]
    read: tuple[float, float, float]

    @classmethod
    def of(cls, shot: Sequence[float], read: Sequence[float]) -> Noise:
        (a, b, c), (d, e, f) = np.float32(shot).tolist(), np.float32(read).tolist()
        return cls((a, b, c), (d, e, f))


USUAL = Noise.of([2e-3, 1e-3, 8e-4], [1e-5, 8e-6, 2e-5])


@dataclass(frozen=True)
class Network:
    """graph: for an image of that height and width."""

    name: str
    graph: Callable[[int, int], Node]
    apply: Apply
    chosen_from: float

    @classmethod
    def of(cls, name: str, network: FeatureAlignNetwork, chosen_from: float) -> Network:
        exact = random_network(network.architecture)
        exact.load_state_dict(network.state_dict())
        exact.to(torch.float64)

        def apply(image: np.ndarray) -> np.ndarray:
            return exact(torch.from_numpy(image)[None])[0].numpy()

        return cls(name, lambda height, width: graph_of(network, height), apply, chosen_from)

    def denoised(self, mosaic: np.ndarray, noise: Noise) -> np.ndarray:
        """What is to come out, with zeros beyond the mosaic's border: float64 [H, W]."""
        shot, read = (
            torch.tensor([values[colour] for colour in PLANE_COLOURS], dtype=torch.float64)[None, :, None, None]
            for values in (noise.shot, noise.read)
        )
        planes = pack(mosaic, Cfa.RGGB).to(torch.float64)
        with torch.no_grad():
            residual = torch.from_numpy(self.apply(network_input(planes, shot, read)[0].numpy()))[None]
            return unpack(apply_residual(planes, residual, shot, read), Cfa.RGGB)


def unusual_graph(height: int, width: int) -> Node:
    """Layers in an order that no group of operations holds, so that each is done by a kernel of its own; among them
    functions that aren't zero at zero, whose values in channels that aren't there must reach nothing."""
    generator = np.random.default_rng(7)

    def some(*shape: int) -> np.ndarray:
        return (generator.normal(size=shape) * 0.4).astype(np.float32)

    image = _image(height, width)
    stem = convolved(image, some(6, INPUT_CHANNELS, 3, 3), some(6), padding=1)
    seen = convolved(relu(stem), some(6, 1, 3, 3), some(6), padding=1, groups=6)
    positive = clip(convolved(image, 0.1 * some(6, INPUT_CHANNELS, 1, 1), np.full(6, 3, np.float32)), 0.0, 4.0)
    features = multiply(clip(seen, -1.0, 1.0), add(logarithm(positive), stem))
    block = convolved(features, some(6, 1, 3, 3), some(6), padding=1, groups=6)
    block = add(features, convolved(relu(convolved(block, some(9, 6, 1, 1), some(9))), some(6, 9, 1, 1), some(6)))
    coarse = convolved(block, some(8, 6, 2, 2), some(8), stride=2)
    up = clip(shuffled(convolved(coarse, some(24, 8, 1, 1), some(24))), -2.0, 2.0)
    return convolved(multiply(up, block), 0.05 * some(4, 6, 3, 3), 0.1 * some(4), padding=1)


class Foreign(nn.Module):
    """What a Feature-Align network does not consist of, and there are no templates for."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem = nn.Conv2d(INPUT_CHANNELS, 6, 3, padding=1)
        self.gain = nn.Parameter(torch.rand(1, 6, 1, 1) + 0.5)
        self.grouped = nn.Conv2d(6, 12, 3, padding=1, groups=3)
        self.more = nn.Conv2d(6, 18, 3, padding=1, groups=6)
        self.strided = nn.Conv2d(18, 12, 3, stride=2, padding=1)
        self.sampled = nn.Conv2d(18, 12, 1, stride=2)
        self.up = nn.Conv2d(12, 24, 1)
        self.last = nn.Conv2d(6, 4, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        stem = functional.gelu(self.stem(image)) * self.gain
        grouped = functional.silu(self.grouped(stem))
        more = functional.leaky_relu(self.more(stem - 0.25), 0.1)
        coarse = torch.maximum(self.strided(more), self.sampled(more)) - functional.max_pool2d(grouped, 2)
        coarse = coarse / (1.5 + functional.avg_pool2d(torch.abs(coarse), 3, 1, 1))
        return self.last(functional.pixel_shuffle(self.up(functional.avg_pool2d(coarse, 1) + torch.tanh(coarse)), 2))


def foreign_network() -> Network:
    exact = Foreign().to(torch.float64)

    def apply(image: np.ndarray) -> np.ndarray:
        return exact(torch.from_numpy(image)[None])[0].numpy()

    return Network("foreign", lambda height, _: to_graph(to_relax(Foreign(), INPUT_CHANNELS, height)), apply, 0.5)


def _image(height: int, width: int) -> Node:
    from compile.network_graph import Image

    return Image((INPUT_CHANNELS, height, width))


NETWORKS = (
    Network.of("four-scales", random_network(FOUR_SCALES), 0.0),
    Network.of("unaligned", random_network(UNALIGNED), 1e-4),
    Network.of("four-scales-again", random_network(FOUR_SCALES, seed=1), 3e-4),
    Network.of("gamma-free", random_network(GAMMA_FREE), 0.0017),
    Network.of("one-scale", random_network(ONE_SCALE), 0.02),
    Network("unusual", unusual_graph, lambda image: executed(unusual_graph(*image.shape[1:]), image), 0.3),
    foreign_network(),
)
"""The first and the third are of one shape."""


@dataclass(frozen=True)
class Engine:
    """Objects and sources of a bundle for this machine."""

    folder: Path
    networks: tuple[Network, ...]
    specialists: tuple[Specialist, ...]
    scratch_bytes: int

    @property
    def objects(self) -> list[Path]:
        return [self.folder / "kernels.o", self.folder / "weights.o"]

    @property
    def tables(self) -> Path:
        return self.folder / "fan_model.c"

    def linked(self, sources: Sequence[Path], output: str, *options: str) -> Path:
        """The engine's objects with C sources."""
        path = self.folder / output
        include = [f"-I{HOOKS / 'include'}", f"-I{HOOKS / 'src'}"]
        command = [c_compiler(), *WARNINGS, *options, *include, *sources, *self.objects, "-o", path, "-lm"]
        subprocess.run(command, check=True)
        return path


def build_engine(networks: Sequence[Network], vectors: Vectors, tiling: Tiling, folder: Path) -> Engine:
    specialists = tuple(
        Specialist(each.name, fuse(each.graph(32, 32), vectors.lanes), each.chosen_from, HALO_PX) for each in networks
    )
    kernels = dict.fromkeys(kernel for each in specialists for kernel in model_tables.kernels_of(each.program))
    functions = {model_tables.symbol(kernel): scheduled(kernel, vectors, tiling) for kernel in kernels}
    target = load("host")
    compiled = compile_kernels(functions, tvm_target(target), folder / "kernels.o")
    values = np.dtype(vectors.values)
    weights = {
        model_tables.weights_symbol(index): model_tables.packed_weights(each.program, values)
        for index, each in enumerate(specialists)
    }
    elf_object.write(folder / "weights.o", elf_object.machine_of(target.triple), weights)
    tables = model_tables.write_tables(specialists, values.itemsize, compiled.scratch_bytes)
    (folder / "fan_model.c").write_text(tables)
    return Engine(folder, tuple(networks), specialists, compiled.scratch_bytes)


class NoiseStruct(ctypes.Structure):
    """fan_noise."""

    _fields_ = (("shot", ctypes.c_float * 3), ("read", ctypes.c_float * 3))


RowFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, *(ctypes.c_uint32,) * 3, ctypes.POINTER(ctypes.c_float))
"""Both callbacks of a fan_frame."""


class FrameStruct(ctypes.Structure):
    """fan_frame."""

    _fields_ = (
        *(("width", ctypes.c_uint32), ("height", ctypes.c_uint32), ("bayer", ctypes.c_int)),
        *(("context", ctypes.c_void_p), ("read", RowFunction), ("write", RowFunction)),
    )


class Fan:
    """The functions of fan.h, as they are."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))
        number, pointer, size = ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t
        noise = ctypes.POINTER(NoiseStruct)
        self._declare("fan_abi_version", number)
        self._declare("fan_specialist_count", number)
        self._declare("fan_specialist_name", ctypes.c_char_p, number)
        self._declare("fan_specialist_for", number, noise)
        self._declare("fan_halo", number, number)
        self._declare("fan_arena_bytes", size, number, number, number)
        run = (number, noise, pointer, size, pointer, size, number, number, pointer, size)
        self._declare("fan_run", ctypes.c_int32, *run)
        self._declare("fan_begin", ctypes.c_int32, pointer, *run)
        self._declare("fan_advance", ctypes.c_int, pointer)
        self._declare("fan_rows_done", number, pointer)
        self._declare("fan_arena_bytes_of_parts", size, number, number, number, number)
        self._declare("fan_run_part", ctypes.c_int32, *run, number, number, pointer)
        self._declare("fan_begin_part", ctypes.c_int32, pointer, *run, number, number, pointer)
        self._declare("fan_frame_bytes", size, number, number, number)
        self._declare("fan_frame_strip", number, number, number, size)
        self._declare("fan_frame_run", ctypes.c_int32, number, noise, ctypes.POINTER(FrameStruct), pointer, size)

    def _declare(self, name: str, result: type, *arguments: type) -> None:
        function = getattr(self.library, name)
        function.restype, function.argtypes = result, arguments
        setattr(self, name.removeprefix("fan_"), function)

    def denoised(self, specialist: int, mosaic: np.ndarray, noise: Noise, filling: int = 0xFF) -> np.ndarray:
        """One tile, with an arena full of a byte."""
        height, width = mosaic.shape
        arena = Arena(self.arena_bytes(specialist, width, height), filling)
        mosaic, out = np.ascontiguousarray(mosaic, np.float32), np.empty((height, width), np.float32)
        status = self.run(
            *(specialist, NoiseStruct(noise.shot, noise.read), mosaic.ctypes.data, width),
            *(out.ctypes.data, width, width, height, arena.address, arena.size_bytes),
        )
        assert status == OK
        return out


class Arena:
    """Memory at a multiple of 64 bytes."""

    def __init__(self, size_bytes: int, filling: int = 0) -> None:
        self.size_bytes = size_bytes
        self._block = np.full(size_bytes + 64, filling, np.uint8)
        self.address = self._block.ctypes.data + -self._block.ctypes.data % 64


def mosaic_of(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Shadows, lights, black, values below black and deep below it: float32 [H, W]."""
    generator = np.random.default_rng(seed)
    mosaic = generator.uniform(-0.01, 1.0, (height, width))
    kind = generator.integers(0, 12, (height, width))
    mosaic[kind == 0] = 0
    mosaic[kind == 1] = -0.003
    mosaic[kind == 2] = -0.5
    mosaic[kind == 3] = 3
    return mosaic.astype(np.float32)
