"""Machine code as assembly text, by LLVM's disassembler; what kind of work each instruction does.

References
----------
LLVM's manual, "llvm-mc"; Arm Architecture Reference Manual for A-profile, C3 "A64 instruction set overview".
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Final

from compile.cost.instruction_set import A64, InstructionSet
from targets.toolchain import ToolchainError

LLVM_MAJOR: Final = 19
"""The least version of LLVM. From it on, Debian 12 and 13 have the same one, and it models the Neoverse N1."""
UNKNOWN: Final = "nop"
"""Stands for an instruction that the disassembler doesn't know, and for one whose text would need others behind it."""
_MAKES_CONDITIONAL: Final = re.compile(r"(it[te]{0,3}|vpst[te]{0,3}|vpt[te]{0,3}\.\w+)\b")
_SHOWN_LINES: Final = 4


class Kind(StrEnum):
    """What an instruction is there for."""

    FMA = "fma"
    ARITHMETIC = "arithmetic"
    LOAD = "load"
    STORE = "store"
    MOVE = "move"
    ADDRESS = "address"
    BRANCH = "branch"


_KINDS: Final = (
    (Kind.FMA, re.compile(r"(fmla|fmls|fmadd|fmsub|fnmadd|fnmsub|[su]dot|[su]mlal2?|mla)\b")),
    (Kind.LOAD, re.compile(r"(ld|prfm)")),
    (Kind.STORE, re.compile(r"st")),
    (Kind.BRANCH, re.compile(r"(b|bl|br|blr|ret|cbn?z|tbn?z|svc)\b|b\.")),
    # Data from one register to another, or a constant into one: no arithmetic, whatever the register.
    (Kind.MOVE, re.compile(r"(movi|mvni|mov\s+v|dup|ext|ins|zip|uzp|trn|tbl|rev|fmov|umov|smov|mov\s+[bhsdq]\d)")),
    (Kind.ARITHMETIC, re.compile(r"(f|scvt|ucvt)|\w+\s+v\d")),
)


def kind_of(text: str) -> Kind:
    """The kind of an A64 instruction; integers in general registers count as addresses, which they mostly are."""
    return next((kind for kind, pattern in _KINDS if pattern.match(text)), Kind.ADDRESS)


def disassembled(codes: Iterable[bytes], instruction_set: InstructionSet = A64) -> Mapping[bytes, tuple[str, ...]]:
    """The instructions of each piece of code as assembly text, UNKNOWN for those that are none.

    Each stands by itself: UNKNOWN, too, for what makes others conditional (T32's IT and VPT), and those without their
    conditions. Raises ToolchainError where LLVM's disassembler is missing.
    """
    pieces = {code: instruction_set.instructions(code) for code in codes}
    texts = _texts(sorted({word for words in pieces.values() for word in words}), instruction_set)
    return {code: tuple(texts[word] for word in words) for code, words in pieces.items()}


def llvm_tool(name: str) -> str:
    """The path of a program of LLVM's, of version LLVM_MAJOR if there are several. Raises ToolchainError."""
    found = shutil.which(f"{name}-{LLVM_MAJOR}") or shutil.which(name)
    if found is None:
        raise ToolchainError(f"{name} is not on the PATH", remedy=_install_hint())
    version = llvm_version(found)
    if int(version.partition(".")[0]) < LLVM_MAJOR:
        raise ToolchainError(
            f"{found} is of LLVM {version}", expected=f"LLVM {LLVM_MAJOR} or newer", remedy=_install_hint()
        )
    return found


@cache
def llvm_version(tool: str) -> str:
    """What a program of LLVM's says of its version, such as 19.1.7."""
    said = call_llvm([tool, "--version"], "")[0]
    found = re.search(r"LLVM version (\d+\.\d+\.\d+)", said)
    if found is None:
        raise ToolchainError(f"{tool} says {said[:80]!r} of its version", expected="a program of LLVM's")
    return found[1]


def call_llvm(command: Sequence[str], text: str) -> tuple[str, str]:
    """What a tool writes to its outputs when it gets a text. Raises ToolchainError if it fails."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise ToolchainError(f"{command[0]} cannot be started: {error.strerror}", remedy=_install_hint()) from error
    if done.returncode != 0:
        said = done.stderr.splitlines()[:_SHOWN_LINES]
        raise ToolchainError("\n".join([f"{command[0]} failed with status {done.returncode}:", *said]))
    return done.stdout, done.stderr


def _install_hint() -> str:
    return f"on Debian and Ubuntu install the package llvm-{LLVM_MAJOR}"


def _texts(words: Sequence[bytes], instruction_set: InstructionSet) -> dict[bytes, str]:
    spaced = [line for word in words for line in (word, *instruction_set.separator)]
    lines = "\n".join(" ".join(f"{byte:#04x}" for byte in line) for line in spaced)
    options = [f"-triple={instruction_set.triple}", f"-mattr={instruction_set.features}"]
    out, warnings = call_llvm([llvm_tool("llvm-mc"), "--disassemble", *options], lines)
    unknown = {int(number) for number in re.findall(r"^<stdin>:(\d+):\d+: warning: invalid", warnings, re.MULTILINE)}
    found = [" ".join(line.split()) for line in out.splitlines() if line.strip() and not line.strip().startswith(".")]
    known = [number for number in range(1, len(spaced) + 1) if number not in unknown]
    texts = dict(zip(known, found, strict=True))
    apart = 1 + len(instruction_set.separator)
    standing = (texts.get(1 + index * apart, UNKNOWN) for index in range(len(words)))
    alone = (UNKNOWN if _MAKES_CONDITIONAL.match(text) else text for text in standing)
    return dict(zip(words, alone, strict=True))
