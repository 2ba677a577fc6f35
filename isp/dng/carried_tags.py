"""Which tags of a source file a DNG written from its mosaic carries over.

Left out are those that say how pixels are stored, those a writer computes anew (levels, noise,
digests, previews), and those that point into the source file.
"""

from __future__ import annotations

from collections.abc import Iterator

from isp.dng.tags import Tag, TiffType
from isp.dng.tiff import Entry, Ifd
from isp.raw_frame import SourceTag

_PICTURE_TAGS = frozenset(
    {
        Tag.ImageDescription,
        Tag.Make,
        Tag.Model,
        Tag.Orientation,
        Tag.DateTime,
        Tag.Artist,
        Tag.XMP,
        Tag.Copyright,
        Tag.IPTC,
        Tag.TIFFEPStandardID,
    }
)
_DNG_CODES = range(50706, 52600)
_EXIF_CODES = (range(33434, 33438), range(34850, 34853), range(34855, 34868), range(36864, 37397), range(42016, 42241))
_NOT_CARRIED_DNG = frozenset(
    {
        Tag.DNGVersion,
        Tag.DNGBackwardVersion,
        Tag.CFAPlaneColor,
        Tag.CFALayout,
        Tag.LinearizationTable,
        Tag.BlackLevelRepeatDim,
        Tag.BlackLevel,
        Tag.BlackLevelDeltaH,
        Tag.BlackLevelDeltaV,
        Tag.WhiteLevel,
        Tag.RawDataUniqueID,
        Tag.OriginalRawFileData,
        Tag.ActiveArea,
        Tag.MaskedAreas,
        Tag.ExtraCameraProfiles,
        Tag.NoiseReductionApplied,
        Tag.NoiseProfile,
        Tag.PreviewApplicationName,
        Tag.PreviewApplicationVersion,
        Tag.PreviewSettingsName,
        Tag.PreviewSettingsDigest,
        Tag.PreviewColorSpace,
        Tag.PreviewDateTime,
        Tag.RawImageDigest,
        Tag.NewRawImageDigest,
        Tag.SubTileBlockSize,
        Tag.RowInterleaveFactor,
        Tag.ColumnInterleaveFactor,
        Tag.JXLDistance,
        Tag.JXLEffort,
        Tag.JXLDecodeSpeed,
        Tag.RawToPreviewGain,
        Tag.CacheVersion,
    }
)
_NOT_CARRIED_EXIF = frozenset(
    {Tag.MakerNote, Tag.PixelXDimension, Tag.PixelYDimension, Tag.InteroperabilityIFD, Tag.ExifIFD, Tag.GPSIFD}
)
_MOSAIC_TAGS = frozenset(
    {
        Tag.DefaultScale,
        Tag.DefaultCropOrigin,
        Tag.DefaultCropSize,
        Tag.DefaultUserCrop,
        Tag.BayerGreenSplit,
        Tag.ChromaBlurRadius,
        Tag.AntiAliasStrength,
        Tag.BestQualityScale,
        Tag.OpcodeList1,
        Tag.OpcodeList2,
        Tag.OpcodeList3,
        Tag.ProfileGainTableMap,
    }
)
"""Tags of the mosaic's own IFD, as the DNG specification places them."""


def carried_tags(main: Ifd, raw: Ifd, active_area_at_origin: bool) -> tuple[SourceTag, ...]:
    """Tags to carry over from IFD 0 `main`, the mosaic's IFD `raw`, and the EXIF and GPS directories.

    `ifd` of each is the place that the DNG specification gives it: "main", "raw", "exif" or "gps".
    OpcodeList1 counts pixels of the sensor's full readout: it stays behind when the active area
    does not start at its origin.
    """
    carried: dict[tuple[str, int], SourceTag] = {}
    for ifd in (main, raw):
        for entry in ifd.entries.values():
            if entry.code == Tag.OpcodeList1 and not active_area_at_origin:
                continue
            if _belongs_to_picture(entry.code):
                place = "raw" if entry.code in _MOSAIC_TAGS else "main"
                carried.setdefault((place, entry.code), _source_tag(entry, place))
    return (*carried.values(), *_nested(main))


def carried_exif(main: Ifd) -> tuple[SourceTag, ...]:
    """Tags to carry over from a camera RAW other than DNG: what the picture is, EXIF and GPS.

    Such files use the codes of DNG's tags for other purposes: those stay behind.
    """
    described = [entry for entry in main.entries.values() if _describes_picture(entry.code)]
    return (*(_source_tag(entry, "main") for entry in described), *_nested(main))


def _nested(main: Ifd) -> Iterator[SourceTag]:
    """Tags of the EXIF and GPS directories."""
    # A MakerNote mostly holds offsets into the file that it came from
    maker_note_moves = main.integer(Tag.MakerNoteSafety, 0) == 1
    for directory in main.children(Tag.ExifIFD)[:1]:
        for entry in directory.entries.values():
            if entry.code not in _NOT_CARRIED_EXIF or (entry.code == Tag.MakerNote and maker_note_moves):
                yield _source_tag(entry, "exif")
    for directory in main.children(Tag.GPSIFD)[:1]:
        for entry in directory.entries.values():
            yield _source_tag(entry, "gps")


def _belongs_to_picture(code: int) -> bool:
    if code in _DNG_CODES:
        return code not in _NOT_CARRIED_DNG
    return _describes_picture(code)


def _describes_picture(code: int) -> bool:
    return code in _PICTURE_TAGS or any(code in codes for codes in _EXIF_CODES)


def _source_tag(entry: Entry, place: str) -> SourceTag:
    """The tag with its value: bytes for BYTE, ASCII and UNDEFINED, else a tuple of numbers, rationals
    as numerator, denominator, ..."""
    value: object
    if entry.dtype in (TiffType.BYTE, TiffType.ASCII, TiffType.UNDEFINED):
        value = entry.raw()
    else:
        value = tuple(entry.numbers().tolist())
    return SourceTag(int(entry.code), int(entry.dtype), entry.count, value, place)
