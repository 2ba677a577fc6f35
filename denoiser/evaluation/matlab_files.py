"""MATLAB's files of both kinds: version 5 through SciPy, version 7.3, which is HDF5, through h5py.

MATLAB writes version 7.3 with its arrays transposed, text as uint16, and what a cell or an element of a
struct array holds as an HDF5 reference.

References
----------
MathWorks, "MAT-File Level 5 File Format" and "MAT-File Versions" (documentation of MATLAB).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from isp.atomic import replacing
from isp.errors import ConfigError, InputError

Value = np.ndarray | str | list[Any] | dict[str, Any]
_TEXT = (b"char", "char")


def read_v73(path: Path, name: str) -> Value:
    """The variable `name` of a version 7.3 file, in MATLAB's order.

    Numbers come as arrays, at least two-dimensional as in MATLAB, text as str, a struct as a dict, a cell
    array and each field of a struct array as a flat list in column order. Raises InputError for a file
    that is missing, damaged, of another version, or without that variable.
    """
    h5py = _installed("h5py")
    try:
        with h5py.File(path, "r") as file:
            if name not in file:
                raise InputError(f"{path} holds {_listed(file)}", expected=name)
            return _value(file[name], file, h5py)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error, "a MATLAB file of version 7.3") from error


def read_v5(path: Path, name: str) -> Value:
    """The variable `name` of a version 5 file: arrays without dimensions of one, a struct as a dict, a
    struct array as a list of dicts. Raises InputError as `read_v73` does."""
    io = _installed("scipy.io")
    try:
        content = io.loadmat(path, variable_names=[name], simplify_cells=True)
        if name not in content:
            raise InputError(f"{path} holds {_listed([row[0] for row in io.whosmat(path)])}", expected=name)
        value: Value = content[name]
        return value
    except (
        OSError,
        KeyError,
        IndexError,
        TypeError,
        ValueError,
        NotImplementedError,
        zlib.error,
        io.matlab.MatReadError,
    ) as error:
        raise _unreadable(path, error, "a MATLAB file of version 5") from error


def write_v5(path: Path, variables: Mapping[str, object]) -> None:
    """A version 5 file, whole or not at all; vectors become rows, arrays of dtype object cells.

    Raises ConfigError where it cannot be written.
    """
    io = _installed("scipy.io")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            io.savemat(file, variables, oned_as="row")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error


def _value(item: Any, file: Any, h5py: ModuleType) -> Value:  # noqa: ANN401 - h5py is imported when needed
    if isinstance(item, h5py.Group):
        return {name: _value(member, file, h5py) for name, member in item.items()}
    if h5py.check_ref_dtype(item.dtype) is not None:
        return [_value(file[reference], file, h5py) for reference in item[()].ravel()]
    if item.attrs.get("MATLAB_class") in _TEXT:
        return "".join(chr(code) for code in item[()].ravel())
    array: np.ndarray = item[()].T
    return array


def _installed(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"MATLAB files need {module}, which is not installed", remedy="pip install 'fan-isp[datasets]'"
        ) from error


def _unreadable(path: Path, error: Exception, expected: str) -> InputError:
    if not path.is_file():
        return InputError(f"{path}: no such file", expected=expected)
    return InputError(
        f"{path} cannot be read: {str(error).splitlines()[0] if str(error) else 'damaged'}", expected=expected
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
