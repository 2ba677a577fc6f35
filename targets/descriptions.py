"""What is known of each target: its core, its vectors, the tools that build for it, its thresholds.

A target is described by one YAML file whose keys are the fields of `Target`. Those that come with the
program lie in the folder `descriptions`; a core of the user's own needs no more than such a file. The
target `host` is this machine, so what depends on the machine is filled in when it is loaded.

References
----------
x86-64 psABI, "Micro-Architecture Levels": what x86-64-v3 and x86-64-v4 require.
Linux `Documentation/arch/arm64/elf_hwcaps.rst`: the features that /proc/cpuinfo lists.
LLVM `llvm/lib/Target/{AArch64,ARM}`: names of cores and of features.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError, InputError
from isp.registry import nearest

FOLDER = Path(__file__).with_suffix("")
SUFFIX = ".yaml"
HOST = "host"
IN_BUNDLE = "target.yaml"
CPU_FACTS = Path("/proc/cpuinfo")
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

# YAML 1.1 reads "1e-5", unlike "1.0e-5", as text: both are meant as numbers.
Positive = Annotated[float, Field(gt=0, strict=False)]
Text = Annotated[str, Field(min_length=1, pattern=r"^\S.*$")]
Word = Annotated[str, Field(pattern=r"^[^\s-]\S*$")]
Flag = Annotated[str, Field(pattern=r"^-\S+$")]
Feature = Annotated[str, Field(pattern=r"^[+-][a-z0-9][a-z0-9._-]*$")]
Lanes = Literal[1, 2, 4, 8, 16, 32]

# In the words of /proc/cpuinfo, where "abm" is LZCNT and "pni" is SSE3.
_X86_64_V2 = frozenset({"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"})
_X86_64_V3 = _X86_64_V2 | {"abm", "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe", "xsave"}
_X86_64_V4 = _X86_64_V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


class Precision(StrEnum):
    """What the kernels compute in."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


NPU_PRECISIONS = ("a16w8", "a8w8")
"""Bits of activations and weights of a network for an NPU."""


class OperatingSystem(StrEnum):
    """What a library is linked for; without one there is only the static library."""

    LINUX = "linux"
    MACOS = "macos"
    NONE = "none"


@checked_dataclass(frozen=True, config=STRICT)
class Threshold:
    """How far a result may be from the float reference.

    max_error: greatest difference, relative to full scale. quality_loss_db: loss of PSNR against the
    clean image.
    """

    max_error: Positive
    quality_loss_db: Positive


@checked_dataclass(frozen=True, config=STRICT)
class Emulator:
    """A program that runs the target's code elsewhere.

    cpu: model that it is to emulate (`-cpu`), which refuses instructions that the core lacks.
    install_hint: Debian package that gives the program.
    """

    program: Word
    cpu: Word
    install_hint: Word


@checked_dataclass(frozen=True, config=STRICT)
class Npu:
    """An Arm Ethos-U beside the core, which then computes the network while the core does what surrounds it.

    accelerator, system_configuration, memory_mode: as Vela and its `Arm/vela.ini` name them; its estimates rest on
    them. layout: order of the dimensions of the network's input and output. sram_bytes: what there is of it for the
    NPU: the whole arena, or a cache of it where there is DRAM. dram_bytes: for the arena, 0 where there is none.
    quality_loss_db, dark_loss_db: greatest loss of PSNR by the integers, over all pixels and over the darkest quarter.
    """

    accelerator: Annotated[str, Field(pattern=r"^ethos-u(55|65|85)-[0-9]+$")]
    system_configuration: Word
    memory_mode: Word
    layout: Literal["nhwc", "nchw"]
    sram_bytes: Annotated[int, Field(gt=0)]
    dram_bytes: Annotated[int, Field(ge=0)]
    quality_loss_db: Positive
    dark_loss_db: Positive


