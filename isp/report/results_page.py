"""The frame of a page of measured results, and what such pages are made of. A page needs no network and no files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

HERE = Path(__file__).parent


def page(title: str, source: str, numbers: Sequence[tuple[str, str, str]], sections: Iterable[str]) -> str:
    """A whole page. source: what was measured. numbers: (label, value, note) that stand at the top."""
    sheets = (HERE / "page.css", HERE / "results.css")
    return Template((HERE / "results.html").read_text(encoding="utf-8")).substitute(
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


def cells_table(rows: Sequence[Mapping[str, str]], kind: str = "") -> str:
    """Rows of text by heading, all with the same headings. kind: class of the style sheet."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row.values()) + "</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'


def facts_table(facts: Mapping[str, str]) -> str:
    """A card of facts by name."""
    rows = "".join(f"<tr><th scope=row>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    return f'<div class="card"><table class="facts">{rows}</table></div>'


def shot_text(shot: float) -> str:
    """A noise level as people write it: 1e-4, 1.3e-3."""
    digits, exponent = f"{shot:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"
