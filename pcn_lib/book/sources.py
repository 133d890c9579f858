"""Under every figure of a page: which chapter and run it is from, and how its numbers came about."""

import copy
from functools import partial

from pcn_lib.book.notebooks import Notebook, code_cells
from pcn_lib.book.records import RunRecord
from pcn_lib.study.picture import with_source


def with_sources(notebook: Notebook, record: RunRecord) -> Notebook:
    """The notebook with lines of origin under its figures, whose downloads are named after the chapter."""
    result = copy.deepcopy(notebook)
    outputs = (output.get("data", {}) for cell in code_cells(result) for output in cell.outputs)
    figures = ((data, shown) for data in outputs if "pcn-figure" in (shown := _text(data)))
    for number, (data, shown) in enumerate(figures, start=1):
        data["text/html"] = with_source(shown, partial(_where, record), f"{record.chapter}-figure-{number}")
    return result


def _text(data: dict) -> str:
    text = data.get("text/html", "")
    return text if isinstance(text, str) else "".join(text)


def _where(run: RunRecord, date: str) -> str:
    """Which run made a record of this date: this one, or one that had been kept with the book before it began."""
    if not date:
        return f"{run.chapter}, profile {run.profile} · {run.device}"
    return f"{run.chapter}, " + ("recorded run" if date < run.began else f"profile {run.profile}")
