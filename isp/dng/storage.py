"""How a DNG stores its mosaic, checked before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from isp.dng.tags import Compression, Photometric, Tag
from isp.dng.tiff import Ifd
from isp.errors import InputError

MAXIMUM_SIDE_PX = 65_500
MAXIMUM_SAMPLES = 600_000_000
"""Samples of a frame: above the largest sensors' (150 megapixel; 400 in LinearRaw by pixel shift)."""

FLOAT = 3
UNSIGNED = 1

_MAXIMUM_SAMPLES_PER_BYTE = {
    Compression.LOSSLESS_JPEG: 8,  # a Huffman code is at least one bit
    Compression.DEFLATE: 1040,  # a limit of the format, for 8-bit samples
    Compression.ADOBE_DEFLATE: 1040,
    Compression.VC5: 1024,
    Compression.LOSSY_JPEG: 1024,
    Compression.JPEG_XL: 1024,
}


@dataclass(frozen=True)
class Block:
    """A strip or tile: where its bytes lie in the file, and where its pixels go."""

    offset: int
    length: int
    top: int
    left: int


@dataclass(frozen=True)
class Storage:
    """Layout of the mosaic of one IFD, [height, width, samples]."""

    height: int
    width: int
    samples: int
    bits: int
    is_float: bool
    compression: int
    predictor: int
    block_height: int
    block_width: int
    blocks: tuple[Block, ...]
    is_tiled: bool

    @property
    def compression_name(self) -> str:
        return f"{self.compression} ({Compression(self.compression).name})"


def storage(ifd: Ifd) -> Storage:
    """The layout that `ifd` declares.

    Raises InputError where it contradicts itself, where the file lacks the bytes it promises, or
    where it declares more pixels than those bytes can hold.
    """
    name = ifd.file.path.name
    height, width = ifd.integer(Tag.ImageLength, 0), ifd.integer(Tag.ImageWidth, 0)
    samples = ifd.integer(Tag.SamplesPerPixel, 1)
    if not (0 < height <= MAXIMUM_SIDE_PX and 0 < width <= MAXIMUM_SIDE_PX and 0 < samples <= 4):
        raise InputError(
            f"{name} declares a frame of {width} x {height} with {samples} samples",
            expected=f"sides of 1 to {MAXIMUM_SIDE_PX} pixels",
        )
    if height * width * samples > MAXIMUM_SAMPLES:
        raise InputError(
            f"{name} declares a frame of {width} x {height}", expected=f"at most {MAXIMUM_SAMPLES / 1e6:.0f} megapixel"
        )
    bits = set(ifd.integers(Tag.BitsPerSample, [1]))
    formats = set(ifd.integers(Tag.SampleFormat, [UNSIGNED]))
    if len(bits) != 1 or formats not in ({UNSIGNED}, {FLOAT}) or not 8 <= min(bits) <= 32:
        raise InputError(
            f"{name} stores {sorted(bits)} bits of format {sorted(formats)} per sample",
            expected="8 to 16 bits unsigned (1) or floating point (3)",
        )
    if samples > 1 and ifd.integer(Tag.PlanarConfiguration, 1) != 1:
        raise InputError(f"{name} stores its colours in separate planes", expected="PlanarConfiguration 1")
    is_tiled = Tag.TileOffsets in ifd.entries
    if is_tiled:
        block_height, block_width = ifd.integer(Tag.TileLength, 0), ifd.integer(Tag.TileWidth, 0)
        offsets, lengths = ifd.integers(Tag.TileOffsets, []), ifd.integers(Tag.TileByteCounts, [])
    else:
        block_height, block_width = min(ifd.integer(Tag.RowsPerStrip, height), height), width
        offsets, lengths = ifd.integers(Tag.StripOffsets, []), ifd.integers(Tag.StripByteCounts, [])
    if not (0 < block_height <= MAXIMUM_SIDE_PX and 0 < block_width <= MAXIMUM_SIDE_PX):
        raise InputError(f"{name} declares tiles of {block_width} x {block_height}", expected="at least 1 x 1")
    if block_height * block_width * samples > MAXIMUM_SAMPLES:
        raise InputError(f"{name} declares tiles of {block_width} x {block_height}", expected="tiles within the frame")
    rows, columns = -(-height // block_height), -(-width // block_width)
    if not (len(offsets) == len(lengths) == rows * columns):
        raise InputError(
            f"{name} lists {len(offsets)} offsets and {len(lengths)} lengths of strips or tiles",
            expected=f"{rows * columns} of each for {width} x {height} in blocks of {block_width} x {block_height}",
        )
    blocks = []
    for i, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
        ifd.file.check_extent(offset, length)
        blocks.append(Block(offset, length, i // columns * block_height, i % columns * block_width))
    found = Storage(
        height=height,
        width=width,
        samples=samples,
        bits=min(bits),
        is_float=formats == {FLOAT},
        compression=ifd.integer(Tag.Compression, Compression.NONE),
        predictor=ifd.integer(Tag.Predictor, 1),
        block_height=block_height,
        block_width=block_width,
        blocks=tuple(blocks),
        is_tiled=is_tiled,
    )
    _check_bytes(found, name)
    return found


def _check_bytes(found: Storage, name: str) -> None:
    """Raise InputError if the stored bytes cannot make the declared frame."""
    stored = sum(block.length for block in found.blocks)
    declared = found.height * found.width * found.samples
    if found.compression == Compression.NONE:
        possible = stored * 8 // found.bits
    elif found.compression in _MAXIMUM_SAMPLES_PER_BYTE:
        possible = stored * _MAXIMUM_SAMPLES_PER_BYTE[Compression(found.compression)]
    else:
        raise InputError(
            f"{name} is compressed by method {found.compression}",
            expected=", ".join(f"{method.value} ({method.name})" for method in Compression),
        )
    if declared > possible:
        raise InputError(
            f"{name} declares {found.width} x {found.height} pixels of {found.bits} bits but stores {stored} bytes",
            remedy="the file is truncated or corrupt: copy it again from its source",
        )


def mosaic_ifd(directories: list[Ifd], name: str) -> Ifd:
    """Of a DNG's directories, the one that holds the full-size mosaic.

    Raises InputError if there is none.
    """
    candidates = [
        ifd
        for ifd in directories
        if ifd.integer(Tag.NewSubfileType, 0) == 0
        and ifd.integer(Tag.PhotometricInterpretation, -1) in Photometric.__members__.values()
    ]
    if not candidates:
        found = sorted({ifd.integer(Tag.PhotometricInterpretation, -1) for ifd in directories})
        raise InputError(
            f"{name} holds no mosaic (PhotometricInterpretation {found})",
            expected="a full-size image with 32803 (CFA) or 34892 (LinearRaw)",
        )
    return max(
        candidates,
        key=lambda ifd: (
            ifd.integer(Tag.PhotometricInterpretation, -1) == Photometric.CFA,
            ifd.integer(Tag.ImageWidth, 0) * ifd.integer(Tag.ImageLength, 0),
        ),
    )
