"""Descriptions of plain Bayer dumps: what a file of bare pixels does not say itself."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from isp.cfa import Cfa
from isp.errors import InputError
from isp.registry import nearest

Level = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Packing(StrEnum):
    """How pixels lie in a dump's bytes."""

    U8 = "u8"
    """One byte each."""
    U16LE = "u16le"
    """Two bytes each, low byte first."""
    U16BE = "u16be"
    """Two bytes each, high byte first."""
    MIPI_RAW10 = "mipi_raw10"
    """MIPI CSI-2 RAW10: five bytes for four pixels, their low bits in the fifth."""
    MIPI_RAW12 = "mipi_raw12"
    """MIPI CSI-2 RAW12: three bytes for two pixels, their low bits in the third."""


class BayerDump(BaseModel):
    """What is in a dump: by flags, or by a YAML file beside it (`capture.raw.yaml` or `capture.yaml`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cfa: Cfa = Field(description="colours of the first 2 x 2 pixels, row by row")
    bits: int = Field(ge=8, le=16, description="bits per pixel that carry the value")
    width: int | None = Field(None, ge=2, le=65_500, description="pixels per row; needed for .raw and .bin")
    height: int | None = Field(None, ge=2, le=65_500, description="rows; needed for .raw and .bin")
    packing: Packing | None = Field(
        None, description="how pixels lie in the bytes of .raw and .bin: by default u8 for 8 bits, else u16le"
    )
    stride_bytes: int | None = Field(None, ge=2, description="bytes from row to row; by default rows touch")
    offset_bytes: int = Field(0, ge=0, description="bytes before the first pixel")
    black: Level | tuple[tuple[Level, Level], tuple[Level, Level]] = Field(
        0.0, description="digital number of no light: one, or one for each of the first 2 x 2 pixels"
    )
    white: Positive | None = Field(
        None, description="digital number of a full pixel; by default the largest that the bits hold"
    )
    as_shot_neutral: tuple[Positive, Positive, Positive] | None = Field(
        None, description="camera RGB of a neutral object"
    )
    colour_matrix: (
        tuple[tuple[Finite, Finite, Finite], tuple[Finite, Finite, Finite], tuple[Finite, Finite, Finite]] | None
    ) = Field(None, description="XYZ to camera RGB under D65, three rows of three, as DNG's ColorMatrix")
    noise_shot: Level | None = Field(None, description="variance per signal, both from 0 at black to 1 at white")
    noise_read: Level | None = Field(None, description="variance at black, on data from 0 at black to 1 at white")

    @field_validator("cfa", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check(self) -> Self:
        packed_bits = {Packing.U8: 8, Packing.MIPI_RAW10: 10, Packing.MIPI_RAW12: 12}
        if self.packing in packed_bits and self.bits != packed_bits[self.packing]:
            raise ValueError(f"packing {self.packing} holds {packed_bits[self.packing]} bits, but bits is {self.bits}")
        if (self.noise_shot is None) != (self.noise_read is None):
            raise ValueError("noise_shot and noise_read belong together: give both or none")
        if self.white_dn <= max(max(row) for row in self.black_pattern):
            raise ValueError(f"white {self.white_dn:g} is not above black {self.black}")
        return self

    @property
    def white_dn(self) -> float:
        """Digital number of a full pixel."""
        return self.white if self.white is not None else 2.0**self.bits - 1

    @property
    def black_pattern(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Digital number of no light for each of the first 2 x 2 pixels."""
        return self.black if isinstance(self.black, tuple) else ((self.black,) * 2,) * 2


def description_files(path: Path) -> tuple[Path, Path]:
    """Where the description of the dump `path` may lie, the preferred one first."""
    return path.with_name(path.name + ".yaml"), path.with_suffix(".yaml")


def description_beside(path: Path) -> BayerDump | None:
    """The description beside the dump `path`, None where there is none. Raises InputError if it is invalid."""
    for file in description_files(path):
        if file.is_file():
            return load_description(file)
    return None


def load_description(file: Path) -> BayerDump:
    """A description from a YAML file. Raises InputError if it is not one."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{file.name} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file.name} holds no description of a dump", expected="lines such as `width: 1920`")
    try:
        return BayerDump.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{file.name}: {problems(error)}") from error


def problems(error: ValidationError) -> str:
    """What is wrong with a description, in one line."""
    texts = []
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"] if part in BayerDump.model_fields or isinstance(part, int))
        match detail["type"]:
            case "extra_forbidden":
                unknown = str(detail["loc"][0])
                texts.append(f"unknown key {unknown!r}, {nearest(unknown, BayerDump.model_fields)}")
            case "missing" if len(detail["loc"]) == 1:
                texts.append(f"the key {key!r} is missing")
            case _:
                texts.append(f"{key}: {detail['msg']}".removeprefix(": "))
    return "; ".join(dict.fromkeys(texts))
