"""What was found in a capture, as sections of labelled facts for tables, JSON and pages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from isp.noise.model import NoiseModel
from isp.raw_frame import RawFrame, Rect

COLOURS = ("R", "G", "B")


@dataclass(frozen=True)
class Fact:
    """`key` and `value` are for machines, `label` and `text` for people."""

    key: str
    label: str
    value: object
    text: str


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    facts: tuple[Fact, ...]


def frame_sections(frame: RawFrame, noise: NoiseModel | None) -> tuple[Section, ...]:
    """Everything that developing uses of a frame as a reader gave it, and the noise model that applies."""
    return (
        Section("capture", "Capture", tuple(_capture(frame))),
        Section("levels", "Levels", tuple(_levels(frame))),
        Section("colour", "Colour", tuple(_colour(frame))),
        Section("noise", "Noise model", (*noise_facts(noise, frame), *_noise_reduction(frame))),
    )


def as_json(sections: tuple[Section, ...]) -> dict[str, object]:
    """Sections by key, facts by key."""
    return {section.key: {fact.key: fact.value for fact in section.facts} for section in sections}


def noise_facts(noise: NoiseModel | None, frame: RawFrame) -> Iterator[Fact]:
    """A noise model in its own terms, in digital numbers and in electrons.

    Electrons rest on shot noise being Poisson: one electron is `shot` of the range from black to white.
    """
    if noise is None:
        yield Fact("origin", "origin", None, "none: a file demosaiced by its camera has no simple noise model")
        return
    range_dn = frame.white - float(frame.black.pattern.mean())
    yield Fact("origin", "origin", noise.origin.name.lower(), noise.origin.value)
    yield Fact("shot", "shot noise S", list(noise.shot), _per_colour(noise.shot, "{:.3e}"))
    yield Fact("read", "read noise O", list(noise.read), _per_colour(noise.read, "{:.3e}"))
    dark_dn = [math.sqrt(read) * range_dn for read in noise.read]
    yield Fact("sigma_black_dn", "noise at black", dark_dn, _per_colour(dark_dn, "{:.2f}") + " DN")
    snr_db = [_snr_db(noise, channel, 0.18) for channel in range(3)]
    finite_db = [db if math.isfinite(db) else None for db in snr_db]  # JSON has no infinity
    yield Fact("snr_grey_db", "SNR at 18 % of white", finite_db, _per_colour(snr_db, "{:.1f}") + " dB")
    if min(noise.shot) > 0:
        gain = [shot * range_dn for shot in noise.shot]
        yield Fact("gain_dn_per_electron", "gain", gain, _per_colour(gain, "{:.3g}") + " DN/e⁻")
        full = [1 / shot for shot in noise.shot]
        yield Fact("white_electrons", "signal at white", full, _per_colour(full, "{:.0f}") + " e⁻")
        dark = [math.sqrt(read) / shot for read, shot in zip(noise.read, noise.shot, strict=True)]
        yield Fact("read_electrons", "read noise", dark, _per_colour(dark, "{:.2f}") + " e⁻")


def _noise_reduction(frame: RawFrame) -> Iterator[Fact]:
    applied = frame.noise_reduction_applied
    if applied:
        yield Fact("reduction_applied", "already denoised", applied, f"{applied:.0%}, as the file tells")


def _snr_db(noise: NoiseModel, channel: int, level: float) -> float:
    variance = float(noise.variance(np.asarray(level), channel))
    return 20 * math.log10(level / math.sqrt(variance)) if variance > 0 else math.inf


def _capture(frame: RawFrame) -> Iterator[Fact]:
    yield Fact("file", "file", str(frame.source), str(frame.source))
    camera = " ".join(part for part in (frame.make, frame.model) if part)
    yield Fact("camera", "camera", camera or None, camera or "not stated")
    megapixels = frame.width * frame.height / 1e6
    yield Fact("size", "size", [frame.width, frame.height], f"{frame.width} x {frame.height} ({megapixels:.1f} MP)")
    yield Fact(
        "cfa", "colour filter", frame.cfa.value if frame.cfa else None, frame.cfa or "none: demosaiced by its camera"
    )
    if frame.active_area:
        yield Fact("active_area", "active area", _rect_value(frame.active_area), _rect_text(frame.active_area))
    if frame.default_crop:
        yield Fact("default_crop", "shown", _rect_value(frame.default_crop), _rect_text(frame.default_crop))
    yield Fact("orientation", "orientation", frame.orientation, f"{frame.orientation} (EXIF)")
    exposure = frame.exposure
    if exposure.iso is not None:
        yield Fact("iso", "ISO", exposure.iso, f"{exposure.iso:g}")
    if exposure.time_s is not None:
        yield Fact("exposure_time_s", "exposure time", exposure.time_s, _seconds(exposure.time_s))
    if exposure.aperture_f is not None:
        yield Fact("aperture_f", "aperture", exposure.aperture_f, f"f/{exposure.aperture_f:g}")
    if exposure.focal_length_mm is not None:
        yield Fact("focal_length_mm", "focal length", exposure.focal_length_mm, f"{exposure.focal_length_mm:g} mm")
    if exposure.lens:
        yield Fact("lens", "lens", exposure.lens, exposure.lens)
    if exposure.taken:
        yield Fact("taken", "taken", exposure.taken, exposure.taken)


def _levels(frame: RawFrame) -> Iterator[Fact]:
    pattern = frame.black.pattern.ravel()
    varies = [
        name
        for name, delta in (("rows", frame.black.per_row), ("columns", frame.black.per_column))
        if delta is not None
    ]
    text = _numbers(pattern) if np.ptp(pattern) else f"{pattern[0]:g}"
    yield Fact(
        "black", "black", pattern.tolist(), f"{text} DN" + (f", and per {' and '.join(varies)}" if varies else "")
    )
    yield Fact("white", "white", frame.white, f"{frame.white:g} DN")
    lowest, highest = float(frame.mosaic.min()), float(frame.mosaic.max())
    yield Fact("found", "values found", [lowest, highest], f"{lowest:g} to {highest:g} DN ({frame.mosaic.dtype})")
    full = float(np.count_nonzero(frame.mosaic >= frame.white)) / frame.mosaic.size
    yield Fact("full_share", "full pixels", full, f"{full:.3%}")


def _colour(frame: RawFrame) -> Iterator[Fact]:
    neutral = frame.as_shot_neutral
    if neutral is None:
        yield Fact("as_shot_neutral", "white balance", None, "not stated")
    else:
        gains = [neutral[1] / value for value in neutral]
        yield Fact("as_shot_neutral", "white balance", list(neutral), f"as shot, gains {_per_colour(gains, '{:.3f}')}")
    if not frame.illuminants:
        yield Fact("illuminants", "colour matrices", [], "none: camera RGB is taken as sRGB")
    for number, illuminant in enumerate(frame.illuminants, 1):
        forward = ", with forward matrix" if illuminant.forward_matrix is not None else ""
        value = {
            "kelvin": illuminant.kelvin,
            "colour_matrix": illuminant.colour_matrix.tolist(),
            "forward_matrix": None if illuminant.forward_matrix is None else illuminant.forward_matrix.tolist(),
        }
        yield Fact(f"illuminant_{number}", f"matrix {number}", value, f"measured at {illuminant.kelvin:.0f} K{forward}")
    yield Fact(
        "baseline_exposure_ev", "baseline exposure", frame.baseline_exposure_ev, f"{frame.baseline_exposure_ev:+.2f} EV"
    )
    if frame.tone_curve is not None:
        yield Fact("tone_curve", "tone curve", len(frame.tone_curve), f"{len(frame.tone_curve)} points")
    grids = [f"{gain_map.gains.shape[1]} x {gain_map.gains.shape[0]}" for gain_map in frame.gain_maps]
    text = f"{len(grids)} gain maps of {', '.join(dict.fromkeys(grids))}" if grids else "no gain maps"
    yield Fact("gain_maps", "lens shading", len(grids), text)


def _per_colour(values: list[float] | tuple[float, ...], form: str) -> str:
    """One number where all three colours print the same, else three."""
    texts = [form.format(value) for value in values]
    if len(set(texts)) == 1:
        return texts[0]
    return "  ".join(f"{colour} {text}" for colour, text in zip(COLOURS, texts, strict=True))


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in values)


def _seconds(time_s: float) -> str:
    return f"1/{1 / time_s:.0f} s" if 0 < time_s < 0.5 else f"{time_s:g} s"


def _rect_value(rect: Rect) -> list[int]:
    return [rect.left, rect.top, rect.width, rect.height]


def _rect_text(rect: Rect) -> str:
    return f"{rect.width} x {rect.height} from ({rect.left}, {rect.top})"
