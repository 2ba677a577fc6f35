"""Does a board's NPU give the integers that it must, and does the core around it do what it should? One golden tile.

Two runs: of the integers that the bundle holds for the tile, whose answer must be met to the bit; then of the tile in
floats, which the core turns into integers and back. There a core's rounding may differ from that of the machine that
made the bundle: an input that lies half-way between two steps may come out as the other, and the network answers that.
So the mosaic may lie `BORDER_STEPS` steps of the network's input from what the exact integers stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from targets.golden import GoldenTile
from targets.npu_border import input_step_sigmas, noise_sigmas, restored
from targets.npu_bundle import NpuBundle
from targets.verdict import Column, TileResult, measure

if TYPE_CHECKING:
    from targets.link.client import Board

BORDER_STEPS: Final = 4.0
_FLOAT_ERROR: Final = 1e-6
"""Of float32 arithmetic, relative to full scale, and to the value beyond it."""


@dataclass(frozen=True)
class NpuBoardResult(TileResult):
    """differing: values of the NPU's answer, out of `values`, that are not the bundle's. border_steps: farthest that
    the board's mosaic lies from what the bundle's integers stand for, in steps of the network's input; None where it
    has values that are not finite."""

    differing: int
    values: int
    border_steps: float | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            **super().as_dict(),
            "npu_values": self.values,
            "npu_values_that_differ": self.differing,
            "border_steps": self.border_steps,
        }


COLUMNS: Final = (
    Column[TileResult]("integers", lambda one: _integers_text(one)),
    Column[TileResult]("border", lambda one: _border_text(one)),
)
"""What a table says of an NPU besides."""


def checked(board: Board, bundle: NpuBundle, number: int, tile: GoldenTile) -> NpuBoardResult:
    """Runs a tile on a board, twice, and judges what comes out.

    Raises InputError for a bundle without the tile's integers, and what `Board.run` raises.
    """
    specialist = bundle.manifest.specialists[number]
    expected = bundle.integers(number, tile.name, "output")
    exact = board.run_integers(number, bundle.integers(number, tile.name, "input").tobytes())
    run = board.run(number, tile.shot, tile.read, tile.noisy)
    if len(exact.output) == expected.nbytes:
        answer = np.frombuffer(exact.output, expected.dtype).reshape(expected.shape)
        wrong = np.argwhere(answer != expected)
        differing = len(wrong)
        complaints = [_first(wrong[0], answer, expected, differing)] if differing else []
    else:
        differing = expected.size
        complaints = [f"the NPU's answer has {len(exact.output)} bytes, expected {expected.nbytes}"]
    finite = bool(np.isfinite(run.output).all())
    wanted = restored(specialist, tile, expected)
    steps = _steps(run.output, wanted, tile, input_step_sigmas(specialist)) if finite else None
    if steps is None:
        complaints.append("values of the output are not finite")
    elif steps > BORDER_STEPS:
        complaints.append(
            f"the mosaic lies {steps:.3g} steps of the network's input from what the integers stand for, expected at "
            f"most {BORDER_STEPS:g}"
        )
    seconds = run.seconds if run.ticks else None
    return NpuBoardResult(
        specialist.name,
        tile,
        run.output,
        measure(run.output, tile) if finite else None,
        run.arena_bytes,
        seconds,
        "; ".join(complaints),
        differing,
        expected.size,
        steps,
    )


def _first(where: np.ndarray, answer: np.ndarray, expected: np.ndarray, differing: int) -> str:
    at = tuple(map(int, where))
    return (
        f"the NPU answers {differing} of {expected.size} integers otherwise than it must, the first at {list(at)}: "
        f"{answer[at]}, expected {expected[at]}"
    )


def _steps(output: np.ndarray, wanted: np.ndarray, tile: GoldenTile, step_sigmas: float) -> float:
    """The greatest difference in steps of the input; what float32 arithmetic loses does not count."""
    excess = np.abs(output.astype(np.float64) - wanted) - _FLOAT_ERROR * np.maximum(1, np.abs(wanted))
    beyond = np.maximum(excess, 0)
    # Where a mosaic has no noise there is no step, and nothing may differ.
    step = step_sigmas * noise_sigmas(tile)
    return float(np.max(np.divide(beyond, step, out=np.where(beyond > 0, np.inf, 0.0), where=step > 0)))


def _integers_text(one: TileResult) -> str:
    if not isinstance(one, NpuBoardResult):
        return "-"
    return f"{one.differing} differ" if one.differing else "equal"


def _border_text(one: TileResult) -> str:
    return f"{one.border_steps:.2g}" if isinstance(one, NpuBoardResult) and one.border_steps is not None else "-"
