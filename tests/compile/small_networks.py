"""Networks of many shapes with random weights, small enough to be compiled and run within seconds."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from denoiser.network import Architecture, FeatureAlignNetwork

NO_BOUNDS = (float("-inf"), float("inf"))

FOUR_SCALES = Architecture(
    widths=(4, 6, 8, 12), encoder_blocks=(1, 1, 1, 1), decoder_blocks=(1, 1, 1), align_width=4, gamma_range=(-0.5, 1.5)
)
UNALIGNED = Architecture(widths=(5, 9), encoder_blocks=(2, 1), decoder_blocks=(1,), align_width=0, expansion=3)
GAMMA_FREE = Architecture(
    widths=(8, 4, 7), encoder_blocks=(1, 2, 1), decoder_blocks=(1, 2), align_width=3, gamma_range=NO_BOUNDS
)
ONE_SCALE = Architecture(widths=(6,), encoder_blocks=(3,), decoder_blocks=(), align_width=5)
TINIEST = Architecture(widths=(4, 4), encoder_blocks=(1, 1), decoder_blocks=(1,), align_width=4)


def random_network(architecture: Architecture, seed: int = 0) -> FeatureAlignNetwork:
    """Weights all over, so that every layer tells in the output, and that gamma reaches both of its bounds; the same
    at every call."""
    generator = torch.Generator().manual_seed(seed)
    network = FeatureAlignNetwork(architecture)
    for name, parameter in network.named_parameters():
        spread = 0.5 if "align" in name else 0.6 * parameter[0].numel() ** -0.5 if parameter.ndim == 4 else 0.1
        torch.nn.init.normal_(parameter, std=spread, generator=generator)
    return network.eval().requires_grad_(False)


@st.composite
def architectures(draw: st.DrawFn, most_scales: int = 4) -> Architecture:
    """Any that there are kernels for."""
    scales = draw(st.integers(1, most_scales))
    align_width = draw(st.sampled_from([0, 3, 8]))
    # Nothing but a block can be aligned.
    blocks = st.integers(1 if align_width else 0, 3)

    def several(values: st.SearchStrategy[int], count: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(values, min_size=count, max_size=count)))

    return Architecture(
        several(st.integers(1, 20), scales),
        several(blocks, scales),
        several(blocks, scales - 1),
        expansion=draw(st.integers(1, 3)),
        align_width=align_width,
        align_from=draw(st.sampled_from([(0, 0), (1, 1), (0, most_scales), (most_scales, 0)])),
        gamma_range=draw(st.sampled_from([(0.0, 2.0), (-0.5, 1.5), NO_BOUNDS])),
    )
