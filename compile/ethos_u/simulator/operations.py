"""What an operation reads, computes and writes: the registers' meaning at the moment it starts, frozen.

IFM and OFM are the input and output feature maps; binary operations have a second input, IFM2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Layout(IntEnum):
    """Order of a feature map's axes in memory; NHCWB16 has bricks of 16 channels."""

    NHWC = 0
    NHCWB16 = 1


class Rounding(IntEnum):
    """What becomes of the bits below the last after scaling."""

    DOUBLE = 0
    """As TensorFlow Lite: at bit 31 half up, then half away from zero."""
    TRUNCATE = 1
    NATURAL = 2
    """Half up."""


class Upscaling(IntEnum):
    """What fills the odd rows and columns of an IFM that is taken for one of twice its size."""

    NONE = 0
    NEAREST = 1
    ZEROS = 2


class OperandScaling(IntEnum):
    """How the operands of an addition or subtraction are scaled."""

    BOTH_16_BIT = 0
    FIRST_32_BIT = 1
    SECOND_32_BIT = 2


class Accumulator(IntEnum):
    """Width of the accumulators."""

    INT32 = 0
    INT40 = 1
    FLOAT16 = 2


class PoolingMode(IntEnum):
    MAX = 0
    AVERAGE = 1
    SUM_OF_CHANNELS = 2


class ElementwiseMode(IntEnum):
    MUL = 0
    ADD = 1
    SUB = 2
    MIN = 3
    MAX = 4
    LRELU = 5
    ABS = 6
    CLZ = 7
    SHR = 8
    SHL = 9


UNARY = frozenset({ElementwiseMode.LRELU, ElementwiseMode.ABS, ElementwiseMode.CLZ})


@dataclass(frozen=True)
class Span:
    """A range of bytes in a region."""

    region: int
    address: int
    length: int


@dataclass(frozen=True)
class FeatureMap:
    """Where a feature map's elements lie and what they mean.

    Up to four tiles: tile 0 has the rows below `tile_height_0` of the columns below `tile_width_0`; tile 1 is to its
    right and has the rows below `tile_height_1`; tiles 2 and 3 are below them. Strides are in bytes.
    """

    region: int
    bases: tuple[int, int, int, int]
    tile_height_0: int
    tile_height_1: int
    tile_width_0: int
    stride_y: int
    stride_x: int
    stride_c: int
    layout: Layout
    dtype: str
    """NumPy's name of the element's type, with byte order."""
    zero_point: int

    @property
    def element_bytes(self) -> int:
        return int(self.dtype[2])


@dataclass(frozen=True)
class Shape:
    height: int
    width: int
    depth: int


@dataclass(frozen=True)
class Kernel:
    """height and width count the elements that have weights, without the gaps of dilation."""

    height: int
    width: int
    stride_y: int
    stride_x: int
    dilation_y: int
    dilation_x: int
    part_kernel_first: bool
    """Order of the weights: all of the kernel before the next input channels."""

    @property
    def dilated_height(self) -> int:
        return self.dilation_y * (self.height - 1) + 1

    @property
    def dilated_width(self) -> int:
        return self.dilation_x * (self.width - 1) + 1


@dataclass(frozen=True)
class Padding:
    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class Scale:
    """Multiplier and right shift."""

    multiplier: int
    shift: int


@dataclass(frozen=True)
class OutputStage:
    """What happens between a result of full width and the OFM's element."""

    rounding: Rounding
    scale: Scale | None
    """None where every channel has its own, or none."""
    minimum: int
    maximum: int


@dataclass(frozen=True)
class Windowed:
    """What convolutions and pooling have in common: a kernel that moves over the IFM."""

    ifm: FeatureMap
    ifm_depth: int
    upscaling: Upscaling
    kernel: Kernel
    padding: Padding
    accumulator: Accumulator
    ofm: FeatureMap
    shape: Shape
    """Of the OFM."""
    output: OutputStage


@dataclass(frozen=True)
class EncodedWeights:
    """Compressed weights and scale records, core by core; one core less where the last has no channel."""

    weights: tuple[Span, ...]
    scales: tuple[Span, ...]
    cores: int
    block_depth: int
    """Output channels per block, over all cores: weights are stored block by block."""


@dataclass(frozen=True)
class Convolution:
    windowed: Windowed
    encoded: EncodedWeights


@dataclass(frozen=True)
class DepthwiseConvolution:
    windowed: Windowed
    encoded: EncodedWeights


@dataclass(frozen=True)
class Pooling:
    mode: PoolingMode
    windowed: Windowed


@dataclass(frozen=True)
class Scalar:
    """A second operand that is a number; not yet less its zero point."""

    value: int
    zero_point: int


@dataclass(frozen=True)
class Broadcast:
    """A second operand that is a feature map, with length 1 along the axes that are True."""

    feature_map: FeatureMap
    height: bool
    width: bool
    depth: bool


@dataclass(frozen=True)
class SecondOperand:
    source: Scalar | Broadcast
    comes_first: bool
    """The operands change places: IFM2 is the minuend, say."""


@dataclass(frozen=True)
class OperandScales:
    """How the operands of an addition or subtraction are scaled before it.

    Both by multipliers of 16 bits, or one by `first` and the other by a constant power of two.
    """

    mode: OperandScaling
    rounding: Rounding
    first: Scale
    second_multiplier: int


@dataclass(frozen=True)
class Elementwise:
    mode: ElementwiseMode
    ifm: FeatureMap
    second: SecondOperand | None
    """None for unary operations."""
    scales: OperandScales | None
    """None but for additions and subtractions."""
    ofm: FeatureMap
    shape: Shape
    output: OutputStage


@dataclass(frozen=True)
class Transfer:
    """A one-dimensional copy."""

    source: Span
    destination: Span
