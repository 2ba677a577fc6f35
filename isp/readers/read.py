"""One door for every kind of capture."""

from __future__ import annotations

from pathlib import Path

from isp.dng.tiff import TIFF_MAGIC, TiffFile
from isp.errors import ConfigError, InputError
from isp.raw_frame import RawFrame
from isp.readers.bayer_dump import BayerDump, description_beside, description_files
from isp.readers.camera_raw import read_camera_raw
from isp.readers.dng import is_dng, read_dng
from isp.readers.dump import BARE_SUFFIXES, DUMP_SUFFIXES, read_dump

CAMERA_SUFFIXES = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".gpr", ".iiq", ".kdc", ".mef"),
        *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)

supported_suffixes = CAMERA_SUFFIXES | DUMP_SUFFIXES
"""File name endings, lower case, that `read` knows."""


def is_raw_file(path: Path) -> bool:
    """Whether `path` is to be taken for a capture when a folder is scanned, by its name alone.

    NumPy arrays and pictures count only where a description lies beside them.
    """
    suffix = path.suffix.lower()
    if suffix in CAMERA_SUFFIXES or suffix in BARE_SUFFIXES:
        return True
    return suffix in DUMP_SUFFIXES and any(file.is_file() for file in description_files(path))


def read(path: Path, dump: BayerDump | None = None) -> RawFrame:
    """The capture in `path`: a DNG, any RAW that LibRaw decodes, or a plain Bayer dump.

    dump: what a plain dump holds; without it, the YAML file beside the dump says so. Raises InputError
    for a file that cannot be used, ConfigError for a description of a file that needs none.
    """
    suffix = path.suffix.lower()
    _check_readable(path)
    if suffix in DUMP_SUFFIXES:
        description = dump or description_beside(path)
        if description is None:
            size, beside = "--width, --height, " if suffix in BARE_SUFFIXES else "", description_files(path)[0].name
            raise InputError(
                f"{path.name} is a plain dump without a description",
                expected=f"{beside} beside it, or the options {size}--cfa and --bits-per-pixel",
            )
        return read_dump(path, description)
    if suffix not in CAMERA_SUFFIXES:
        raise InputError(f"{path.name} has an unknown ending", expected=", ".join(sorted(supported_suffixes)))
    if dump is not None:
        raise ConfigError(
            f"{path.name} describes itself",
            expected=f"a description only for {', '.join(sorted(DUMP_SUFFIXES))}",
            remedy="leave the description out",
        )
    with path.open("rb") as file:
        head = file.read(4)
        if suffix == ".dng" or head in TIFF_MAGIC:
            tiff = TiffFile(path, file)
            if is_dng(tiff):
                return read_dng(tiff)
            if suffix == ".dng":
                raise InputError(f"{path.name} is a TIFF but not a DNG: it has no DNGVersion")
            return read_camera_raw(path, tiff.first_directory())
    return read_camera_raw(path)


def _check_readable(path: Path) -> None:
    """Raise InputError unless `path` is a file with something in it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder", expected="a file")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error
    if size == 0:
        raise InputError(f"{path} is empty", remedy="copy it again from its source")
