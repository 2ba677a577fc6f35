"""Correlated colour temperature of EXIF's LightSource codes, which DNG's CalibrationIlluminant uses.

CIE 15 for the standard illuminants; EXIF 2.32 gives ranges for fluorescent lamps: their midpoints.
"""

from __future__ import annotations

UNKNOWN = 0
_KELVIN_OFFSET = 32768

_KELVIN = {
    1: 5503.0,  # daylight
    2: 4150.0,  # fluorescent
    3: 2856.0,  # tungsten
    4: 5503.0,  # flash
    9: 5503.0,  # fine weather
    10: 6504.0,  # cloudy
    11: 7504.0,  # shade
    12: 6400.0,  # daylight fluorescent, 5700 to 7100
    13: 5050.0,  # day white fluorescent, 4600 to 5500
    14: 4150.0,  # cool white fluorescent, 3800 to 4500
    15: 3525.0,  # white fluorescent, 3250 to 3800
    16: 2925.0,  # warm white fluorescent, 2600 to 3250
    17: 2856.0,  # standard illuminant A
    18: 4874.0,  # B
    19: 6774.0,  # C
    20: 5503.0,  # D55
    21: 6504.0,  # D65
    22: 7504.0,  # D75
    23: 5003.0,  # D50
    24: 3200.0,  # ISO studio tungsten
}


def kelvin(light_source: int) -> float | None:
    """Temperature of `light_source` in kelvin, None for unknown (0), other (255) and unassigned codes.

    TIFF/EP: codes above 32768 are the temperature itself plus 32768.
    """
    if light_source > _KELVIN_OFFSET:
        return float(light_source - _KELVIN_OFFSET)
    return _KELVIN.get(light_source)
