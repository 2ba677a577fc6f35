"""The memory that a command stream works on: regions of bytes, with everything an accelerator must not do refused.

Refused are accesses outside a region, writes to constants, elements at odd addresses, and reads of bytes that nobody
has written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator.errors import SimulationError
from compile.ethos_u.simulator.hazards import Accesses
from compile.ethos_u.simulator.operations import Span

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Region:
    """Bytes, and which of them hold something; constants hold something everywhere."""

    content: Bytes
    is_written: NDArray[np.bool_]
    is_constant: bool


def constants(content: bytes) -> Region:
    return Region(np.frombuffer(content, np.uint8), np.ones(len(content), np.bool_), is_constant=True)


def scratch(size_bytes: int) -> Region:
    return Region(np.zeros(size_bytes, np.uint8), np.zeros(size_bytes, np.bool_), is_constant=False)


class Memory:
    """Regions by number."""

    def __init__(self, regions: Mapping[int, Region]) -> None:
        self._regions = dict(regions)
        self._reads: list[Span] = []
        self._writes: list[Span] = []

    def take_accesses(self) -> Accesses:
        """What was read and written since the last call."""
        accesses = Accesses(tuple(self._reads), tuple(self._writes))
        self._reads, self._writes = [], []
        return accesses

    def load(self, region: int, address: int, length: int) -> bytes:
        """Raises SimulationError for bytes that do not exist or that nobody wrote."""
        found = self._region(region)
        self._reads.append(self._checked_range(region, address, address + length))
        if not found.is_written[address : address + length].all():
            raise SimulationError(f"region {region}: reads of {address:#x}+{length:#x}, which nobody wrote")
        return found.content[address : address + length].tobytes()

    def store(self, region: int, address: int, content: bytes) -> None:
        """Raises SimulationError for bytes that do not exist or are constant."""
        found = self._writable(region)
        self._writes.append(self._checked_range(region, address, address + len(content)))
        found.content[address : address + len(content)] = np.frombuffer(content, np.uint8)
        found.is_written[address : address + len(content)] = True

    def read(
        self, region: int, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str
    ) -> NDArray[np.integer]:
        """Elements at those distances in bytes, as a view that must not be written to."""
        found = self._region(region)
        self._reads.append(self._checked_elements(region, address, shape, strides, dtype))
        if not np.ndarray(shape, np.bool_, found.is_written, address, strides).all():
            raise SimulationError(f"region {region}: reads at {address:#x} what nobody wrote")
        return np.ndarray(shape, dtype, found.content, address, strides)

    def write(
        self, region: int, address: int, strides: tuple[int, ...], dtype: str, values: NDArray[np.integer]
    ) -> None:
        """Elements of the shape of `values`, to those distances in bytes."""
        found = self._writable(region)
        self._writes.append(self._checked_elements(region, address, values.shape, strides, dtype))
        np.ndarray(values.shape, dtype, found.content, address, strides)[...] = values
        element = np.dtype(dtype).itemsize
        np.ndarray((*values.shape, element), np.bool_, found.is_written, address, (*strides, 1))[...] = True

    def check_writable(
        self, region: int, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str
    ) -> None:
        """Raises SimulationError where `write` would."""
        self._writable(region)
        self._checked_elements(region, address, shape, strides, dtype)

    def _region(self, region: int) -> Region:
        if region not in self._regions:
            raise SimulationError(f"region {region}", expected=f"one of {sorted(self._regions)}")
        return self._regions[region]

    def _writable(self, region: int) -> Region:
        found = self._region(region)
        if found.is_constant:
            raise SimulationError(f"region {region}: writes to constants")
        return found

    def _checked_range(self, region: int, first: int, end: int) -> Span:
        size = len(self._region(region).content)
        if first < 0 or end > size:
            raise SimulationError(f"region {region}: {first:#x}…{end:#x} accessed", expected=f"within {size:#x} bytes")
        return Span(region, first, end - first)

    def _checked_elements(
        self, region: int, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str
    ) -> Span:
        element = np.dtype(dtype).itemsize
        if any(distance % element for distance in (address, *strides)):
            raise SimulationError(f"region {region}: elements of {element} bytes at {address:#x}, steps {strides}")
        reaches = [(length - 1) * stride for length, stride in zip(shape, strides, strict=True)]
        first = address + sum(reach for reach in reaches if reach < 0)
        last = address + sum(reach for reach in reaches if reach > 0)
        return self._checked_range(region, first, last + element)
