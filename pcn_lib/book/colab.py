"""Chapters for elsewhere: in plain Markdown, behind a cell that installs this library where it is missing.

Colab opens a notebook from a branch of a repository and has none of what it imports.  The build therefore writes
such copies below the pages, publishing the pages puts them on a branch of their own, and the pages' buttons lead
there.  The page's download is the same copy.  Whoever runs it where the library is installed installs nothing.
"""

import ast
import copy
from pathlib import Path

from pcn_lib.book import address, notebooks, plain
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import Project, book_module
from pcn_lib.study.records import FOLDER

#: The folder below the pages, and the branch that it is published as.
BRANCH = "colab"
SITE = "https://colab.research.google.com"
INSTALL = """\
# Where pcn_lib is missing, as on Colab, this installs it and those packages that it needs and that are missing too.
# What is there stays in its version, JAX above all; pip's last line says what is new.
import importlib.util
if importlib.util.find_spec("pcn_lib") is None:
    %pip install "pcn-lib[notebook] @ git+{repository}"\
"""
FETCH = """

# The recorded runs of which this notebook speaks, where it lies outside the book.
import pathlib, urllib.request
from pcn_lib.study import recorded
for stem in {stems}:
    if recorded(stem) is None:
        path = pathlib.Path("{folder}", f"{{stem}}.nc")
        path.parent.mkdir(parents=True, exist_ok=True)
        urllib.request.urlretrieve(f"{repository}/raw/HEAD/{folder}/{{stem}}.nc", path)\
"""


def for_colab(notebook: Notebook, document: str, places: plain.Places, repository: str | None) -> Notebook:
    """A document's notebook in committed form and plain Markdown, ready to be run elsewhere.

    In front of its first code is the cell that installs the library, if there is a repository to install it from.
    """
    result = copy.deepcopy(notebooks.normalised(notebook))
    for cell in result.cells:
        if cell.cell_type == "markdown":
            cell.source = plain.plain(cell.source, document, places)
    if repository:
        cell = book_module("nbformat.v4").new_code_cell(_installing(result, repository), id="install")
        place = next((i for i, other in enumerate(result.cells) if other.cell_type == "code"), len(result.cells))
        result.cells.insert(place, cell)
    return result


def _installing(notebook: Notebook, repository: str) -> str:
    stems = _recorded(notebook)
    fetch = FETCH.format(stems=stems, folder=FOLDER.as_posix(), repository=repository) if stems else ""
    return INSTALL.format(repository=repository) + fetch


def _recorded(notebook: Notebook) -> tuple[str, ...]:
    """The stems of the recorded runs that a notebook asks for."""
    calls = (node for cell in notebooks.code_cells(notebook) for node in ast.walk(ast.parse(cell.source)))
    found = (node.args for node in calls if isinstance(node, ast.Call) and ast.unparse(node.func) == "recorded")
    return tuple(dict.fromkeys(ast.literal_eval(stem) for (stem,) in found))


def write_copies(project: Project, pages: Path, repository: str | None) -> tuple[Path, ...]:
    """Write a copy of every chapter below the pages, for Colab and in place of the page's download; the former."""
    places, written = plain.places(project, address.pages(repository)), []
    for chapter in project.chapters():
        document = chapter.path.relative_to(project.root).with_suffix("")
        made = for_colab(notebooks.read(chapter.path), document.as_posix(), places, repository)
        written.append(pages / BRANCH / f"{chapter.name}.ipynb")
        for path in (written[-1], pages / "_sources" / document.with_suffix(".ipynb")):
            path.parent.mkdir(parents=True, exist_ok=True)
            notebooks.write(made, path)
    return tuple(written)


def button(theme: str) -> str:
    """The address of a chapter's copy, from that which the theme gives its button."""
    head, _, path = theme.partition("/blob/")
    return f"{head}/blob/{BRANCH}/{Path(path).name}"
