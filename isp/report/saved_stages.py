"""Results of single stages kept in a folder, to be looked at and to go on from.

For each stage `NN_name.npy` (the array, exactly), `NN_name.png` (a view of it) and `NN_name.json`
(what the signal carries beside its array, and from which capture and settings it came). The
capture's own facts are not kept: going on from a saved stage reads the capture again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from isp.atomic import replacing
from isp.cfa import Cfa
from isp.errors import ConfigError, InputError
from isp.noise.model import NoiseModel
from isp.pipeline import Pipeline, PlannedStep
from isp.report.view import encoded_png, viewable
from isp.stage import Domain, Signal

AGAIN = "run again with --save-stages and without --start-at"


class _Description(BaseModel):
    """Content of `NN_name.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: Literal[1] = 1
    stage: str
    capture: str
    capture_sha256: str
    settings: list[dict[str, Any]]
    """The stages up to and including this one, each with all its parameters."""
    domain: Domain
    cfa: Cfa | None
    noise: NoiseModel | None
    white_balance: tuple[float, float, float]
    saturation: tuple[float, float, float]
    colour_space: str
    decisions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SavedStages:
    """The folder of one capture developed by one pipeline.

    capture_sha256: the capture's hash. planned: all the steps that the capture runs through.
    """

    folder: Path
    capture_sha256: str
    pipeline: Pipeline
    planned: Sequence[PlannedStep]

    def save(self, stage: str, signal: Signal) -> None:
        """Keeps what `stage` left."""
        self.folder.mkdir(parents=True, exist_ok=True)
        base = self._base(stage)
        _write_array(base.with_suffix(".npy"), signal.data)
        if signal.shading_gain is not None:
            _write_array(base.with_suffix(".shading_gain.npy"), signal.shading_gain)
        else:
            base.with_suffix(".shading_gain.npy").unlink(missing_ok=True)
        with replacing(base.with_suffix(".png")) as temporary:
            temporary.write_bytes(encoded_png(viewable(signal)))
        # The description last: a stage without it counts as not saved.
        with replacing(base.with_suffix(".json")) as temporary:
            temporary.write_text(self._described(stage, signal).model_dump_json(indent=2), encoding="utf-8")

    def before(self, stage: str, start: Signal) -> Signal:
        """What the stage before `stage` left, with the frame of `start`, and its noise model if it has one.

        Raises ConfigError if it was not saved or comes from another capture, other settings or another
        noise model, InputError if a file of it is damaged.
        """
        names = [part.name for part in self.planned]
        at = names.index(stage)
        if at == 0:
            return start
        base = self._base(names[at - 1])
        path = base.with_suffix(".json")
        if not path.is_file():
            raise ConfigError(f"--start-at {stage}: {path} does not exist", remedy=AGAIN)
        try:
            described = _Description.model_validate_json(path.read_bytes())
            self._check(described, stage, start.noise)
            gain = base.with_suffix(".shading_gain.npy")
            return replace(
                start,
                data=np.load(base.with_suffix(".npy"), allow_pickle=False),
                domain=described.domain,
                cfa=described.cfa,
                noise=start.noise or described.noise,
                white_balance=described.white_balance,
                saturation=described.saturation,
                shading_gain=np.load(gain, allow_pickle=False) if gain.is_file() else None,
                colour_space=described.colour_space,
                decisions=described.decisions,
            )
        except ValidationError as error:
            raise InputError(f"saved stage {path} is damaged: {error.errors()[0]['msg']}", remedy=AGAIN) from error
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"saved stage {base.with_suffix('.npy')} is damaged: {error}", remedy=AGAIN) from error

    def _base(self, stage: str) -> Path:
        # Numbered by the pipeline, so that files of a LinearRaw capture keep the same numbers.
        return self.folder / f"{self.pipeline.index(stage) + 1:02d}_{stage}"

    def _settings_through(self, stage: str) -> list[dict[str, Any]]:
        names = [part.name for part in self.planned]
        run = self.planned[: names.index(stage) + 1]
        return [{"stage": part.name, **part.step.parameters.model_dump(mode="json")} for part in run]

    def _described(self, stage: str, signal: Signal) -> _Description:
        return _Description(
            stage=stage,
            capture=str(signal.frame.source),
            capture_sha256=self.capture_sha256,
            settings=self._settings_through(stage),
            domain=signal.domain,
            cfa=signal.cfa,
            noise=signal.noise,
            white_balance=signal.white_balance,
            saturation=signal.saturation,
            colour_space=signal.colour_space,
            decisions=signal.decisions,
        )

    def _check(self, described: _Description, stage: str, noise: NoiseModel | None) -> None:
        if described.capture_sha256 != self.capture_sha256:
            raise ConfigError(f"{self.folder} was saved from another capture, {described.capture}", remedy=AGAIN)
        if described.settings != self._settings_through(described.stage):
            raise ConfigError(f"--start-at {stage}: the stages before it have other settings now", remedy=AGAIN)
        names = [part.name for part in self.planned]
        used = any(part.step.stage.needs_noise for part in self.planned[: names.index(stage)])
        if used and noise is not None and _numbers(noise) != _numbers(described.noise):
            raise ConfigError(f"--start-at {stage}: the stages before it used another noise model", remedy=AGAIN)


def _numbers(noise: NoiseModel | None) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    return None if noise is None else (noise.shot, noise.read)


def _write_array(path: Path, array: np.ndarray) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)
