"""A table of text: as aligned lines for a terminal, as HTML for a page."""

import html
import re
from collections.abc import Sequence

#: A space at which no line ends.
NO_BREAK = "\N{NO-BREAK SPACE}"
GREEK = dict(
    zip("alpha beta gamma delta eta theta kappa lambda mu rho sigma tau phi".split(), "αβγδηθκλμρστφ", strict=True)
)
#: Mathematics as a keyboard has it, and as a page does; later ones find what earlier ones left.
TYPED = {
    r"&gt;=": "≥",
    r"&lt;=": "≤",
    r"\|\|": "‖",
    r" -&gt; ": " → ",
    r" - ": " − ",
    r"\binfinity\b": "∞",
    r"\bsqrt\(": "√(",
    r"\bgrad (?=\w)": "∇",
    r"\bdF(\*?)/d(?=\w)": r"∂F\1/∂",
    r"\bF\*|(?<=∂)F": lambda found: found[0].replace("F", "ℱ"),
    rf"(?<![A-Za-z])({'|'.join(GREEK)})(?![A-Za-z])": lambda found: GREEK[found[1]],
    r"(?<=\S)\^(?:\(([^()]*)\)|(−?\w+(?:/\d+)?))": lambda found: f"<sup>{found[1] or found[2]}</sup>",
    r"(?<![^\W\d_])(∂?[^\W\d_])_(\w+)": r"\1<sub>\2</sub>",
}
CELL = (
    "padding:0.4em 0.7em;text-align:left;vertical-align:top;line-height:1.45;"
    "border-bottom:1px solid rgba(128,128,128,0.4)"
)


def with_minus_signs(text: str) -> str:
    """Minus signs for hyphens before digits, those of exponents included; other hyphens stay."""
    return re.sub(r"(?<!\w)-(?=\d)|(?<=\de)-(?=\d)", "−", text)


def mathematics(text: str) -> str:
    """Text of a claim as HTML, in which ``N >= 16 L`` and ``gamma_0^2`` are mathematics."""
    shown = html.escape(with_minus_signs(text))
    for typed, sign in TYPED.items():
        shown = re.sub(typed, sign, shown)
    return shown


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, its cells under those of the row above.

    Raises:
        ValueError: rows of different lengths.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_html(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    *,
    label: str,
    kind: str,
    widths: Sequence[str] | None = None,
) -> str:
    """A table in a box that scrolls, by touch or by keyboard, where the page is narrower than the table.

    Args:
        headings: one for each column, as text.
        rows: as many cells each, as HTML; the first cell heads its row.
        caption: what the table shows, as text.
        label: what a screen reader calls the box.
        kind: CSS class of the box.
        widths: of the columns, in CSS; the table then is as wide as the page. By default as the text needs.
    """
    columns = widths or ("auto",) * len(headings)
    head = "".join(
        f'<th scope="col" style="{CELL};width:{width}">{html.escape(heading)}</th>' if heading else "<td></td>"
        for heading, width in zip(headings, columns, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row" style="{CELL}">{first}</th>'
        + "".join(f'<td style="{CELL}">{cell}</td>' for cell in rest)
        + "</tr>"
        for first, *rest in rows
    )
    stretched = "width:100%;min-width:42em;" if widths else ""
    return (
        f'<div class="{kind}" role="region" aria-label="{html.escape(label)}" tabindex="0" '
        'style="overflow-x:auto;max-width:100%">'
        f'<table style="border-collapse:collapse;{stretched}font-size:0.9em">'
        f'<caption style="caption-side:bottom;text-align:left;padding:0.4em 0.7em">{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