@checked_dataclass(frozen=True, config=STRICT)
class Target:
    """A device that code is made for.

    triple, cpu, features: as LLVM names them; a feature begins with "+", or with "-" to do without it.
    lanes: vector lanes of the kernels, for each precision that the target supports.
    float_abi: how floats are passed, where the architecture leaves a choice.
    compilers: commands, the preferred one first. compiler_flags: what makes them build for this core.
    zig_target, zig_cpu: the same for `python -m ziglang cc -target ... -mcpu=...`, which has names of its own.
    install_hint: Debian package that gives the first of the compilers.
    thresholds: for each precision that the target supports.
    boards: examples that carry it.
    model_core: core whose cycles LLVM's model gives, where the target can be tuned without a board.
    npu: what computes the network in the core's place.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    summary: Text
    triple: Annotated[str, Field(pattern=r"^[a-z0-9_.]+(-[a-z0-9_.]+){2,3}$")]
    cpu: Word
    features: tuple[Feature, ...]
    lanes: Annotated[Mapping[Precision, Lanes], Field(min_length=1)]
    operating_system: OperatingSystem
    compilers: Annotated[tuple[Word, ...], Field(min_length=1)]
    compiler_flags: tuple[Flag, ...]
    zig_target: Word
    zig_cpu: Word
    install_hint: Word
    thresholds: Mapping[Precision, Threshold]
    boards: tuple[Text, ...]
    float_abi: Literal["hard", "soft"] | None = None
    emulator: Emulator | None = None
    model_core: str | None = None
    npu: Npu | None = None

    def __post_init__(self) -> None:
        if set(self.thresholds) != set(self.lanes):
            raise ValueError(
                f"thresholds for {', '.join(self.thresholds)}: expected for {', '.join(self.lanes)}, as lanes"
            )
        if re.fullmatch(r"[^-]+-none-eabi(hf)?", self.triple):
            # LLVM reads the short form as another environment: its helper calls then pass floats the wrong way.
            raise ValueError(f"triple {self.triple}: expected four parts, as in thumbv7em-none-none-eabihf")
        if (self.float_abi == "hard") != self.triple.endswith("hf"):
            raise ValueError(
                f"float_abi {self.float_abi} with triple {self.triple}: expected hard where, and only where, "
                "the triple ends in hf"
            )

    @property
    def precisions(self) -> tuple[str, ...]:
        """What can be asked for; the first is the default."""
        return NPU_PRECISIONS if self.npu else tuple(self.lanes)


@dataclass(frozen=True)
class _HostCore:
    """The fields of `Target` that depend on the machine's cores."""

    cpu: str
    features: tuple[str, ...]
    lanes: Mapping[Precision, Lanes]
    compiler_flags: tuple[str, ...]
    zig_cpu: str


def names() -> tuple[str, ...]:
    """The targets that come with the program."""
    return tuple(sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}")))


def load(name: str) -> Target:
    """A target that comes with the program, or that of any description, by the path of its YAML file.

    Raises ConfigError if there is no target of that name, and for `host` on a machine that is not known;
    InputError if the file cannot be read or is no description.
    """
    if name == HOST:
        return host(platform.machine(), platform.system(), cpu_flags())
    if name in names():
        return _checked(_read(path := FOLDER / f"{name}{SUFFIX}"), path)
    path = Path(name)
    if path.suffix == SUFFIX or "/" in name:
        return _checked(_read(path), path)
    raise ConfigError(
        f"no target is named {name!r}",
        expected=f"a target's name or the path of a {SUFFIX} file",
        remedy=nearest(name, names()),
    )


def keep_in_bundle(target: Target, folder: Path) -> None:
    """Leaves the description of a target of the user's own in a bundle for it; `of_bundle` finds it there."""
    if target.name not in names():
        content = TypeAdapter(Target).dump_python(target, mode="json", exclude_none=True)
        (folder / IN_BUNDLE).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def of_bundle(folder: Path, name: str) -> Target:
    """The target that the bundle in a folder is for. name: what its manifest calls it.

    Raises ConfigError if it neither comes with the program nor lies in the bundle, InputError as `load`.
    """
    path = folder / IN_BUNDLE
    return load(str(path)) if name not in names() and path.is_file() else load(name)


