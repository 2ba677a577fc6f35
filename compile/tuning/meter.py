"""What can tell which of several tilings is the better one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from compile.row_kernels.kernel import RowKernel, Tiling


class Meter(Protocol):
    """description: how it measures, for the record."""

    @property
    def description(self) -> str: ...

    def measure(self, kernel: RowKernel, tilings: Sequence[Tiling]) -> tuple[float, ...]:
        """The cost of each tiling, comparable within one call."""
