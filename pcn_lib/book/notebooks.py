"""Chapters as notebooks: read, written in one normal form, given parameters, given the outputs of a run."""

import ast
import copy
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pcn_lib.book.project import BookError, book_module, conflict
from pcn_lib.files import write_atomically

if TYPE_CHECKING:
    from nbformat import NotebookNode as Notebook
else:
    Notebook = dict

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
INJECTED = "injected-parameters"
#: What a cell of a chapter does; the machinery and the page find it by this tag.
IMPORTS, SIZES, MEASURE, FIGURE, CLAIMS = "imports", "sizes", "measure", "figure", "claims"
SOLUTION = "solution"  # of an exercise
#: Cells that a page folds, under which words, and the theme's tags for it, without and with what a cell shows: what a
#: reader need not see at first is folded, not hidden.
FOLDED = {"parameters": "The parameters", IMPORTS: "The imports", SIZES: "The sizes", FIGURE: "How it is drawn"}
FOLDED |= {SOLUTION: "A solution"}
FOLD, FOLD_ALL = "hide-input", "hide-cell"


def read(path: Path) -> Notebook:
    """A notebook from disk; a file that is not one is refused by name."""
    nbformat, content = book_module("nbformat"), path.read_text(encoding="utf-8")
    try:
        notebook = nbformat.reads(content, as_version=4)
        if not notebook.cells:
            raise ValueError("it has no cells")
        return notebook
    except (ValueError, KeyError, AttributeError, TypeError, nbformat.ValidationError) as broken:
        reason = conflict(content) or next(iter(str(broken).splitlines()), "")[:80] or type(broken).__name__
        raise BookError(f"{path} is not a readable notebook ({reason}): restore it from git.") from broken


def checked(path: Path) -> Notebook:
    """A chapter from disk, every code cell of which is Python.

    Raises:
        BookError: one is not; the message names the chapter, the cell and the line.
    """
    notebook = read(path)
    for number, cell in enumerate(notebook.cells, start=1):
        try:
            if cell.cell_type == "code":
                ast.parse(cell.source)
        except (SyntaxError, ValueError) as error:
            line, reason = getattr(error, "lineno", 1), conflict(cell.source) or getattr(error, "msg", error)
            raise BookError(f"{path}: cell {number}, line {line} is not Python ({reason}): correct it.") from error
    return notebook


def text(notebook: Notebook) -> str:
    """The file contents of a notebook, always laid out alike."""
    return book_module("nbformat").writes(notebook).rstrip("\n") + "\n"


def write(notebook: Notebook, path: Path) -> None:
    write_atomically(path, text(notebook).encode())


def tagged(cell: Notebook, tag: str) -> bool:
    return tag in cell.metadata.get("tags", ())


def code_cells(notebook: Notebook) -> list[Notebook]:
    """The chapter's own code cells: those of a run without the one that carried its parameters."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not tagged(cell, INJECTED)]


def code_digest(notebook: Notebook) -> str:
    """Changes with what a chapter computes and not with its prose."""
    return hashlib.sha256("\0".join(cell.source for cell in code_cells(notebook)).encode()).hexdigest()


def shown_as_html(output: Notebook) -> str:
    """What a cell's output is on a page; empty where it is text alone."""
    return "".join(output.get("data", {}).get("text/html", ""))


def parameters_cell(notebook: Notebook) -> Notebook | None:
    return next((cell for cell in notebook.cells if tagged(cell, "parameters")), None)


def normalised(notebook: Notebook) -> Notebook:
    """The form in which chapters are committed: no outputs, no counts, no editor's metadata, a fixed id per cell."""
    result = copy.deepcopy(notebook)
    result.metadata = copy.deepcopy(METADATA)
    result.nbformat, result.nbformat_minor = 4, 5
    seen = set()
    for cell in result.cells:
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").split("\n"))
        cell.metadata = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
        if cell.get("id") in seen or not cell.get("id"):
            cell.id = hashlib.sha256(f"{len(seen)} {cell.source}".encode()).hexdigest()[:8]
        seen.add(cell.id)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book_module("nbformat").from_dict(result)


def with_parameters(notebook: Notebook, values: dict[str, object]) -> Notebook:
    """The notebook with a cell after its parameters cell that sets these values, as Papermill injects it.

    Papermill's own injection turns a tuple into a string.
    """
    result = copy.deepcopy(notebook)
    source = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    cell = book_module("nbformat.v4").new_code_cell(source, metadata={"tags": [INJECTED]})
    place = next((i for i, cell in enumerate(result.cells) if tagged(cell, "parameters")), -1)
    result.cells.insert(place + 1, cell)
    return result


def with_outputs(notebook: Notebook, executed: Notebook) -> Notebook:
    """The committed notebook, prose as it stands now, showing the outputs of a run of the same code."""
    result = copy.deepcopy(notebook)
    for cell, ran in zip(code_cells(result), code_cells(executed), strict=True):
        cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    return result


def folded(notebook: Notebook) -> Notebook:
    """The notebook with parameters, imports, sizes and figures to be unfolded by who wants to see them."""
    result = copy.deepcopy(notebook)
    for cell in result.cells:
        for words in (words for tag, words in FOLDED.items() if tagged(cell, tag)):
            cell.metadata["tags"] = [*cell.metadata["tags"], FOLD_ALL if tagged(cell, SIZES) else FOLD]
            cell.metadata["mystnb"] = {"code_prompt_show": words, "code_prompt_hide": words}
    return result


def with_note(notebook: Notebook, note: str) -> Notebook:
    """The notebook with a warning box under its title."""
    result = copy.deepcopy(notebook)
    result.cells.insert(1, book_module("nbformat.v4").new_markdown_cell(f"```{{warning}}\n{note}\n```"))
    return result
