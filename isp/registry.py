"""The stages that are installed, found through the entry-point group `isp.stages`.

Built-in stages use the same door as those of other packages: an entry point whose name is the
stage's name and whose value is the stage's class. Nothing is imported before a stage is asked for,
so a package that is broken hurts only the pipelines that use it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from typing import Any

from isp.errors import ConfigError
from isp.stage import Domain, Parameters, Stage

GROUP = "isp.stages"

AnyStage = Stage[Any]


def nearest(name: str, names: Iterable[str]) -> str:
    """The remedy for a misspelt name: "did you mean 'x'?" where one is near, else all there are."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(known)}" if known else "there are none"


@dataclass(frozen=True)
class StageSource:
    """Where an installed stage comes from; nothing of it has been imported yet."""

    name: str
    package: str
    """Name of the distribution that declares the stage."""
    version: str
    entry_point: EntryPoint

    @property
    def origin(self) -> str:
        return f"{self.package} {self.version}"

    def load(self) -> AnyStage:
        """Imports the stage. Raises ConfigError, naming the package, if it cannot be used."""
        try:
            stage_class = self.entry_point.load()
            stage: AnyStage = stage_class()
        except Exception as error:  # whatever another package's import may raise is that package's fault
            raise ConfigError(
                f"stage {self.name!r} of {self.origin} is broken: "
                f"{type(error).__name__}: {str(error).strip() or 'no message'}",
                remedy=f"repair or uninstall {self.package}",
            ) from error
        if fault := _contract_fault(stage, self.name):
            raise ConfigError(
                f"stage {self.name!r} of {self.origin} ({self.entry_point.value}) {fault}",
                expected="a class that follows isp.stage.Stage",
                remedy=f"repair or uninstall {self.package}",
            )
        return stage


class Registry:
    """Stages by name; loads each at most once."""

    def __init__(self, sources: Iterable[StageSource]) -> None:
        """Raises ConfigError if two sources give a stage of the same name."""
        self._sources: dict[str, StageSource] = {}
        self._loaded: dict[str, AnyStage] = {}
        for source in sources:
            other = self._sources.setdefault(source.name, source)
            if other is not source:
                raise ConfigError(
                    f"stage {source.name!r} is declared by {other.origin} ({other.entry_point.value}) "
                    f"and by {source.origin} ({source.entry_point.value})",
                    expected="every stage name once",
                    remedy="uninstall one of the two",
                )

    @classmethod
    def installed(cls) -> Registry:
        """All stages of the packages on this interpreter's path."""
        return cls(_installed_sources())

    def __iter__(self) -> Iterator[StageSource]:
        return iter(sorted(self._sources.values(), key=lambda source: source.name))

    def source(self, name: str) -> StageSource:
        """Where a stage comes from. Raises ConfigError, with the nearest name, if there is none."""
        if name not in self._sources:
            raise ConfigError(f"no stage is named {name!r}", remedy=nearest(name, self._sources))
        return self._sources[name]

    def load(self, name: str) -> AnyStage:
        """The stage of that name. Raises ConfigError if there is none or its package is broken."""
        if name not in self._loaded:
            self._loaded[name] = self.source(name).load()
        return self._loaded[name]


def _installed_sources() -> Iterator[StageSource]:
    seen: set[str] = set()
    for distribution in distributions():
        package = distribution.metadata["Name"]
        # A distribution may lie twice on the path (an editable install beside its source); as in
        # any import, the first one counts.
        if package is None or package in seen:
            continue
        seen.add(package)
        for entry_point in distribution.entry_points.select(group=GROUP):
            yield StageSource(entry_point.name, package, distribution.version, entry_point)


def _contract_fault(stage: object, name: str) -> str:
    """What keeps an object from being the stage `name`; empty if nothing does."""
    transitions = getattr(stage, "transitions", None)
    parameters = getattr(stage, "Parameters", None)
    if getattr(stage, "name", None) != name:
        return f"calls itself {getattr(stage, 'name', None)!r}"
    if not isinstance(transitions, Mapping) or not transitions:
        return "declares no transitions"
    if not all(isinstance(domain, Domain) for pair in transitions.items() for domain in pair):
        return "declares transitions that are not pairs of isp.stage.Domain"
    if not (isinstance(parameters, type) and issubclass(parameters, Parameters)):
        return "has no Parameters derived from isp.stage.Parameters"
    if not isinstance(getattr(stage, "summary", None), str) or not isinstance(
        getattr(stage, "needs_noise", None), bool
    ):
        return "lacks a summary or needs_noise"
    if not callable(stage):
        return "cannot be called"
    return ""
