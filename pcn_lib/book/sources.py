"""Under every figure of a page: which chapter and run it is from, and how its numbers came about."""

import copy
from functools import partial

from pcn_lib.book.notebooks import Notebook, code_cells, shown_as_html
from pcn_lib.book.project import Project, book_module
from pcn_lib.book.records import RunRecord
from pcn_lib.book.report import ChapterReport
from pcn_lib.study.picture import with_source
from pcn_lib.study.records import FOLDER


def with_sources(notebook: Notebook, record: RunRecord) -> Notebook:
    """The notebook with lines of origin under its figures, whose downloads are named after the chapter."""
    result = copy.deepcopy(notebook)
    outputs = (output for cell in code_cells(result) for output in cell.outputs)
    figures = ((output, shown) for output in outputs if "pcn-figure" in (shown := shown_as_html(output)))
    for number, (output, shown) in enumerate(figures, start=1):
        output.data["text/html"] = with_source(shown, partial(_where, record), f"{record.chapter}-figure-{number}")
    return result


def with_downloads(project: Project, notebook: Notebook, state: ChapterReport) -> Notebook:
    """The notebook with a last line that offers the labelled records behind its figures."""
    kept = project.root / FOLDER / f"{state.chapter.stem}.nc"
    files = [("this run", path) for path in (state.run.kept if state.problem is None else ())]
    files += [("the recorded run", kept)] if kept.is_file() else []
    if not files:
        return notebook
    result = copy.deepcopy(notebook)
    links = ", ".join(f"{{download}}`{words} </{path.relative_to(project.root).as_posix()}>`" for words, path in files)
    sentence = f"The labelled numbers behind this page as netCDF files: {links}. `xarray.open_dataset` reads them."
    result.cells.append(book_module("nbformat.v4").new_markdown_cell(sentence))
    return result


def _where(run: RunRecord, date: str) -> str:
    """Which run made a record of this date: this one, or one that had been kept with the book before it began."""
    if not date:
        return f"{run.chapter}, profile {run.profile} · {run.device}"
    return f"{run.chapter}, " + ("recorded run" if date < run.began else f"profile {run.profile}")
