"""A comparison as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from isp.report.comparison import Comparison
from isp.report.crops import Crop
from isp.report.facts import Section
from isp.report.noise_chart import noise_chart
from isp.report.parameter_facts import parameter_facts
from isp.report.ratio_map import ratio_picture
from isp.report.sidecar import versions
from isp.report.view import encoded_jpeg, encoded_png

HERE = Path(__file__).parent
OVERVIEW_PX = 1600
OVERVIEW_QUALITY = 88
BEFORE, AFTER = "not denoised", "denoised"


def comparison_page(comparison: Comparison) -> str:
    """The page's HTML. Crops are PNG, so that what is judged is exact; the overview is JPEG."""
    height, width = comparison.after.shape[:2]
    template = Template((HERE / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{comparison.source.name}: denoised against not"),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        js=(HERE / "page.js").read_text(encoding="utf-8"),
        name=escape(comparison.source.name),
        summary=_summary(comparison),
        overview=_overview(comparison),
        crops="".join(_crop(number, crop, comparison) for number, crop in enumerate(comparison.crops, 1)),
        side=max((crop.surroundings.width for crop in comparison.crops), default=0),
        ratio=_data_uri("png", encoded_png(ratio_picture(comparison.ratio))),
        aspect=f"{width} / {height}",
        median=f"{comparison.residual.median_ratio:.2f}",
        chart=noise_chart(comparison.noise, comparison.residual.by_level, comparison.range_dn),
        sections="".join(_section(section) for section in comparison.sections),
        pipeline_name=escape(comparison.pipeline.name),
        pipeline=_pipeline(comparison),
        resolved=escape(json.dumps(comparison.pipeline.resolved(), indent=2)),
        hashes=_rows((what, f"<code>{value}</code>") for what, value in comparison.hashes.items()),
        versions=_rows((package, escape(version)) for package, version in versions(comparison.pipeline).items()),
    )


def _summary(comparison: Comparison) -> str:
    """The few numbers that stand at the top."""
    height, width = comparison.after.shape[:2]
    model = {fact.key: fact.text for section in comparison.sections if section.key == "noise" for fact in section.facts}
    denoise_s = sum(time_s for name, time_s in comparison.timings if name == "denoise")
    total_s = sum(time_s for _, time_s in comparison.timings)
    numbers = [
        ("picture", f"{width} x {height}", f"{width * height / 1e6:.1f} MP"),
        ("SNR at 18 % grey", model.get("snr_grey_db", ""), "before denoising"),
        ("noise at black", model.get("sigma_black_dn", ""), f"model: {model.get('origin', '')}"),
        ("taken away", f"{comparison.residual.median_ratio:.2f} σ", "median; 1 = as much as the model says"),
        ("time", f"{total_s:.2f} s", f"{denoise_s:.2f} s of it denoising"),
    ]
    return "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd><dd class=small>{escape(note)}</dd></div>"
        for label, value, note in numbers
    )


def _overview(comparison: Comparison) -> str:
    height, width = comparison.after.shape[:2]
    before, after = (
        _data_uri("jpeg", encoded_jpeg(_fitted(picture), OVERVIEW_QUALITY))
        for picture in (comparison.before, comparison.after)
    )
    marks = "".join(
        f'<a class=mark href="#crop-{number}" title="{escape(crop.title)}" style="left:{crop.square.left / width:.3%};'
        f"top:{crop.square.top / height:.3%};width:{crop.square.width / width:.3%};"
        f"height:{crop.square.height / height:.3%}"
        f'"><span>{number}</span></a>'
        for number, crop in enumerate(comparison.crops, 1)
    )
    return _pane("overview", before, after, "whole picture", f"--aspect:{width}/{height}", marks)


def _crop(number: int, crop: Crop, comparison: Comparison) -> str:
    pictures = (comparison.before, comparison.after)
    before, after = (
        _data_uri("png", encoded_png(np.ascontiguousarray(picture[crop.surroundings.slices]))) for picture in pictures
    )
    pane = _pane("crop", before, after, crop.title, f"--side:{crop.surroundings.width}px")
    noisy, clean = (_grain(picture[crop.square.slices]) for picture in pictures)
    where = f"x {crop.square.left}, y {crop.square.top}, {crop.square.width} px"
    return (
        f'<figure id="crop-{number}">{pane}<figcaption><b><span class=number>{number}</span>{escape(crop.title)}</b>'
        f"<span>{escape(crop.why)}</span><span class=small>{where}; finest grain {noisy:.1f} → {clean:.1f} of 255"
        "</span></figcaption></figure>"
    )


def _pane(kind: str, before: str, after: str, what: str, style: str, extra: str = "") -> str:
    label = escape(what)
    return (
        f'<div class="pane {kind}" style="{style}"><div class=layer><img class=before src="{before}" '
        f'alt="{label}, {BEFORE}"></div><div class="layer top"><img class=after src="{after}" alt="{label}, {AFTER}">'
        f"</div><canvas class=removed hidden></canvas>{extra}<div class=split></div><span class=tag>{BEFORE}</span>"
        f'<span class="tag right">{AFTER}</span>'
        f'<input type=range min=0 max=100 step=0.5 value=50 aria-label="{label}: percent shown {BEFORE}">'
        "</div>"
    )


def _grain(picture: np.ndarray) -> float:
    """RMS of what is finest in a picture's luminance, in 8-bit levels.

    The mask of J. Immerkær, "Fast noise variance estimation", Computer Vision and Image Understanding
    64(2), 1996: blind to flat areas, slopes and straight edges.
    """
    import cv2

    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY).astype(np.float32)
    return float(np.sqrt(np.mean(np.square(cv2.filter2D(grey, cv2.CV_32F, mask)))))


def _section(section: Section) -> str:
    rows = _rows((fact.label, escape(fact.text)) for fact in section.facts)
    return f"<section class=card><h3>{escape(section.title)}</h3><table class=facts>{rows}</table></section>"


def _pipeline(comparison: Comparison) -> str:
    """One row per step that ran, with a bar for its time."""
    planned = {part.name: part for part in comparison.planned}
    longest = max(time_s for _, time_s in comparison.timings)
    rows = []
    for name, time_s in comparison.timings:
        part = planned.get(name)
        settings = "" if part is None else _settings(part.step.stage.Parameters, part.step.parameters.model_dump())
        gives, origin = ("", "") if part is None else (part.gives.value, part.step.source.origin)
        bar = f'<i style="width:calc((100% - 6rem) * {time_s / longest:.3f})"></i>'
        rows.append(
            f"<tr><th scope=row>{escape(name.replace('_', ' '))}</th><td>{escape(gives)}</td><td>{settings}</td>"
            f"<td>{escape(origin)}</td><td class=time>{bar}<span>{time_s * 1e3:,.1f} ms</span></td></tr>"
        )
    return "".join(rows)


def _settings(model: type, values: dict[str, object]) -> str:
    """Parameters of a stage; those that are not at their defaults stand out."""
    texts = []
    for fact in parameter_facts(model):
        value = values[fact.name]
        text = f"{escape(fact.name)} {escape('none' if value is None else str(value))}"
        texts.append(f"<span>{text}</span>" if fact.has_default and value == fact.default else f"<b>{text}</b>")
    return f"<div class=settings>{''.join(texts)}</div>"


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<tr><th scope=row>{escape(label)}</th><td>{value}</td></tr>" for label, value in pairs)


def _fitted(picture: np.ndarray) -> np.ndarray:
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, OVERVIEW_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
