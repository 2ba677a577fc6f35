"""The accelerators whose command streams can be executed."""

from __future__ import annotations

from dataclasses import dataclass

from compile.ethos_u.simulator.errors import UnmodelledError


@dataclass(frozen=True)
class Accelerator:
    """What of the hardware decides over results: in which order and by how many cores weights are consumed."""

    cores: int
    ofm_microblock_depth: int
    """Output channels that one step of the multiply-accumulate array works on."""
    dma_depth: int
    """DMA transfers that can be unfinished at a time."""
    kernel_depth: int = 2
    """Other operations that can be unfinished at a time."""
    ifm_microblock_depth: int = 8


ACCELERATORS = {
    "ethos-u55-32": Accelerator(1, 4, dma_depth=1),
    "ethos-u55-64": Accelerator(1, 8, dma_depth=1),
    "ethos-u55-128": Accelerator(1, 8, dma_depth=1),
    "ethos-u55-256": Accelerator(1, 8, dma_depth=1),
    "ethos-u65-256": Accelerator(1, 8, dma_depth=2),
    "ethos-u65-512": Accelerator(2, 8, dma_depth=2),
}


def accelerator_named(name: str) -> Accelerator:
    """Raises UnmodelledError for one that is not in the table."""
    if name not in ACCELERATORS:
        raise UnmodelledError(f"accelerator {name}", expected=", ".join(ACCELERATORS))
    return ACCELERATORS[name]
