"""Codes of the TIFF, TIFF/EP, EXIF and DNG tags that are read or written, by their names in the standards.

TIFF 6.0; TIFF/EP (ISO 12234-2); EXIF 2.32; DNG specification 1.7.1.
"""

from __future__ import annotations

from enum import IntEnum


class TiffType(IntEnum):
    """Data types of TIFF values."""

    BYTE = 1
    ASCII = 2
    SHORT = 3
    LONG = 4
    RATIONAL = 5
    SBYTE = 6
    UNDEFINED = 7
    SSHORT = 8
    SLONG = 9
    SRATIONAL = 10
    FLOAT = 11
    DOUBLE = 12
    IFD = 13
    LONG8 = 16
    SLONG8 = 17
    IFD8 = 18

    @property
    def numpy_code(self) -> str:
        """Type of one number, without byte order; a rational is two of them."""
        return _NUMPY_CODES[self]

    @property
    def numbers(self) -> int:
        """Numbers in one value."""
        return 2 if self in (TiffType.RATIONAL, TiffType.SRATIONAL) else 1

    @property
    def size_bytes(self) -> int:
        """Bytes of one value."""
        return int(_NUMPY_CODES[self][1]) * self.numbers


_NUMPY_CODES = {
    TiffType.BYTE: "u1",
    TiffType.ASCII: "u1",
    TiffType.SHORT: "u2",
    TiffType.LONG: "u4",
    TiffType.RATIONAL: "u4",
    TiffType.SBYTE: "i1",
    TiffType.UNDEFINED: "u1",
    TiffType.SSHORT: "i2",
    TiffType.SLONG: "i4",
    TiffType.SRATIONAL: "i4",
    TiffType.FLOAT: "f4",
    TiffType.DOUBLE: "f8",
    TiffType.IFD: "u4",
    TiffType.LONG8: "u8",
    TiffType.SLONG8: "i8",
    TiffType.IFD8: "u8",
}


class Tag(IntEnum):
    """Tag codes."""

    # TIFF 6.0: how pixels are stored
    NewSubfileType = 254
    ImageWidth = 256
    ImageLength = 257
    BitsPerSample = 258
    Compression = 259
    PhotometricInterpretation = 262
    FillOrder = 266
    StripOffsets = 273
    SamplesPerPixel = 277
    RowsPerStrip = 278
    StripByteCounts = 279
    PlanarConfiguration = 284
    Predictor = 317
    TileWidth = 322
    TileLength = 323
    TileOffsets = 324
    TileByteCounts = 325
    SubIFDs = 330
    SampleFormat = 339
    # TIFF 6.0 and its extensions: what the picture is
    ImageDescription = 270
    Make = 271
    Model = 272
    Orientation = 274
    XResolution = 282
    YResolution = 283
    ResolutionUnit = 296
    Software = 305
    DateTime = 306
    Artist = 315
    XMP = 700
    Copyright = 33432
    IPTC = 33723
    ExifIFD = 34665
    GPSIFD = 34853
    # TIFF/EP
    CFARepeatPatternDim = 33421
    CFAPattern = 33422
    TIFFEPStandardID = 37398
    # EXIF
    ExposureTime = 33434
    FNumber = 33437
    PhotographicSensitivity = 34855
    SensitivityType = 34864
    StandardOutputSensitivity = 34865
    RecommendedExposureIndex = 34866
    ISOSpeed = 34867
    ExifVersion = 36864
    DateTimeOriginal = 36867
    FocalLength = 37386
    MakerNote = 37500
    UserComment = 37510
    PixelXDimension = 40962
    PixelYDimension = 40963
    InteroperabilityIFD = 40965
    BodySerialNumber = 42033
    LensSpecification = 42034
    LensMake = 42035
    LensModel = 42036
    LensSerialNumber = 42037
    # DNG
    DNGVersion = 50706
    DNGBackwardVersion = 50707
    UniqueCameraModel = 50708
    LocalizedCameraModel = 50709
    CFAPlaneColor = 50710
    CFALayout = 50711
    LinearizationTable = 50712
    BlackLevelRepeatDim = 50713
    BlackLevel = 50714
    BlackLevelDeltaH = 50715
    BlackLevelDeltaV = 50716
    WhiteLevel = 50717
    DefaultScale = 50718
    DefaultCropOrigin = 50719
    DefaultCropSize = 50720
    ColorMatrix1 = 50721
    ColorMatrix2 = 50722
    CameraCalibration1 = 50723
    CameraCalibration2 = 50724
    AnalogBalance = 50727
    AsShotNeutral = 50728
    AsShotWhiteXY = 50729
    BaselineExposure = 50730
    BayerGreenSplit = 50733
    CameraSerialNumber = 50735
    LensInfo = 50736
    ChromaBlurRadius = 50737
    AntiAliasStrength = 50738
    DNGPrivateData = 50740
    MakerNoteSafety = 50741
    CalibrationIlluminant1 = 50778
    CalibrationIlluminant2 = 50779
    BestQualityScale = 50780
    RawDataUniqueID = 50781
    OriginalRawFileData = 50828
    ActiveArea = 50829
    MaskedAreas = 50830
    CameraCalibrationSignature = 50931
    ProfileCalibrationSignature = 50932
    ExtraCameraProfiles = 50933
    NoiseReductionApplied = 50935
    ProfileToneCurve = 50940
    ForwardMatrix1 = 50964
    ForwardMatrix2 = 50965
    PreviewApplicationName = 50966
    PreviewApplicationVersion = 50967
    PreviewSettingsName = 50968
    PreviewSettingsDigest = 50969
    PreviewColorSpace = 50970
    PreviewDateTime = 50971
    RawImageDigest = 50972
    SubTileBlockSize = 50974
    RowInterleaveFactor = 50975
    OpcodeList1 = 51008
    OpcodeList2 = 51009
    OpcodeList3 = 51022
    NoiseProfile = 51041
    NewRawImageDigest = 51111
    RawToPreviewGain = 51112
    CacheVersion = 51114
    DefaultUserCrop = 51125
    ProfileGainTableMap = 52525
    ColumnInterleaveFactor = 52547
    JXLDistance = 52553
    JXLEffort = 52554
    JXLDecodeSpeed = 52555


class Photometric(IntEnum):
    """Values of PhotometricInterpretation that a mosaic's IFD may have."""

    CFA = 32803
    LINEAR_RAW = 34892


class Compression(IntEnum):
    """Values of Compression that DNG allows."""

    NONE = 1
    LOSSLESS_JPEG = 7
    DEFLATE = 8
    VC5 = 9
    ADOBE_DEFLATE = 32946
    LOSSY_JPEG = 34892
    JPEG_XL = 52546
