"""A small table of a record, as HTML in a chapter and as text elsewhere."""

import html
from dataclasses import dataclass

CELL = (
    "padding:0.35em 0.7em;text-align:left;vertical-align:top;line-height:1.45;"
    "border-bottom:1px solid rgba(128,128,128,0.4)"
)


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first cell of a row names it.

    Attributes:
        headings: one for each column.
        rows: as many cells each.
        caption: what the table shows.

    Raises:
        ValueError: a row with another number of cells than there are headings.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str

    def __post_init__(self):
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(
                    f"a row of {len(row)} cells given under {len(self.headings)} headings; a table needs as many: {row}"
                )

    def __str__(self) -> str:
        lines = [self.headings, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        texts = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*texts, self.caption])

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col" style="{CELL}">{html.escape(heading)}</th>' for heading in self.headings)
        body = ""
        for first, *rest in self.rows:
            cells = "".join(f'<td style="{CELL}">{_cell(cell)}</td>' for cell in rest)
            body += f'<tr><th scope="row" style="{CELL}">{_cell(first)}</th>{cells}</tr>'
        # The box scrolls, by touch or by keyboard, where the table is wider than the page.
        return (
            f'<div class="pcn-table" role="region" aria-label="{html.escape(self.caption)}" tabindex="0" '
            'style="overflow-x:auto;max-width:100%"><table style="border-collapse:collapse;font-size:0.9em">'
            f'<caption style="caption-side:bottom;text-align:left;padding:0.4em 0.7em">{html.escape(self.caption)}'
            f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _cell(text: str) -> str:
    """As HTML; no line ends inside ``N = 128``."""
    return html.escape(text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"))


def listed(values: tuple[int, ...]) -> str:
    """Sizes for a cell of a table; "none" where there are none."""
    return ", ".join(map(str, values)) or "none"
