"""Builds the agent: the program that runs on a board and lets this machine work a bundle's library over a cable.

It is compiled from `firmware_hooks/link` and a port, and linked with the bundle's library, or an NPU's tables, and with
a source that says which bundle it is. For a target with Linux it is a static program; for a machine without an
operating system an image that a debugger, or QEMU, loads. All of it but the library is compiled for the least core that
the board may have, so that it can tell the host where the library would not run.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from isp.errors import ConfigError
from targets.agent_parts import AgentParts, interface_version, parts_of, stand_in
from targets.core_features import CoreFeature, needed_features
from targets.descriptions import OperatingSystem, Target, load, of_bundle
from targets.machine_image import PORT, build_image, c_text
from targets.machines import Machine, machines_taking
from targets.npu_bundle import AnyBundle, NpuBundle, read_any
from targets.toolchain import required_compiler

_AGENT: Final = "link"
_LINUX: Final = "ports/linux"
_TEMPLATE: Final = "ports/template.c"
# Flags of C compilers, and Zig's name, for the least core.
_LEAST_CORE: Final = {"aarch64": (("-march=armv8-a",), "generic"), "x86_64": (("-march=x86-64",), "x86_64")}


def build_agent(bundle: Path, output: Path, machine: Machine | None = None, *, target: Target | None = None) -> Path:
    """Builds the agent of the bundle in the folder `bundle` as the file `output`, which it returns.

    machine: what a bundle for a core without an operating system is to run on. target: what the bundle was compiled
    for, where that does not come with the program.

    Raises ConfigError for a bundle that is not for that machine or target, or of another version of the interface;
    InputError for a folder that holds no usable bundle; ToolchainError where there is no compiler, or it fails.
    """
    made = read_any(bundle)
    target = target or of_bundle(made.folder, made.manifest.target)
    _check_bundle(made, target)
    _check_machine(made, target, machine)
    if machine is not None:
        return link_machine_agent(made, machine, needed_features(target), output)
    compiler = required_compiler(_least_core(target))
    with _workshop() as shop:
        source = bundle_source(made, target.name, target.name, needed_features(target), compiler.version)
        port, parts = sorted((shop.hooks / _LINUX).glob("*.c")), parts_of(made, shop.hooks)
        sources = [*shop.agent, *parts.sources, *port, shop.made("fan_bundle.c", source)]
        objects = compiler.compile_objects(sources, shop.includes(parts), shop.folder)
        compiler.link_program([*objects, *parts.libraries], output)
    return output


def link_machine_agent(made: AnyBundle, machine: Machine, needed: CoreFeature, output: Path) -> Path:
    """Builds the agent for a machine, whatever core the bundle is for.

    needed: what the agent demands of the core before it runs anything of the library. Raises ToolchainError.
    """
    built_by = required_compiler(load(machine.target)).version
    with _workshop() as shop:
        source = bundle_source(made, machine.name, made.manifest.target, needed, built_by)
        parts, main = parts_of(made, shop.hooks), shop.hooks / PORT / "main.c"
        sources = [*shop.agent, *parts.sources, *stand_in(made, shop.hooks), main, shop.made("fan_bundle.c", source)]
        return build_image(machine, sources, shop.includes(parts), parts.libraries, output)


def write_agent_sources(bundle: Path, folder: Path, *, target: Target | None = None) -> Path:
    """Writes what a firmware project needs to carry the agent of a bundle: sources, headers, library, and a port to
    complete; for an NPU's bundle all but Arm's driver. `folder`, which is returned, must not exist, or be empty.

    Raises ConfigError for another folder or another version of the interface, InputError for no usable bundle.
    """
    made = read_any(bundle)
    target = target or of_bundle(made.folder, made.manifest.target)
    _check_bundle(made, target)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists already", expected="a folder to be made")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _workshop() as shop, tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
        staging = Path(temporary) / "sources"
        staging.mkdir()
        parts = parts_of(made, shop.hooks)
        headers = [path for include in parts.headers for path in include.glob("*.h")]
        for path in [*(shop.hooks / _AGENT).glob("*.[ch]"), *parts.sources, *headers, *parts.libraries]:
            shutil.copyfile(path, staging / path.name)
        shutil.copyfile(shop.hooks / _TEMPLATE, staging / "fan_port.c")
        source = bundle_source(made, "board", target.name, needed_features(target), "own firmware")
        (staging / "fan_bundle.c").write_text(source, encoding="utf-8")
        staging.replace(folder)
    return folder


def bundle_source(made: AnyBundle, board: str, core: str, needed: CoreFeature, build: str) -> str:
    """The C source that tells the agent which bundle it carries: `fan_bundle` of `link/fan_agent.h`.

    board, core, build: what it tells the host of the board, of what the library is compiled for, and by what.
    """
    hashes = ",\n".join(f"    {_bytes(bytes.fromhex(one.sha256))}" for one in made.manifest.specialists)
    return f"""/* Made by `python -m targets agent`. */
