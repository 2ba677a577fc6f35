"""From a result of full width to an element: multiply, shift right with rounding, zero point, clamp.

References
----------
TOSA 1.0 specification, "Precision scaling" (apply_scale_32); TensorFlow Lite, `MultiplyByQuantizedMultiplier`.
Rounding twice, at bit 31 and at the shift, is `Rounding.DOUBLE`; where the shift is not beyond 31 it rounds once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compile.ethos_u.simulator.errors import SimulationError, UnmodelledError
from compile.ethos_u.simulator.operations import OutputStage, Rounding

Wide = NDArray[np.int64]

FIRST_ROUNDING_BIT = 31
LIMIT = (1 << 62) - (1 << FIRST_ROUNDING_BIT)
"""Products stay below it, so that what is added for rounding cannot overflow."""


@dataclass(frozen=True)
class Multipliers:
    """int64 arrays that broadcast over the last axis of what they scale."""

    multiplier: Wide
    shift: Wide


def single(multiplier: int, shift: int) -> Multipliers:
    return Multipliers(np.array([multiplier], np.int64), np.array([shift], np.int64))


def scaled(values: Wide, by: Multipliers, rounding: Rounding) -> Wide:
    """values * multiplier / 2**shift, rounded; overwrites `values`.

    Raises SimulationError where the product leaves 63 bits.
    """
    if rounding is Rounding.TRUNCATE:
        raise UnmodelledError("rounding by truncation")
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    if largest * int(by.multiplier.max(initial=0)) >= LIMIT:
        raise SimulationError(f"{largest} times {int(by.multiplier.max())} does not fit into 63 bits")
    values *= by.multiplier
    if rounding is Rounding.DOUBLE:
        twice = by.shift > FIRST_ROUNDING_BIT
        if twice.any():
            first = np.where(twice, np.int64(1 << FIRST_ROUNDING_BIT - 1), np.int64(0))
            values += np.where(values < 0, -first, first)
    values += np.where(by.shift > 0, np.int64(1) << np.maximum(by.shift - 1, 0), np.int64(0))
    values >>= by.shift
    return values


def finished(
    values: Wide, by: Multipliers | None, output: OutputStage, zero_point: int, dtype: str
) -> NDArray[np.integer]:
    """Elements of the OFM; overwrites `values`. by: None where nothing is scaled.

    Raises SimulationError for a 32-bit result that overflows: those are not clamped.
    """
    if by is not None:
        values = scaled(values, by, output.rounding)
    values += zero_point
    if output.maximum == (1 << 31) - 1 and (values.min() < output.minimum or values.max() > output.maximum):
        raise SimulationError("a 32-bit result overflows")
    np.clip(values, output.minimum, output.maximum, out=values)
    return values.astype(dtype)
