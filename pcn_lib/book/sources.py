"""Under every figure of a page: which chapter and run it is from, and how its numbers came about."""

import copy
from functools import partial

from pcn_lib.book.lead import drawing, pictures_of
from pcn_lib.book.notebooks import FOLD_ALL, Notebook, code_cells, shown_as_html, tagged
from pcn_lib.book.project import Chapter, Project, book_module
from pcn_lib.book.records import RunRecord
from pcn_lib.book.report import ChapterReport
from pcn_lib.study.picture import with_source
from pcn_lib.study.records import FOLDER


def with_sources(notebook: Notebook, record: RunRecord, chapter: Chapter) -> Notebook:
    """The notebook with numbers and lines of origin of its figures, whose downloads are named after the chapter.

    A folded figure has the number of the one that the same function drew of the recorded run.
    """
    result = copy.deepcopy(notebook)
    pictures = [(cell, output) for cell in code_cells(result) for output in pictures_of(cell)]
    visible = [drawing(cell.source)[0] for cell, _ in pictures if not tagged(cell, FOLD_ALL)]
    place = 0
    for cell, output in pictures:
        folded, name = tagged(cell, FOLD_ALL), drawing(cell.source)[0]
        number = place + 1 + (visible[place:].index(name) if folded and name in visible[place:] else 0)
        place += not folded
        file = f"{record.chapter}-figure-{number}{'-own' * folded}"
        title = chapter.figure(number) + ", of this page's own run" * folded
        output.data["text/html"] = with_source(shown_as_html(output), partial(_where, record), file, title)
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