#include "fan_agent.h"

static const uint8_t weights[{len(made.manifest.specialists)}][FAN_SHA256_BYTES] = {{
{hashes},
}};

const fan_agent_bundle fan_bundle = {{
    .board = {c_text(board)},
    .core = {c_text(core)},
    .build = {c_text(build)},
    .id = {_bytes(made.bundle_id)},
    .needed_features = {needed.value}u,
    .weights_sha256 = weights,
}};
"""


@dataclass(frozen=True)
class _Workshop:
    """hooks: the firmware's sources. folder: for what is made on the way; empty at first."""

    hooks: Path
    folder: Path

    @property
    def agent(self) -> list[Path]:
        return sorted((self.hooks / _AGENT).glob("*.c"))

    def includes(self, parts: AgentParts) -> list[Path]:
        return [*parts.headers, self.hooks / _AGENT, self.folder]

    def made(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path


@contextmanager
def _workshop() -> Iterator[_Workshop]:
    with as_file(files("firmware_hooks")) as folder, tempfile.TemporaryDirectory(prefix="fan-agent-") as temporary:
        yield _Workshop(folder, Path(temporary))


def _check_bundle(made: AnyBundle, target: Target) -> None:
    if target.name != made.manifest.target:
        raise ConfigError(f"{made.folder}: a bundle for {made.manifest.target}", expected=f"one for {target.name}")
    if made.manifest.abi != (abi := interface_version(made)):
        raise ConfigError(
            f"{made.folder}: version {made.manifest.abi} of the library's interface",
            expected=f"version {abi}, which the agent is made for",
            remedy="make the bundle anew with `python -m compile`",
        )


def _check_machine(made: AnyBundle, target: Target, machine: Machine | None) -> None:
    fitting = machines_taking(target)
    if machine is None and target.operating_system is OperatingSystem.NONE:
        ready = ", ".join(one.name for one in fitting) or "none is ready for this core"
        raise ConfigError(
            f"{made.folder}: {target.name} has no operating system",
            expected=f"a machine: {ready}",
            remedy="for a board of your own, take the agent's sources: --sources DIR",
        )
    if machine is None or machine.name in {one.name for one in fitting}:
        return
    if isinstance(made, NpuBundle):
        raise ConfigError(
            f"{made.folder}: a bundle for {target.name}, which {machine.name} has not",
            expected=", ".join(one.name for one in fitting) or f"a board of your own: none with {target.cpu} is ready",
        )
    raise ConfigError(
        f"{made.folder}: a bundle for {target.name}",
        expected=f"one for {machine.target}, the core of {machine.name}",
        remedy=f"python -m compile --target {machine.target}",
    )


def _least_core(target: Target) -> Target:
    flags, zig_cpu = _LEAST_CORE.get(target.triple.partition("-")[0], (target.compiler_flags, target.zig_cpu))
    return replace(target, compiler_flags=flags, zig_cpu=zig_cpu)


def _bytes(values: Iterable[int]) -> str:
    return "{" + ", ".join(f"{value:#04x}" for value in values) + "}"
