"""Under every figure of a page: which chapter and run it is from, and how its numbers came about."""

import copy
import html
import re
from collections.abc import Iterator

from pcn_lib.book.notebooks import Notebook, code_cells
from pcn_lib.book.records import RunRecord
from pcn_lib.figures.picture import with_source

FOOTER = re.compile(r'<p class="pcn-provenance"[^>]*>(.*?)</p>', re.DOTALL)
#: Parts of a provenance footer that tell where a figure is from; the footer itself has all of them.
SAID = ("data: ", "device: ", "commit ", "no commit")


def with_sources(notebook: Notebook, record: RunRecord) -> Notebook:
    """The notebook with a line of origin under its figures, whose downloads are named after the chapter."""
    result = copy.deepcopy(notebook)
    shown = list(_shown(result))
    line = _line(record, next((found[1] for _, text in reversed(shown) if (found := FOOTER.search(text))), ""))
    figures = (data for data, text in shown if "pcn-figure" in text)
    for number, data in enumerate(figures, start=1):
        data["text/html"] = with_source(_text(data), line, f"{record.chapter}-figure-{number}")
    return result


def _shown(notebook: Notebook) -> Iterator[tuple[dict, str]]:
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "text/html" in output.get("data", {}):
                yield output.data, _text(output.data)


def _text(data: dict) -> str:
    text = data["text/html"]
    return text if isinstance(text, str) else "".join(text)


def _line(record: RunRecord, footer: str) -> str:
    parts = (part for part in html.unescape(footer).split(" · ") if part.startswith(SAID))
    return " · ".join((f"{record.chapter}, profile {record.profile}", *(parts if footer else (record.device,))))
