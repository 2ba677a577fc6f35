"""A bundle made by `python -m compile`: what its `manifest.json` says, and its library.

Of the manifest, only what running the library needs is read; the rest is for other readers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from denoiser.libfan import REMEDY, Library
from denoiser.models import AUTO, Choice, Member
from isp.errors import ConfigError, InputError
from isp.registry import nearest
from isp.report.sidecar import sha256

MANIFEST: Final = "manifest.json"

CHECKED = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@checked_dataclass(frozen=True, config=CHECKED)
class Specialist:
    """A network of the bundle. sha256: of the weights it was compiled from. chosen_from: the least shot
    noise for which it is chosen."""

    name: str
    sha256: Sha256
    chosen_from: Annotated[float, Field(ge=0)]


@checked_dataclass(frozen=True, config=CHECKED)
class LibraryFiles:
    """shared: the dynamic library's path in the bundle, None if there was no linker. sha256: by path."""

    shared: Annotated[str, Field(pattern=r"^lib/[^/\\]+$")] | None
    sha256: dict[str, Sha256]


@checked_dataclass(frozen=True, config=CHECKED)
class BundleManifest:
    """What `manifest.json` says of the bundle, as far as running its library goes."""

    schema: Literal[1]
    target: str
    precision: str
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


@dataclass(frozen=True)
class Bundle:
    """A bundle whose library is the one that its manifest lists."""

    folder: Path
    manifest: BundleManifest
    library_path: Path

    @property
    def library_sha256(self) -> str:
        return self.manifest.library.sha256[str(self.manifest.library.shared)]

    def resolve(self, model: str) -> Choice:
        """What `model` names: "auto" or the bundle's family, all of it; a network's name, that one for any
        noise. Members' hashes are those of the weights they were compiled from, their path the library's.

        Raises ConfigError for what the bundle doesn't hold.
        """
        specialists, family = self.manifest.specialists, self.manifest.family
        if model in {AUTO, family}:
            return Choice(family, tuple(self._member(one, one.chosen_from) for one in specialists))
        if named := [one for one in specialists if one.name == model]:
            return Choice(model, (self._member(named[0], 0.0),))
        names = [one.name for one in specialists]
        raise ConfigError(
            f"the bundle {self.folder} holds no model {model!r}",
            expected=", ".join(dict.fromkeys((AUTO, family, *names))),
            remedy=nearest(model, {AUTO, family, *names}),
        )

    def load(self) -> Library:
        """The library. Raises InputError if it doesn't load on this machine or isn't the manifest's."""
        library = Library(self.library_path, self.manifest.target)
        listed = tuple(one.name for one in self.manifest.specialists)
        if library.specialists != listed:
            raise InputError(
                f"{self.library_path}: a library of {', '.join(library.specialists) or 'no model'}",
                expected=f"{', '.join(listed)}, as its manifest says",
                remedy=REMEDY,
            )
        return library

    def _member(self, specialist: Specialist, chosen_from: float) -> Member:
        return Member(specialist.name, self.library_path, specialist.sha256, chosen_from)


def read(folder: Path) -> Bundle:
    """The bundle in a folder. Raises ConfigError if there is no such folder, InputError for a manifest
    that is not usable and for a library that is missing or not the one listed."""
    if not folder.is_dir():
        raise ConfigError(
            f"denoiser backend {str(folder)!r}", expected="torch, or the folder of a bundle", remedy=REMEDY
        )
    manifest = _manifest(folder / MANIFEST)
    shared = manifest.library.shared
    if shared is None:
        raise InputError(
            f"{folder}: a bundle for {manifest.target} without a shared library",
            expected="lib/libfan.so",
            remedy=REMEDY,
        )
    path = folder / shared
    try:
        found = sha256(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the bundle's library", remedy=REMEDY) from error
    listed = manifest.library.sha256.get(shared, "none")
    if found != listed:
        raise InputError(
            f"{path}: this library (SHA-256 {found[:12]}) is not the one that the manifest lists",
            expected=f"SHA-256 {listed[:12]}",
            remedy=REMEDY,
        )
    return Bundle(folder, manifest, path)


def _manifest(path: Path) -> BundleManifest:
    try:
        return TypeAdapter(BundleManifest).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", expected="the manifest of a bundle", remedy=REMEDY) from error
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise InputError(
            f"{path}: {where}: {fault['msg']}", expected="the manifest of a bundle, schema 1", remedy=REMEDY
        ) from error
