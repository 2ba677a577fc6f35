"""Muon: momentum whose update is orthogonalised, for the matrices inside a network.

A gradient's few strong directions drown the many weak ones; replacing its singular values by one lets
all of them learn. It is for layers that map many channels to many; biases, depthwise kernels and
the layers that touch the image stay with AdamW.

References
----------
K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
https://kellerjordan.github.io/posts/muon/
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

LEAST_CHANNELS = 8
"""A layer narrower than this, in or out, is no matrix worth orthogonalising."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration that drives singular values towards one, the fastest start."""
ITERATIONS = 5
LARGE_SIDE = 128


def split_parameters(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(matrices for Muon, everything else)."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for parameter in network.parameters():
        inner = parameter.ndim == 4 and min(parameter.shape[:2]) >= LEAST_CHANNELS
        (matrices if inner else rest).append(parameter)
    return matrices, rest


def orthogonalised(matrices: Tensor) -> Tensor:
    """Nearest semi-orthogonal matrices, roughly: float32 [N, rows, columns], singular values in about 0.7 to 1.2.

    Large ones are worked out in bfloat16: faster, and its rounding is far finer than that.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    if x.shape[1] >= LARGE_SIDE:
        x = x.bfloat16()
    a, b, c = QUINTIC
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised over [out, in * kernel]; equal shapes are done together."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients that are there."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                by_shape[(update.shape[0], update.shape[1])].append((parameter, update))
            for (rows, columns), members in by_shape.items():
                updates = orthogonalised(torch.stack([update for _, update in members]))
                rate = group["lr"] * max(1.0, rows / columns) ** 0.5
                for (parameter, _), update in zip(members, updates, strict=True):
                    parameter.add_(update.view(parameter.shape), alpha=-rate)
