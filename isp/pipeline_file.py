"""Pipeline files: an ordered list of stages with their parameters, in YAML.

    version: 1
    name: default
    description: Pictures to look at
    stages:
      - stage: black_level
      - stage: demosaic
        method: malvar

This module knows the file's form only; `isp.pipeline` knows what stages and parameters there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from isp.errors import ConfigError
from isp.registry import nearest

VERSION = 1
BUILT_IN = Path(__file__).parent / "pipelines"
FILE_KEYS = ("version", "name", "description", "stages")


@dataclass(frozen=True)
class Setting:
    """One parameter as the user wrote it, and where: "tele.yaml:12" or "--set denoise.strength"."""

    key: str
    value: object
    where: str


@dataclass(frozen=True)
class StageEntry:
    """One item of the list of stages."""

    stage: str
    settings: tuple[Setting, ...]
    where: str

    def with_setting(self, setting: Setting) -> StageEntry:
        kept = tuple(other for other in self.settings if other.key != setting.key)
        return replace(self, settings=(*kept, setting))


@dataclass(frozen=True)
class PipelineFile:
    """A pipeline file's content, its form checked, its stages and parameters not."""

    name: str
    description: str
    entries: tuple[StageEntry, ...]

    def with_override(self, text: str) -> PipelineFile:
        """With one parameter changed by "stage.key=value", the value as YAML would read it.

        Raises ConfigError if the text has another form or the pipeline lacks the stage.
        """
        target, equals, value = text.partition("=")
        stage, dot, key = target.strip().partition(".")
        if not (equals and dot and stage and key):
            raise ConfigError(f"--set {text!r}", expected="stage.key=value, such as demosaic.method=menon")
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {text!r}: {value!r} is not a YAML value") from error
        setting = Setting(key, parsed, f"--set {target.strip()}")
        index = self._index(stage, f"--set {text}")
        changed = self.entries[index].with_setting(setting)
        return replace(self, entries=(*self.entries[:index], changed, *self.entries[index + 1 :]))

    def without(self, stage: str) -> PipelineFile:
        """With one stage left out. Raises ConfigError if the pipeline lacks it."""
        index = self._index(stage, f"--without {stage}")
        return replace(self, entries=(*self.entries[:index], *self.entries[index + 1 :]))

    def _index(self, stage: str, option: str) -> int:
        names = [entry.stage for entry in self.entries]
        if stage not in names:
            raise ConfigError(f"{option}: pipeline {self.name!r} has no stage {stage!r}", remedy=nearest(stage, names))
        return names.index(stage)


def load_pipeline_file(name: str) -> PipelineFile:
    """A built-in pipeline by its name, or any pipeline file by its path.

    Raises ConfigError, naming file and line, if it cannot be read or has another form.
    """
    built_in = BUILT_IN / f"{name}.yaml"
    path = built_in if "/" not in name and built_in.is_file() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        names = [file.stem for file in BUILT_IN.glob("*.yaml")]
        raise ConfigError(
            f"no pipeline {name!r}", expected=f"a file's path or one of {', '.join(sorted(names))}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"pipeline file {path} cannot be read: {error}") from error
    return parse_pipeline_file(text, path.name)


def parse_pipeline_file(text: str, file_name: str) -> PipelineFile:
    """The content of a pipeline file; `file_name` is for messages. Raises ConfigError."""
    try:
        return _interpreted(yaml.compose(text, Loader=yaml.SafeLoader), file_name)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file_name}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file_name}: not YAML: {error}") from error


def _interpreted(root: yaml.Node | None, file_name: str) -> PipelineFile:
    if root is None:
        raise ConfigError(f"{file_name} is empty", expected=f"the keys {', '.join(FILE_KEYS)}")
    top = dict(_items(root, file_name, "a pipeline file", FILE_KEYS))
    for key in ("version", "stages"):
        if key not in top:
            raise ConfigError(f"{file_name}: the key {key!r} is missing", remedy=f"begin with 'version: {VERSION}'")
    version = _value(top["version"])
    if version != VERSION:
        raise ConfigError(f"{_where(top['version'], file_name)}: version {version!r}", expected=f"version {VERSION}")
    listed = top["stages"]
    if not isinstance(listed, yaml.SequenceNode) or not listed.value:
        raise ConfigError(f"{_where(listed, file_name)}: 'stages' is no list", expected="'- stage: name' items")
    entries = tuple(_entry(node, file_name) for node in listed.value)
    _check_unique(entries)
    name = str(_value(top["name"])) if "name" in top else Path(file_name).stem
    description = str(_value(top["description"])).strip() if "description" in top else ""
    return PipelineFile(name, description, entries)


def _entry(node: yaml.Node, file_name: str) -> StageEntry:
    where = _where(node, file_name)
    items = dict(_items(node, file_name, "an item of 'stages'"))
    if "stage" not in items:
        raise ConfigError(f"{where}: an item of 'stages' names no stage", expected="'- stage: name'")
    settings = tuple(Setting(key, _value(item), _where(item, file_name)) for key, item in items.items())
    return StageEntry(
        stage=str(_value(items["stage"])),
        settings=tuple(setting for setting in settings if setting.key != "stage"),
        where=where,
    )


def _check_unique(entries: Sequence[StageEntry]) -> None:
    first: dict[str, StageEntry] = {}
    for entry in entries:
        other = first.setdefault(entry.stage, entry)
        if other is not entry:
            raise ConfigError(
                f"{entry.where}: stage {entry.stage!r} is listed before, at {other.where}",
                expected="every stage at most once",
            )


def _items(node: yaml.Node, file_name: str, what: str, allowed: Sequence[str] = ()) -> Iterator[tuple[str, yaml.Node]]:
    """Keys and values of a mapping, each key once and, where `allowed` names any, one of those."""
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{_where(node, file_name)}: {what} has no keys", expected="'key: value' lines")
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key = str(_value(key_node))
        if key in seen:
            raise ConfigError(f"{_where(key_node, file_name)}: the key {key!r} stands twice", expected="it once")
        if allowed and key not in allowed:
            raise ConfigError(f"{_where(key_node, file_name)}: unknown key {key!r}", remedy=nearest(key, allowed))
        seen.add(key)
        yield key, value_node


def _value(node: yaml.Node) -> object:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _where(node: yaml.Node, file_name: str) -> str:
    return f"{file_name}:{node.start_mark.line + 1}"
