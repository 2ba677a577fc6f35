"""A bundle: everything an integrator links, loads and checks, in one folder.

manifest.json                       what it is; comes last
include/fan.h, include/fan_frame.h  the interface: of tiles, and of whole frames
src/                                the engine, and the tables of this bundle's networks
lib/kernels.o, lib/weights.o        made by TVM's LLVM and by `elf_object`: they need no C compiler
lib/libfan.a                        them, and the engine where a C compiler was found
lib/libfan.so                       where the target has an operating system, too
golden/                             inputs, and what the float model makes of them
verification.json, report.html      what the target's code made of them
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import tvm

from compile import elf_object, golden, model_tables, static_archive, tilings
from compile.arena import arena_bytes
from compile.fusion import fuse
from compile.kernel_object import compile_kernels
from compile.model_tables import Specialist
from compile.networks import SourceFamily
from compile.relax_import import to_graph, to_relax
from compile.report import verification_page
from compile.row_kernels.kernel import RowKernel, Tiling, Vectors, scheduled
from compile.tuning import records
from compile.tvm_target import tvm_target
from compile.verification import Verification
from denoiser.network import INPUT_CHANNELS, complexity, receptive_field
from isp.atomic import replacing
from isp.report.sidecar import sha256
from targets import descriptions
from targets.descriptions import OperatingSystem, Precision, Target
from targets.golden import FOLDER as GOLDEN_FOLDER
from targets.golden import GoldenSet
from targets.toolchain import Compiler

SCHEMA = 1
ABI = 2
MANIFEST = "manifest.json"
VERIFICATION, REPORT = "verification.json", "report.html"
STATIC, SHARED = "lib/libfan.a", "lib/libfan.so"
KERNELS, WEIGHTS = "lib/kernels.o", "lib/weights.o"
ENGINE, TABLES = ("src/fan.c", "src/fan_frame.c"), "src/fan_model.c"
ENGINE_HEADERS = tuple(f"src/fan_{part}.h" for part in ("groups", "model", "noise", "normalisation", "rows", "team"))
HOOKS = ("include/fan.h", "include/fan_frame.h", *ENGINE, *ENGINE_HEADERS)
"""Taken over from firmware_hooks."""
TUNING = Path("build/tuning")
"""Where the user's own tuning records are kept."""
RUNNER = Path(__file__).with_name("runner.c")
SHOWN_WIDTHS_PX = (*range(32, 257, 32), 512, 1024, 4096)
"""Widths for which the manifest says how much memory a call needs; it grows evenly from one to the same 256 on."""


@dataclass(frozen=True)
class Request:
    """What to compile. compiler: for C, None where there is none for the target."""

    target: Target
    precision: Precision
    family: SourceFamily
    compiler: Compiler | None

    @cached_property
    def specialists(self) -> tuple[Specialist, ...]:
        """The family's networks as programs. Raises UnsupportedOperator for one there are no kernels for."""
        return tuple(
            Specialist(
                each.member.name,
                fuse(to_graph(to_relax(each.network, INPUT_CHANNELS)), self.vectors.lanes),
                each.member.chosen_from,
                2 * receptive_field(each.network.architecture),
            )
            for each in self.family.networks
        )

    @property
    def vectors(self) -> Vectors:
        """What the target's vectors hold in that precision."""
        return Vectors(str(self.precision), self.target.lanes[self.precision])

    @cached_property
    def untuned(self) -> dict[RowKernel, Tiling]:
        """Every kernel of the networks, and a tiling for those that no record is about."""
        kernels = [kernel for each in self.specialists for kernel in model_tables.kernels_of(each.program)]
        return tilings.untuned(kernels, self.target)

    @property
    def values(self) -> np.dtype:
        """Type of features and weights."""
        return np.dtype(str(self.precision))

    @property
    def toolchain(self) -> dict[str, str]:
        """Versions of what makes the bundle."""
        return {
            "tvm": version("apache-tvm"),
            "llvm": str(tvm.target.codegen.llvm_version_major()),
            "compiler": self.compiler.version if self.compiler else "none",
        }


@dataclass(frozen=True)
class Built:
    """scratch_bytes: of the hungriest kernel."""

    scratch_bytes: int


