"""The frame of an evaluation's page, and what every such page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from denoiser.evaluation.candidates import Candidate
from denoiser.evaluation.chart import shot_text
from denoiser.evaluation.document import versions
from isp.report import page as isp_page

HERE = Path(__file__).parent


def page(title: str, source: str, numbers: Sequence[tuple[str, str, str]], sections: Iterable[str]) -> str:
    """A whole page. source: what was evaluated. numbers: (label, value, note) that stand at the top."""
    sheets = (isp_page.HERE / "page.css", HERE / "report.css")
    return Template((HERE / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        source=escape(source),
        css="".join(path.read_text(encoding="utf-8") for path in sheets),
        numbers="".join(
            f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd><dd class=small>{escape(note)}</dd></div>"
            for label, value, note in numbers
        ),
        sections="\n".join(sections),
    )


def section(title: str, content: str) -> str:
    """content: HTML."""
    return f"<section><h2>{title}</h2>{content}</section>"


def models_section(candidates: Sequence[Candidate]) -> str:
    """What each candidate consists of, and what it costs."""
    rows = [
        {
            "model": candidate.label,
            "network": network.name,
            "parameters": f"{network.parameters:,}",
            "kMAC per raw pixel": f"{network.kmac_per_px:.2f}",
            "trained for shot noise": " to ".join(shot_text(shot) for shot in network.shot_range),
            "chosen from": shot_text(network.chosen_from) if network.chosen_from else "",
            "SHA-256 of the weights": network.sha256,
        }
        for candidate in candidates
        for network in candidate.networks
    ]
    return section("Models", f'<div class="card wide">{cells_table(rows, "networks")}</div>')


def cells_table(rows: Sequence[Mapping[str, str]], kind: str = "") -> str:
    """Rows of text by heading, all with the same headings. kind: class of the style sheet."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row.values()) + "</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def versions_section() -> str:
    rows = "".join(f"<tr><th scope=row>{escape(name)}</th><td>{escape(v)}</td></tr>" for name, v in versions().items())
    return section("Versions", f'<div class="card"><table class="facts">{rows}</table></div>')
