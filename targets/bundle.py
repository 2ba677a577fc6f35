"""A bundle made by `python -m compile`, as far as boards need to know it.

Of `manifest.json`, only what concerns boards is read; the rest is for other readers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from isp.errors import ConfigError, InputError
from isp.registry import nearest
from targets.descriptions import Precision

MANIFEST: Final = "manifest.json"
BUNDLE_ID_BYTES: Final = 16
PERIOD_PX: Final = 256
"""Rows of every scale are whole numbers of vectors where the width is a multiple of this; each adds as much memory."""
AUTO: Final = "auto"
REMEDY: Final = "make the bundle with `python -m compile`"

_CHECKED = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)
_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LibraryPath = Annotated[str, Field(pattern=r"^lib/[^/\\]+$")]
_Width = Annotated[str, Field(pattern=r"^[1-9][0-9]*$")]
_Positive = Annotated[int, Field(gt=0)]


@checked_dataclass(frozen=True, config=_CHECKED)
class Specialist:
    """A network of the bundle.

    sha256: of the weights it was compiled from. shot_range: shot noise that it was trained for. chosen_from: the
    least shot noise for which it is chosen. halo_px: pixels around a tile that may influence it.
    arena_bytes_of_width: scratch memory of a call, by the tile's width in pixels.
    """

    name: Annotated[str, Field(min_length=1)]
    sha256: _Sha256
    shot_range: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    chosen_from: Annotated[float, Field(ge=0)]
    halo_px: Annotated[int, Field(ge=0)]
    arena_bytes_of_width: dict[_Width, _Positive]

    def __post_init__(self) -> None:
        if not {str(PERIOD_PX), str(2 * PERIOD_PX)} <= self.arena_bytes_of_width.keys():
            raise ValueError(f"arena_bytes_of_width: expected {PERIOD_PX} and {2 * PERIOD_PX} among the widths")

    def arena_bytes(self, width_px: int) -> int:
        """Scratch memory of a call for tiles of a width and of any height, at the most."""
        known = {int(width): size_bytes for width, size_bytes in self.arena_bytes_of_width.items()}
        periods = (width_px - 1) // PERIOD_PX
        least = min(width for width in known if width >= width_px - periods * PERIOD_PX)
        return known[least] + periods * (known[2 * PERIOD_PX] - known[PERIOD_PX])

    def memory_bytes(self, width_px: int, height_px: int) -> int:
        """What a board needs for a tile: its input, its output and the arena."""
        return 2 * 4 * width_px * height_px + self.arena_bytes(width_px)


@checked_dataclass(frozen=True, config=_CHECKED)
class LibraryFiles:
    """static, shared: paths in the bundle; shared is None where there is no operating system. sha256: by path."""

    static: _LibraryPath
    shared: _LibraryPath | None
    sha256: dict[_LibraryPath, _Sha256]


@checked_dataclass(frozen=True, config=_CHECKED)
class Manifest:
    """What `manifest.json` says of the bundle. abi: version of the library's C interface."""

    schema: Literal[1]
    target: str
    precision: Annotated[Precision, Field(strict=False)]
    abi: _Positive
    family: str
    specialists: Annotated[tuple[Specialist, ...], Field(min_length=1)]
    library: LibraryFiles

    def __post_init__(self) -> None:
        names = [one.name for one in self.specialists]
        if len(set(names)) < len(names):
            raise ValueError(f"specialists {', '.join(names)}: expected each once")
        begins = [one.chosen_from for one in self.specialists]
        if begins[0] != 0 or not all(a < b for a, b in pairwise(begins)):
            raise ValueError(f"specialists chosen from {begins}: expected 0 first, then ascending")
        if self.library.static not in self.library.sha256:
            raise ValueError(f"library.sha256: expected that of {self.library.static}")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose libraries are those that its manifest lists."""

    folder: Path
    manifest: Manifest

    @property
    def bundle_id(self) -> bytes:
        return bundle_id(self.manifest)

    def number(self, name: str) -> int:
        """The number by which the library knows a specialist. Raises ConfigError if there is none of that name."""
        names = [one.name for one in self.manifest.specialists]
        if name not in names:
            raise ConfigError(f"{self.folder}: no specialist {name!r}", remedy=nearest(name, names))
        return names.index(name)


def bundle_id(manifest: Manifest) -> bytes:
    """What tells bundles apart on the link: 16 bytes that change whenever the library does."""
    listed = manifest.library.sha256[manifest.library.static]
    return hashlib.sha256(listed.encode("ascii")).digest()[:BUNDLE_ID_BYTES]


def read(folder: Path) -> Bundle:
    """The bundle in a folder.

    Raises ConfigError if there is no such folder, InputError for a manifest that is not usable and for libraries that
    are missing or not those listed.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder", expected="a bundle", remedy=REMEDY)
    manifest = _manifest(folder / MANIFEST)
    for name, listed in manifest.library.sha256.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}", expected="the bundle's library", remedy=REMEDY) from error
        if found != listed:
            raise InputError(
                f"{path}: this library (SHA-256 {found[:12]}) is not the one that the manifest lists",
                expected=f"SHA-256 {listed[:12]}",
                remedy=REMEDY,
            )
    return Bundle(folder, manifest)


def _manifest(path: Path) -> Manifest:
    try:
        return TypeAdapter(Manifest).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the manifest of a bundle", remedy=REMEDY) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {fault['msg']}", expected="the manifest of a bundle, schema 1", remedy=REMEDY
        ) from error