def build(request: Request, folder: Path) -> Built:
    """Fills an empty folder with the bundle's sources, libraries and golden tiles.

    Raises UnsupportedOperator for a network there are no kernels for, ToolchainError where a tool fails.
    """
    for part in ("include", "src", "lib"):
        (folder / part).mkdir()
    for hook in HOOKS:
        with as_file(files("firmware_hooks").joinpath(hook)) as source:
            shutil.copyfile(source, folder / hook)
    descriptions.keep_in_bundle(request.target, folder)
    chosen = records.tuned(request.untuned, (TUNING, records.SHIPPED), request.target, request.vectors)
    functions = {
        model_tables.symbol(kernel): scheduled(kernel, request.vectors, tiling) for kernel, tiling in chosen.items()
    }
    compiled = compile_kernels(functions, tvm_target(request.target), folder / KERNELS)
    tables = model_tables.write_tables(request.specialists, request.values.itemsize, compiled.scratch_bytes)
    (folder / TABLES).write_text(tables, encoding="utf-8")
    weights = {
        model_tables.weights_symbol(index): model_tables.packed_weights(each.program, request.values)
        for index, each in enumerate(request.specialists)
    }
    elf_object.write(folder / WEIGHTS, elf_object.machine_of(request.target.triple), weights)
    _archive_and_link(request, folder)
    networks = request.family.networks
    golden.write(
        folder / GOLDEN_FOLDER,
        [GoldenSet(each.member.name, golden.make(each.network, each.header.shot_range)) for each in networks],
    )
    return Built(compiled.scratch_bytes)


def _archive_and_link(request: Request, folder: Path) -> None:
    objects = [folder / KERNELS, folder / WEIGHTS]
    if request.compiler is not None:
        sources = [folder / name for name in (*ENGINE, TABLES)]
        objects += request.compiler.compile_objects(sources, [folder / "include"], folder / "lib")
    static_archive.write(folder / STATIC, objects)
    if request.compiler is not None and request.target.operating_system is not OperatingSystem.NONE:
        request.compiler.link_shared(objects, folder / SHARED)


def link_runner(compiler: Compiler, folder: Path, program: Path) -> None:
    """Links the program that runs golden tiles with a bundle's library."""
    objects = compiler.compile_objects([RUNNER], [folder / "include"], program.parent)
    compiler.link_program([*objects, folder / STATIC], program)


def write_verification(folder: Path, request: Request, verification: Verification) -> None:
    """Writes what the target's code made of the golden tiles, for machines and for people."""
    with replacing(folder / VERIFICATION) as temporary:
        temporary.write_text(json.dumps(verification.as_dict(), indent=2) + "\n", encoding="utf-8")
    with replacing(folder / REPORT) as temporary:
        page = verification_page(verification, request.target.name, request.toolchain)
        temporary.write_text(page, encoding="utf-8")


def write_manifest(folder: Path, request: Request, built: Built, verification: Verification | None) -> None:
    """Writes what the bundle is. verification: None if there was none."""
    libraries = [path for path in (STATIC, SHARED) if (folder / path).exists()]
    specialists = []
    for source, specialist in zip(request.family.networks, request.specialists, strict=True):
        cost = complexity(source.network)
        memory = {
            str(width): arena_bytes(specialist.program, request.values.itemsize, built.scratch_bytes, width)
            for width in SHOWN_WIDTHS_PX
        }
        specialists.append(
            {
                "name": source.member.name,
                "sha256": source.member.sha256,
                "shot_range": list(source.header.shot_range),
                "chosen_from": source.member.chosen_from,
                "parameters": cost.parameters,
                "mac_per_raw_pixel": cost.mac_per_raw_pixel,
                "halo_px": specialist.halo_px,
                "arena_bytes_of_width": memory,
            }
        )
    content = {
        "schema": SCHEMA,
        "target": request.target.name,
        "precision": str(request.precision),
        "abi": ABI,
        "family": request.family.name,
        "specialists": specialists,
        "library": {
            "static": STATIC,
            "shared": SHARED if SHARED in libraries else None,
            "sha256": {path: sha256(folder / path) for path in libraries},
        },
        "toolchain": request.toolchain,
        "verification": None if verification is None else _summary(verification),
    }
    with replacing(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _summary(verification: Verification) -> dict[str, object]:
    worst = verification.worst
    return {
        "passes": verification.passes,
        "tiles": len(verification.results),
        "command": list(verification.command[:-1]),
        "worst": None if worst is None else asdict(worst),
    }