def host(machine: str, system: str, flags: frozenset[str]) -> Target:
    """The target `host` for a machine and system as `platform` names them and the CPU features of /proc/cpuinfo.

    Raises ConfigError for a machine or system that is not known.
    """
    architecture = "aarch64" if machine == "arm64" else machine
    core = _host_core(architecture, flags)
    known_systems = {"Linux": ("linux", "linux-gnu", "linux-gnu"), "Darwin": ("macos", "apple-darwin", "macos")}
    if core is None or system not in known_systems:
        raise ConfigError(
            f"target {HOST!r}: this machine is {machine} with {system}",
            expected="x86-64 or 64-bit Arm with Linux or macOS",
            remedy="describe it in a file of its own",
        )
    operating_system, triple_system, zig_system = known_systems[system]
    path = FOLDER / f"{HOST}{SUFFIX}"
    common = _read(path)
    found = {
        "triple": f"{architecture}-{triple_system}",
        "operating_system": operating_system,
        "zig_target": f"{architecture}-{zig_system}",
        "thresholds": {precision: common["thresholds"][precision] for precision in core.lanes},
    }
    return _checked({**common, **asdict(core), **found}, path)


def cpu_flags(facts: Path = CPU_FACTS) -> frozenset[str]:
    """The features that every core of this machine has; none known where the system has no /proc/cpuinfo."""
    if not facts.exists():
        return frozenset()
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", facts.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset.intersection(*(frozenset(line.split()) for line in lines)) if lines else frozenset()


def _host_core(architecture: str, flags: frozenset[str]) -> _HostCore | None:
    if architecture == "x86_64":
        if flags >= _X86_64_V4:
            return _HostCore("x86-64-v4", (), {Precision.FLOAT32: 16}, ("-march=x86-64-v4",), "x86_64_v4")
        if flags >= _X86_64_V3:
            return _HostCore("x86-64-v3", (), {Precision.FLOAT32: 8}, ("-march=x86-64-v3",), "x86_64_v3")
        return _HostCore("x86-64", (), {Precision.FLOAT32: 4}, ("-march=x86-64",), "x86_64")
    if architecture == "aarch64":
        if "asimdhp" in flags:
            both: Mapping[Precision, Lanes] = {Precision.FLOAT32: 4, Precision.FLOAT16: 8}
            return _HostCore(
                "generic", ("+neon", "+fullfp16"), both, ("-march=armv8.2-a+fp16",), "generic+v8_2a+fullfp16"
            )
        return _HostCore("generic", ("+neon",), {Precision.FLOAT32: 4}, ("-march=armv8-a",), "generic")
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the description of a target") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text", expected="the description of a target") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: no 'key: value' lines", expected=f"the keys {', '.join(_KEYS)}")
    return content


def _checked(content: Mapping[str, Any], path: Path) -> Target:
    try:
        # As JSON, for there the strict types take a list as a tuple and a text as the name of a precision.
        return TypeAdapter(Target).validate_json(json.dumps(content))
    except ValidationError as error:
        found, remedy = _fault(error)
        raise InputError(f"{path}: {found}", remedy=remedy) from error
    except (TypeError, ValueError) as error:  # what YAML can say and JSON cannot, such as a date
        raise InputError(f"{path}: {error}", expected="texts, numbers, lists and 'key: value' lines") from error


def _fault(error: ValidationError) -> tuple[str, str]:
    # A mistyped key also makes the right one missing: name the mistyped one.
    fault = min(error.errors(), key=lambda each: each["type"] != "unexpected_keyword_argument")
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "unexpected_keyword_argument":
        return f"unknown key {where!r}", nearest(where, _KEYS) if len(fault["loc"]) == 1 else ""
    if fault["type"] == "missing":
        return f"the key {where!r} is missing", ""
    return f"{where}: {fault['msg']}" if where else fault["msg"].removeprefix("Value error, "), ""


_KEYS = tuple(field.name for field in fields(Target))
