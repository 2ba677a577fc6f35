"""A camera's measured noise per ISO: the calibration file, and what it says about a capture.

    noise_calibration: 1
    make: Raspberry Pi
    model: imx296
    valid_iso: [50, 400]
    entries:
      - iso: 100
        shot: [9.4e-05, 9.4e-05, 9.4e-05]     # per colour R, G, B
        read: [2.7e-07, 2.7e-07, 2.7e-07]
        provenance: static burst of 20 frames

Between entries shot is linear in ISO, for it is the amplifier's gain, and read is a line in ISO
squared: what is read before the amplifier grows with the square of its gain, what comes after stays.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from isp.atomic import replacing
from isp.errors import ConfigError
from isp.noise.model import NoiseModel, NoiseOrigin
from isp.raw_frame import RawFrame

STOP = 2.0
"""Where a file does not state `valid_iso`, it holds from one stop below its lowest ISO to one above its highest."""

Variance = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Iso = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CalibrationEntry(BaseModel):
    """Noise at one ISO: variance(x) = shot * x + read per colour (R, G, B), black 0, white 1.

    iso: as the camera's files state it; None for a camera with a single gain. provenance: how it was
    measured.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iso: Iso | None
    shot: tuple[Variance, Variance, Variance]
    read: tuple[Variance, Variance, Variance]
    provenance: str = ""


class Calibration(BaseModel):
    """All that was measured of one camera; entries in order of ISO."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    noise_calibration: Literal[1] = 1
    """Version of the file format."""
    make: str = ""
    model: str
    valid_iso: tuple[Iso, Iso] | None = None
    entries: Annotated[tuple[CalibrationEntry, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _entries_make_sense(self) -> Calibration:
        isos = [entry.iso for entry in self.entries]
        if len(isos) > 1 and any(iso is None for iso in isos):
            raise ValueError("several entries, one of them without iso: expected an iso in each")
        known = [iso for iso in isos if iso is not None]
        if any(b <= a for a, b in pairwise(known)):
            raise ValueError(f"isos {known}: expected ascending, each once")
        if self.valid_iso and self.valid_iso[0] > self.valid_iso[1]:
            raise ValueError(f"valid_iso {self.valid_iso}: expected [lowest, highest]")
        return self

    def with_entry(self, entry: CalibrationEntry) -> Calibration:
        """This calibration with one entry more, or with the one of the same ISO replaced."""
        others = [kept for kept in self.entries if kept.iso != entry.iso]
        if others and (entry.iso is None or any(kept.iso is None for kept in others)):
            raise ConfigError(
                f"the calibration of {self.model} has several gains, one of them without an ISO",
                expected="an ISO for each",
                remedy="give the ISO of this measurement",
            )
        entries = sorted([*others, entry], key=lambda e: e.iso or 0.0)
        return self.model_copy(update={"entries": tuple(entries)})

    def model_for(self, frame: RawFrame) -> NoiseModel | None:
        """The noise of a capture, or None where it is another camera's.

        A capture that doesn't name its camera counts as this camera's. Raises ConfigError where the
        capture's ISO is missing or outside `valid_iso`.
        """
        if frame.model and _name(frame.model) != _name(self.model):
            return None
        if frame.make and self.make and _name(frame.make) != _name(self.make):
            return None
        if self.entries[0].iso is None:
            return NoiseModel(self.entries[0].shot, self.entries[0].read, NoiseOrigin.CALIBRATION)
        return self._at(frame.exposure.iso, frame.source)

    def _at(self, iso: float | None, source: Path) -> NoiseModel:
        known = np.array([entry.iso for entry in self.entries], np.float64)
        low, high = self.valid_iso or (known[0] / STOP, known[-1] * STOP)
        if iso is None or not low <= iso <= high:
            found = "does not tell its ISO" if iso is None else f"has ISO {iso:g}"
            raise ConfigError(
                f"{source.name} {found}, and the noise calibration of {self.model} cannot be used",
                expected=f"ISO {low:g} to {high:g}",
                remedy="calibrate at this ISO, or give the noise model yourself",
            )
        shot = np.array([entry.shot for entry in self.entries])
        read = np.array([entry.read for entry in self.entries])
        shots = [_line(iso, known, shot[:, c]) for c in range(3)]
        reads = [_line(iso**2, known**2, read[:, c]) for c in range(3)]
        return NoiseModel((shots[0], shots[1], shots[2]), (reads[0], reads[1], reads[2]), NoiseOrigin.CALIBRATION)


def load_calibration(path: Path) -> Calibration:
    """Reads a calibration file. Raises ConfigError for anything that isn't one."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Calibration.model_validate(content)
    except OSError as error:
        raise ConfigError(f"noise calibration {path}: {error.strerror}", expected="a readable file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"noise calibration {path} is not YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        # A mistyped key also makes the right one missing: name the mistyped one.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ConfigError(f"noise calibration {path}: {where}: {first['msg']}") from error


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Writes a calibration file, whole or not at all."""
    text = yaml.safe_dump(
        calibration.model_dump(mode="json", exclude_none=False), sort_keys=False, default_flow_style=None
    )
    try:
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", expected="a folder that can be written") from error


def _name(text: str) -> str:
    return " ".join(text.casefold().split())


def _line(at: float, x: np.ndarray, y: np.ndarray) -> float:
    """Straight between and beyond neighbours, never negative; through zero where only one point is known."""
    if len(x) == 1:
        return float(y[0] * at / x[0])
    i = int(np.clip(np.searchsorted(x, at) - 1, 0, len(x) - 2))
    return max(0.0, float(y[i] + (y[i + 1] - y[i]) * (at - x[i]) / (x[i + 1] - x[i])))
