"""A pipeline of stages whose domains meet, and its execution."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from pydantic import ValidationError

from isp.errors import ConfigError
from isp.noise.model import NoiseModel
from isp.pipeline_file import VERSION, PipelineFile, StageEntry
from isp.raw_frame import RawFrame
from isp.registry import AnyStage, Registry, StageSource, nearest
from isp.stage import MOSAIC_DOMAINS, Domain, Parameters, Signal

NOISE_ESTIMATE = "noise_estimate"
"""Name under which the blind estimate's time is reported; no stage."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """A stage with its parameters."""

    stage: AnyStage
    parameters: Parameters
    source: StageSource

    @property
    def name(self) -> str:
        return self.stage.name


@dataclass(frozen=True)
class PlannedStep:
    """A step that will run, with the domains on both sides of it."""

    step: Step
    takes: Domain
    gives: Domain

    @property
    def name(self) -> str:
        return self.step.name


@dataclass(frozen=True)
class StepDone:
    """What one step left. Whoever keeps `signal` keeps its array alive, and may see it overwritten
    by the next stage."""

    name: str
    signal: Signal
    time_s: float


@dataclass(frozen=True)
class Pipeline:
    """Steps in the order in which they run; from a mosaic on, each takes what the one before gives."""

    name: str
    description: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        """Raises ConfigError if the domains do not meet."""
        self.plan(Domain.MOSAIC)

    @classmethod
    def from_file(cls, file: PipelineFile, registry: Registry) -> Pipeline:
        """Loads the stages that a pipeline file names and checks their parameters. Raises ConfigError."""
        steps = tuple(_step(entry, registry) for entry in file.entries)
        return cls(file.name, file.description, steps)

    def plan(self, start: Domain) -> tuple[PlannedStep, ...]:
        """The steps that run on a capture in the domain `start`: MOSAIC, or SENSOR_RGB for a LinearRaw
        file, which skips the stages that take none but mosaics. Raises ConfigError if a stage does not
        take what it would get."""
        planned: list[PlannedStep] = []
        domain, before = start, "the capture"
        for step in self.steps:
            transitions = step.stage.transitions
            if start is Domain.SENSOR_RGB and transitions.keys() <= MOSAIC_DOMAINS:
                continue
            if domain not in transitions:
                raise ConfigError(
                    f"pipeline {self.name!r}: stage {step.name!r} cannot follow {before}, which gives {domain}",
                    expected=" or ".join(transitions),
                    remedy="move the stage or put the one that is missing before it",
                )
            planned.append(PlannedStep(step, domain, transitions[domain]))
            domain, before = transitions[domain], repr(step.name)
        return tuple(planned)

    def index(self, stage: str) -> int:
        """Position of a stage. Raises ConfigError, with the nearest name, if the pipeline lacks it."""
        names = [step.name for step in self.steps]
        if stage not in names:
            raise ConfigError(f"pipeline {self.name!r} has no stage {stage!r}", remedy=nearest(stage, names))
        return names.index(stage)

    def run(self, signal: Signal, *, start_at: str = "", stop_after: str = "") -> Iterator[StepDone]:
        """Runs the steps one by one and gives each one's result as soon as it is there.

        signal: what `start_signal` gave, or with `start_at`, what the stage before that one left.
        Where a stage needs a noise model and the signal has none, one is estimated from the linear
        mosaic. Raises ConfigError if a stage named is not there or does not take the signal.
        """
        planned = self.planned_part(signal.frame, start_at, stop_after)
        if planned and planned[0].takes is not signal.domain:
            raise ConfigError(f"stage {planned[0].name!r} would get {signal.domain}", expected=planned[0].takes)
        estimate_at = _estimate_at(planned)
        for position, part in enumerate(planned):
            if position == estimate_at and signal.noise is None:
                began = time.perf_counter()
                signal = replace(signal, noise=_estimated(signal))
                yield StepDone(NOISE_ESTIMATE, signal, time.perf_counter() - began)
            began = time.perf_counter()
            signal = part.step.stage(signal, part.step.parameters)
            elapsed_s = time.perf_counter() - began
            if signal.domain is not part.gives:
                raise ConfigError(
                    f"stage {part.name!r} of {part.step.source.origin} gave {signal.domain}",
                    expected=f"{part.gives}, as it declares",
                )
            logger.debug("%s: %.1f ms", part.name, elapsed_s * 1e3)
            yield StepDone(part.name, signal, elapsed_s)

    def planned_part(self, frame: RawFrame, start_at: str, stop_after: str) -> tuple[PlannedStep, ...]:
        """The steps that run on a frame from `start_at` to `stop_after`, both included; empty names
        mean the first and the last. Raises ConfigError as `run` does."""
        planned = self.plan(start_domain(frame))
        running = [part.name for part in planned]
        for name in filter(None, (start_at, stop_after)):
            self.index(name)
            if name not in running:
                raise ConfigError(f"stage {name!r} takes mosaics only, and {frame.source} has been demosaiced already")
        first = running.index(start_at) if start_at else 0
        last = running.index(stop_after) if stop_after else len(running) - 1
        if first > last:
            raise ConfigError(f"stage {start_at!r} comes after {stop_after!r}", expected="a start before the stop")
        return planned[first : last + 1]

    def resolved(self) -> dict[str, object]:
        """All that was decided, every default spelled out, in a pipeline file's own form."""
        return {
            "version": VERSION,
            "name": self.name,
            "description": self.description,
            "stages": [{"stage": step.name, **step.parameters.model_dump(mode="json")} for step in self.steps],
        }


