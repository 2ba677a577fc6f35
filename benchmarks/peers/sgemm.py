"""Matrix multiplication in float32: what the machine reaches at best, as a yardstick."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

SIDE = 1024
FLOP = 2 * SIDE**3
TRIALS = 10


def open_sgemm(threads: int) -> tuple[Callable[[], object], str]:
    """What multiplies two matrices of SIDE x SIDE, and whose BLAS it is: NumPy's or PyTorch's, which is faster.

    NumPy's threads are those that its BLAS was told of when the process started.
    """
    import torch

    torch.set_num_threads(threads)
    left, right = np.random.default_rng(0).random((2, SIDE, SIDE), np.float32)
    product = np.empty_like(left)
    tensors = [torch.from_numpy(matrix) for matrix in (left, right, product)]
    candidates: dict[str, Callable[[], object]] = {
        f"NumPy {np.__version__}": lambda: np.matmul(left, right, out=product),
        f"PyTorch {torch.__version__}": lambda: torch.mm(tensors[0], tensors[1], out=tensors[2]),
    }
    fastest = min(candidates, key=lambda name: _least_s(candidates[name]))
    return candidates[fastest], fastest


def _least_s(run: Callable[[], object]) -> float:
    elapsed_s = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        run()
        elapsed_s.append(time.perf_counter() - began)
    return min(elapsed_s)
