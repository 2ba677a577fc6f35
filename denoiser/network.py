"""The Feature-Align Network: a small encoder-decoder for packed Bayer mosaics.

The activations of every scale are modulated by the noisy input itself, so that spatially varying
structure is not washed away by successive convolutions:

    features * gamma(input) + beta(input)

gamma stays in [0, 2] unless asked otherwise (a clamp, not a sigmoid: every operation here has an integer
form on embedded compilers), so that the product cannot overflow a fixed-point format.

Only convolutions (dense, depthwise, 1x1, strided), ReLU and clamp, add, multiply, concatenation and
depth-to-space are used: no normalisation layer, no global pooling, no attention.

References
----------
"Feature-Align Network with Knowledge Distillation for Efficient Denoising", arXiv 2103.01524.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

PACKED_CHANNELS = 4
INPUT_CHANNELS = PACKED_CHANNELS + 1
"""Four colour planes (R, Gr, Gb, B) and one plane that tells the noise level."""


@dataclass(frozen=True)
class Architecture:
    """Shape of the network, scale by scale from full packed resolution to the coarsest."""

    widths: tuple[int, ...] = (16, 24, 48, 80)
    encoder_blocks: tuple[int, ...] = (1, 1, 2, 2)
    decoder_blocks: tuple[int, ...] = (1, 1, 1)
    coarse_kernel: int = 3
    """Side of the depthwise kernels below the finest scale, which has 3x3 ones."""
    expansion: int = 2
    align_width: int = 8
    """Hidden width of the Feature-Align layers; 0 leaves them out."""
    align_from: tuple[int, int] = (0, 0)
    """Finest scale with a Feature-Align layer, of the encoder's and of the decoder's; one that is not there: none."""
    gamma_range: tuple[float, float] = (0.0, 2.0)
    """What gamma is clamped to."""

    def __post_init__(self) -> None:
        scales = len(self.widths)
        if len(self.encoder_blocks) != scales or len(self.decoder_blocks) != scales - 1:
            raise ValueError(
                f"{scales} widths need {scales} encoder and {scales - 1} decoder block counts, "
                f"found {len(self.encoder_blocks)} and {len(self.decoder_blocks)}"
            )
        if self.coarse_kernel % 2 == 0:
            raise ValueError(f"depthwise kernel of side {self.coarse_kernel}, expected an odd one")

    @property
    def stride(self) -> int:
        """Packed pixels that a tile's origin and size must be a multiple of."""
        return 2 ** (len(self.widths) - 1)

    @property
    def kernels(self) -> tuple[int, ...]:
        """Side of the depthwise kernels at each scale."""
        return (3, *(self.coarse_kernel for _ in self.widths[1:]))

    def as_dict(self) -> dict[str, object]:
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Architecture:
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})  # type: ignore[arg-type]


