"""Which files a command reads and writes."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from isp.errors import ConfigError, InputError
from isp.readers import is_raw_file

DEFAULT_TARGET = "{stem}.png"


def captures(inputs: Sequence[str]) -> tuple[Path, ...]:
    """The captures that files, folders and patterns stand for, each once, folders sorted by name.

    A file named by itself is taken whatever its suffix, and even if it does not exist: reading it
    says what is wrong. Raises InputError if a folder or pattern holds no capture.
    """
    found: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.is_file() and is_raw_file(file))
            if not files:
                raise InputError(f"folder {path} holds no capture", expected="files such as .dng, .nef, .raw")
            found += files
        elif not path.exists() and glob.has_magic(text):
            matches = sorted(Path(name) for name in glob.iglob(text, recursive=True))  # noqa: PTH207 - absolute patterns too
            files = [file for file in matches if file.is_file()]
            if not files:
                raise InputError(f"no file matches {text!r}")
            found += files
        else:
            found.append(path)
    return tuple(dict.fromkeys(found))


def targets(sources: Sequence[Path], output: str) -> tuple[Path, ...]:
    """Where each capture's result goes.

    output: a file (for one capture), a folder (then {stem}.png in it), or a pattern with {stem}; empty
    for {stem}.png in the current folder. Raises ConfigError for any other pattern, if two captures would
    share a target, or if a target is one of the captures.
    """
    pattern = output or DEFAULT_TARGET
    if output and (output.endswith(("/", "\\")) or Path(output).is_dir() or not Path(output).suffix):
        pattern = str(Path(output) / DEFAULT_TARGET)
    unknown = [name for name in re.findall(r"\{\w*\}", pattern) if name != "{stem}"]
    if unknown:
        raise ConfigError(f"-o {output}: {unknown[0]} stands for nothing", expected="{stem}, the capture's name")
    if "{stem}" not in pattern and len(sources) > 1:
        raise ConfigError(
            f"-o {output} is one file for {len(sources)} captures",
            expected="a folder, or a pattern such as out/{stem}.png",
        )
    chosen = tuple(Path(pattern.replace("{stem}", source.stem)) for source in sources)
    _check_distinct(sources, chosen)
    return chosen


def _check_distinct(sources: Sequence[Path], chosen: Sequence[Path]) -> None:
    inputs = {source.resolve() for source in sources}
    owners: dict[Path, Path] = {}
    for source, target in zip(sources, chosen, strict=True):
        resolved = target.resolve()
        if resolved in inputs:
            raise ConfigError(
                f"the result {target} would overwrite a capture; captures are never overwritten",
                remedy="choose another -o",
            )
        other = owners.setdefault(resolved, source)
        if other is not source:
            raise ConfigError(
                f"{other} and {source} would both become {target}", remedy="develop them in separate runs"
            )
