"""A small table of a record, as HTML in a chapter and as text elsewhere."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pcn_lib import tables

#: Spaces at which a cell's line does not end.
TOGETHER = re.compile(r" (?==)|(?<=[=≤≥≈]) |(?<=\d) (?=×|(?:ms|s|MB)\b)|(?<=×) (?=10)")


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

    @classmethod
    def of(cls, columns: Mapping[str, Any], caption: str) -> "Table":
        """Labelled arrays as columns, with a row for each point; what has fewer axes than others is repeated.

        Args:
            columns: arrays by heading, which share the axes they have.
            caption: what the table shows.
        """
        import xarray as xr

        found = xr.Dataset({name: values.reset_coords(drop=True) for name, values in columns.items()})
        frame = found.to_dataframe().reset_index()
        frame = frame.drop(columns=[axis for axis in found.dims if axis not in found.coords])
        rows = tuple(tuple(map(_number, row)) for row in frame.itertuples(index=False, name=None))
        return cls(tuple(map(str, frame.columns)), rows, caption)

    @classmethod
    def of_parameterisations(cls, *given: Any) -> "Table":
        """A row for each: its multipliers layer by layer, then what its layers share (or else in their order)."""
        headings = ("", "input a_1", "hidden a_l", "readout a_L", "variance", "GD rate / eta", "Adam rate / eta")
        rows = []
        for one in given:
            layers = (one.input, one.hidden, one.output)
            multipliers, *others = zip(*(map(str, layer.powers[:4]) for layer in layers), strict=True)
            rows.append((one.name, *multipliers, *(", ".join(dict.fromkeys(other)) for other in others)))
        return cls(headings, tuple(rows), "D: fan-in, N: width, L: weight layers")

    def __str__(self) -> str:
        return "\n".join([*tables.aligned([self.headings, *self.rows]), self.caption])

    def _repr_html_(self) -> str:
        rows = [tuple(map(_cell, row)) for row in self.rows]
        return tables.as_html(self.headings, rows, self.caption, label=self.caption, kind="pcn-table")


def _number(value: Any) -> str:
    """Four digits of what is measured; sizes and words as they are."""
    if not isinstance(value, float):
        return str(value)
    return tables.readable(value)


def _cell(text: str) -> str:
    """As HTML, formulas as mathematics; no line ends inside ``N = 128``, ``≤ 3``, ``4 ms`` or ``2 × 10⁻⁷``."""
    return TOGETHER.sub(tables.NO_BREAK, tables.with_powers(tables.as_mathematics(text)))


def listed(values: tuple[int, ...]) -> str:
    """Sizes for a cell of a table; "none" where there are none."""
    return ", ".join(map(str, values)) or "none"


@dataclass(frozen=True)
class Folded:
    """A table whose numbers a figure above it shows; its words unfold it.

    Attributes:
        words: what the table is.
        table: which.
    """

    words: str
    table: Table

    def __str__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        # On a page these classes make it look as the page's own dropdowns do.
        summary = f'<summary class="sd-summary-title sd-card-header">{html.escape(self.words)}</summary>'
        body = f'<div class="sd-summary-content sd-card-body docutils">{self.table._repr_html_()}</div>'
        return f'<details class="sd-sphinx-override sd-dropdown sd-card sd-mb-3">{summary}{body}</details>'