class ResidualBlock(nn.Module):
    """Depthwise convolution, 1x1 that widens, ReLU, 1x1 that narrows; added to its input."""

    def __init__(self, width: int, expansion: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.widen = nn.Conv2d(width, width * expansion, 1)
        self.narrow = nn.Conv2d(width * expansion, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        return features + self.narrow(functional.relu(self.widen(self.depthwise(features))))


class FeatureAlign(nn.Module):
    """Modulates features by the noisy input at the same scale; starts as the identity."""

    def __init__(self, width: int, hidden: int, gamma_range: tuple[float, float]) -> None:
        super().__init__()
        self.gamma_range = gamma_range
        self.image = nn.Conv2d(INPUT_CHANNELS, hidden, 1)
        self.gamma = nn.Conv2d(hidden, width, 1)
        self.beta = nn.Conv2d(hidden, width, 1)
        for layer in (self.gamma, self.beta):
            nn.init.zeros_(layer.weight)
        nn.init.ones_(self.gamma.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.beta.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        hidden = functional.relu(self.image(image))
        return features * torch.clamp(self.gamma(hidden), *self.gamma_range) + self.beta(hidden)


class Unaligned(nn.Module):
    """In the place of a Feature-Align layer where there is none: the features as they are."""

    def forward(self, features: Tensor, _image: Tensor) -> Tensor:
        return features


def _aligns(widths: Iterable[int], architecture: Architecture, finest: int) -> Iterator[nn.Module]:
    for scale, width in enumerate(widths):
        if architecture.align_width == 0 or scale < finest:
            yield Unaligned()
        else:
            yield FeatureAlign(width, architecture.align_width, architecture.gamma_range)


class FeatureAlignNetwork(nn.Module):
    """Noise estimate of a packed, variance-stabilised mosaic.

    Input: float32 [N, 5, H, W], four stabilised colour planes and the noise-level plane; H and W are
    multiples of `architecture.stride`. Output: float32 [N, 4, H, W], the residual to add to each
    plane, in units of `normalisation.RESIDUAL_SIGMAS` standard deviations of the noise.
    """

    def __init__(self, architecture: Architecture | None = None) -> None:
        super().__init__()
        self.architecture = a = architecture or Architecture()
        w = a.widths
        self.stem = nn.Conv2d(INPUT_CHANNELS, w[0], 3, padding=1)
        # The pyramid's first value is the 2x2 mean; training may sharpen it.
        self.pyramid = nn.ModuleList(
            nn.Conv2d(INPUT_CHANNELS, INPUT_CHANNELS, 2, stride=2, groups=INPUT_CHANNELS, bias=False) for _ in w[1:]
        )
        self.encoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c, a.expansion, k) for _ in range(n)))
            for c, n, k in zip(w, a.encoder_blocks, a.kernels, strict=True)
        )
        self.encoder_align = nn.ModuleList(_aligns(w, a, a.align_from[0]))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairwise(w))
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in pairwise(w))
        self.decoder = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(c, a.expansion, k) for _ in range(n)))
            for c, n, k in zip(w[:-1], a.decoder_blocks, a.kernels[:-1], strict=True)
        )
        self.decoder_align = nn.ModuleList(_aligns(w[:-1], a, a.align_from[1]))
        self.head = nn.Conv2d(w[0], PACKED_CHANNELS, 3, padding=1)
        for level in self.pyramid:
            nn.init.constant_(level.weight, 0.25)  # type: ignore[arg-type]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def encode(self, image: Tensor, scales: int) -> tuple[list[Tensor], list[Tensor]]:
        """(the image, the aligned features) at each of the first `scales` scales, finest first."""
        images, features = [image], [self.encoder_align[0](self.encoder[0](self.stem(image)), image)]
        for scale in range(1, scales):
            images.append(self.pyramid[scale - 1](images[-1]))
            coarser = self.encoder[scale](self.down[scale - 1](features[-1]))
            features.append(self.encoder_align[scale](coarser, images[-1]))
        return images, features

    def forward(self, image: Tensor) -> Tensor:
        images, skips = self.encode(image, len(self.encoder))
        features = skips.pop()
        for scale in reversed(range(len(self.decoder))):
            features = functional.pixel_shuffle(self.up[scale](features), 2) + skips[scale]
            features = self.decoder_align[scale](self.decoder[scale](features), images[scale])
        return self.head(features)


@dataclass(frozen=True)
class Complexity:
    """What a network costs: learned values, and multiply-accumulates per pixel of the mosaic."""

    parameters: int
    mac_per_raw_pixel: float


def complexity(network: FeatureAlignNetwork, packed_size: int = 64) -> Complexity:
    """Counts by running the network on zeros, so that what is counted is what is executed."""
    macs = 0

    def count(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal macs
        assert isinstance(layer, nn.Conv2d)
        macs += output.numel() * layer.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad():
            network(torch.zeros(1, INPUT_CHANNELS, packed_size, packed_size))
    finally:
        for hook in hooks:
            hook.remove()
    parameters = sum(p.numel() for p in network.parameters())
    return Complexity(parameters, macs / (PACKED_CHANNELS * packed_size**2))


def receptive_field(architecture: Architecture) -> int:
    """Packed pixels on each side that can influence an output pixel, rounded up to the stride.

    Counted by hand from the layers: each convolution adds half its kernel on each side, in pixels of its
    scale; each pass down and up through a scale can look anywhere inside one pixel of the coarser scale.
    """
    radius = 2  # stem and head
    for scale, blocks in enumerate(architecture.encoder_blocks):
        in_decoder = architecture.decoder_blocks[scale] if scale < len(architecture.decoder_blocks) else 0
        radius += (blocks + in_decoder) * (architecture.kernels[scale] // 2) * 2**scale
    radius += architecture.stride - 1
    return -(-radius // architecture.stride) * architecture.stride
