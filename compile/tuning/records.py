"""The tilings that tuning found, one readable file for a target and precision.

Those that come with the program lie in `compile/records`; a user's own, made by `--tune`, in `build/tuning`, and
go before them, kernel by kernel.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from compile.row_kernels.kernel import COLUMNS, RowKernel, Tiling, Vectors
from isp.atomic import replacing
from isp.errors import InputError
from targets.descriptions import HOST, Target

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).parent.parent / "records"
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Positive = Annotated[int, Field(gt=0)]


@checked_dataclass(frozen=True, config=STRICT)
class Entry:
    """The best tiling of one kernel. cost: what it took, as a share of what the untuned tiling took. tried:
    how many tilings were measured."""

    columns: Annotated[int, Field(gt=0, le=COLUMNS)]
    blocks: Positive
    unrolled: Positive
    cost: Annotated[float, Field(gt=0)]
    tried: Positive

    @property
    def tiling(self) -> Tiling:
        return Tiling(self.columns, self.blocks, self.unrolled)


@checked_dataclass(frozen=True, config=STRICT)
class Records:
    """What is known of a target's kernels. measured_by: how costs came about. kernels: by name."""

    schema: Literal[1]
    target: str
    values: str
    lanes: int
    measured_by: str
    kernels: Mapping[str, Entry]

    def fit(self, vectors: Vectors) -> bool:
        return (self.values, self.lanes) == (vectors.values, vectors.lanes)


def name_of(target: Target) -> str:
    """What records of a target go by; those of this machine by its kind of core."""
    return target.cpu if target.name == HOST else target.name


def path_of(folder: Path, target: Target, vectors: Vectors) -> Path:
    return folder / f"{name_of(target)}-{vectors.values}.json"


def read(path: Path) -> Records | None:
    """The records in a file; None if there is no such file. Raises InputError for one that is not usable."""
    try:
        return TypeAdapter(Records).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="tuning records") from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {fault['msg']}", expected="tuning records", remedy="remove it, or tune again"
        ) from error


def write(path: Path, records: Records) -> None:
    """Writes records, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kernels = {name: asdict(entry) for name, entry in sorted(records.kernels.items())}
    content = {**asdict(records), "kernels": kernels}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def tuned(
    untuned: Mapping[RowKernel, Tiling], folders: Iterable[Path], target: Target, vectors: Vectors
) -> dict[RowKernel, Tiling]:
    """For each kernel its tiling in the first folder that has one, else the untuned one; says what is untuned."""
    chosen: dict[RowKernel, Tiling] = {}
    for folder in folders:
        path = path_of(folder, target, vectors)
        records = read(path)
        if records is None:
            continue
        if not records.fit(vectors):
            log.warning("%s: for vectors of %d %s, left aside", path, records.lanes, records.values)
            continue
        for kernel in untuned:
            if kernel.name in records.kernels:
                chosen.setdefault(kernel, records.kernels[kernel.name].tiling)
    missing = [kernel.name for kernel in untuned if kernel not in chosen]
    if missing:
        log.info("%s: no tuning record for %s", name_of(target), ", ".join(missing))
    return {**untuned, **chosen}
