"""A small table of a record, as HTML in a chapter and as text elsewhere."""

import html
from dataclasses import dataclass

from pcn_lib import tables


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
        return "\n".join([*tables.aligned([self.headings, *self.rows]), self.caption])

    def _repr_html_(self) -> str:
        rows = [tuple(map(_cell, row)) for row in self.rows]
        return tables.as_html(self.headings, rows, self.caption, label=self.caption, kind="pcn-table")


def _cell(text: str) -> str:
    """As HTML, with minus signs for hyphens before digits; no line ends inside ``N = 128`` or ``4e-02``."""
    return html.escape(tables.with_minus_signs(text).replace(" = ", f"{tables.NO_BREAK}={tables.NO_BREAK}"))


def listed(values: tuple[int, ...]) -> str:
    """Sizes for a cell of a table; "none" where there are none."""
    return ", ".join(map(str, values)) or "none"
