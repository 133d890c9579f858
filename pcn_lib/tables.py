"""A table of text: as aligned lines for a terminal, as HTML for a page."""

import html
import math
import re
from collections.abc import Sequence
from unicodedata import lookup

#: A space at which no line ends.
NO_BREAK = "\N{NO-BREAK SPACE}"
CELL = (
    "padding:0.4em 0.7em;text-align:left;vertical-align:top;line-height:1.45;"
    "border-bottom:1px solid rgba(128,128,128,0.4)"
)

#: Sizes from which digits are grouped, and between which numbers have no power of ten.
GROUPED, FEW, MANY = 1e4, 1e-4, 1e6
EXPONENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([-−+]?\d+)\b")
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def greek(name: str) -> str:
    """The letter of this name, small or, as ``Lambda``, capital; a KeyError where there is none."""
    size = "SMALL" if name.islower() else "CAPITAL"
    return lookup(f"GREEK {size} LETTER {name.upper().replace('LAMBDA', 'LAMDA')}")


#: How formulas are typed where there is only a keyboard, and the sign that stands for it.
SIGNS = {"||": "‖", "<=": "≤", ">=": "≥", "->": "→"}
NAMES = {"infinity": "∞", "sqrt": "√", "eps": "ε", "ell": "ℓ"} | {
    name: greek(name)
    for name in ("alpha", "beta", "gamma", "eta", "theta", "kappa", "lambda", "mu", "nu", "rho", "sigma", "phi")
}
NAMED = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(NAMES)})(?![A-Za-z])|{'|'.join(map(re.escape, SIGNS))}")
POWER = re.compile(r"\^(?:\(([^()]*)\)|(-?(?:\d+(?:\.\d+)?(?:/\d+)?\w*|\w+)))")
INDEX = re.compile(r"(?:(?<=‖)|(?<=\b\w))_(?:\{([^}]*)\}|(\d+|[A-Za-z]|min|max)\b)")
SUM = re.compile(r"\bsum(?=_)|(?<=\) )sum\b")  # not the word
MINUS = re.compile(r"(?<![\w)\]^])-(?=[\w∇])")
DERIVATIVE = re.compile(r"\bd([A-Z]\*?)/d(?=\w)")


def as_mathematics(text: str) -> str:
    """A sentence with formulas as a keyboard has them, as HTML: ``||h||^2 >= mu_1 N^-1/2`` in letters and signs."""
    text = DERIVATIVE.sub(r"∂\1/∂", text)
    text = SUM.sub("Σ", text)
    text = NAMED.sub(lambda one: NAMES.get(one[0]) or SIGNS[one[0]], text.replace("grad ", "∇"))
    text = MINUS.sub("−", html.escape(text.replace(" - ", " − ")))
    text = POWER.sub(lambda one: f"<sup>{(one[1] or one[2]).replace('-', '−')}</sup>", text)
    return with_minus_signs(INDEX.sub(lambda one: f"<sub>{one[1] or one[2]}</sub>", text))


def with_minus_signs(text: str) -> str:
    """Minus signs for hyphens before digits, those of exponents included; other hyphens stay."""
    return re.sub(r"(?<!\w)-(?=\d)|(?<=\de)-(?=\d)", "−", text)


def readable(value: float, digits: int = 4) -> str:
    """A measured number for a reader: ``21,270``, ``0.4444``, ``3.9 × 10⁻⁷``; whole numbers below a million in full.

    Args:
        value: of any size; "–" stands for what is not a number.
        digits: of those that are not whole.
    """
    value = float(value)
    if not math.isfinite(value):
        return "–" if math.isnan(value) else "−∞"[value > 0 :]
    rounded = value if value == round(value) and abs(value) < MANY else float(f"{value:.{digits}g}")
    if rounded == 0 or FEW <= abs(rounded) < MANY:
        grouped = "," if abs(rounded) >= GROUPED else ""
        return with_minus_signs(f"{rounded:{grouped}.12g}")
    return with_powers(with_minus_signs(f"{rounded:.{digits - 1}e}"))


def with_powers(text: str) -> str:
    """Powers of ten for a computer's exponents: ``3.9 × 10⁻⁷`` for ``3.9e-07``, ``10⁻⁶`` for ``1e-06``."""

    def power(one: re.Match) -> str:
        factor = f"{float(one[1]):g}"
        raised = "10" + f"{int(one[2].replace('−', '-'))}".translate(RAISED)
        return raised if factor == "1" else f"{factor} × {raised}"

    return EXPONENT.sub(power, text)


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
        headings: one for each column, as text; formulas are read by :func:`as_mathematics`.
        rows: as many cells each, as HTML; the first cell heads its row.
        caption: what the table shows, as text likewise.
        label: what a screen reader calls the box.
        kind: CSS class of the box.
        widths: of the columns, in CSS; the table then is as wide as the page. By default as the text needs.
    """
    columns = widths or ("auto",) * len(headings)
    head = "".join(
        f'<th scope="col" style="{CELL};width:{width}">{as_mathematics(heading)}</th>' if heading else "<td></td>"
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
        f'<caption style="caption-side:bottom;text-align:left;padding:0.4em 0.7em">{as_mathematics(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