def start_domain(frame: RawFrame) -> Domain:
    """What a frame's numbers mean when they leave the reader."""
    return Domain.SENSOR_RGB if frame.cfa is None else Domain.MOSAIC


def start_signal(frame: RawFrame, noise: NoiseModel | None) -> Signal:
    """A frame at the pipeline's entry. The signal alone keeps the mosaic alive: its `frame` carries a
    stand-in of the same shape that holds no memory."""
    stand_in = np.broadcast_to(np.zeros((), frame.mosaic.dtype), frame.mosaic.shape)
    facts = replace(frame, mosaic=stand_in)
    return Signal(data=frame.mosaic, domain=start_domain(frame), frame=facts, cfa=frame.cfa, noise=noise)


def _estimate_at(planned: tuple[PlannedStep, ...]) -> int:
    """The step before which noise is estimated: the first that needs it, or if it is no longer a
    mosaic by then, the last one that gets the linear mosaic; -1 if there is none."""
    first = next((at for at, part in enumerate(planned) if part.step.stage.needs_noise), -1)
    before = (at for at in range(first, -1, -1) if planned[at].takes is Domain.LINEAR_MOSAIC)
    return next(before, -1)


def _estimated(signal: Signal) -> NoiseModel:
    from isp.noise.estimate import estimate_noise

    assert signal.cfa is not None, "a linear mosaic has a CFA"
    data = signal.data if signal.shading_gain is None else signal.data / signal.shading_gain
    return estimate_noise(data)


def _step(entry: StageEntry, registry: Registry) -> Step:
    try:
        source, stage = registry.source(entry.stage), registry.load(entry.stage)
    except ConfigError as error:
        raise ConfigError(f"{entry.where}: {error.found}", expected=error.expected, remedy=error.remedy) from error
    return Step(stage, _checked_parameters(entry, stage), source)


def _checked_parameters(entry: StageEntry, stage: AnyStage) -> Parameters:
    fields = stage.Parameters.model_fields
    try:
        return stage.Parameters.model_validate({setting.key: setting.value for setting in entry.settings})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
    key = str(fault["loc"][0]) if fault["loc"] else ""
    where = next((setting.where for setting in entry.settings if setting.key == key), entry.where)
    if fault["type"] == "extra_forbidden":
        raise ConfigError(f"{where}: stage {entry.stage!r} has no parameter {key!r}", remedy=nearest(key, fields))
    if fault["type"] == "missing" and len(fault["loc"]) == 1:
        raise ConfigError(f"{where}: stage {entry.stage!r} lacks its parameter {key!r}")
    wanted = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if fault["type"] == "missing":
        wanted = f"more than {fault['loc'][-1]} values"
    if not key:  # parameters that contradict each other: what was set last, as by --set, is what to look at
        where = entry.settings[-1].where if entry.settings else entry.where
        raise ConfigError(f"{where}: {entry.stage}: {wanted}")
    raise ConfigError(f"{where}: {entry.stage}.{key} = {fault['input']!r}", expected=wanted)
