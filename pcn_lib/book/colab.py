"""Chapters for Google Colab: the committed notebook behind a cell that installs this library there.

Colab opens a notebook from a branch of a repository and has none of what it imports.  The build therefore writes
such copies below the pages, publishing the pages puts them on a branch of their own, and the pages' buttons lead
there.  Whoever runs the copy elsewhere installs nothing that is already here.
"""

import copy
from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.project import Project, book_module

#: The folder below the pages, and the branch that it is published as.
FOLDER = BRANCH = "colab"
SITE = "https://colab.research.google.com"
INSTALL = """\
# Colab has no pcn_lib: this installs it, with JAX for the GPU if there is one. Elsewhere it does nothing.
import importlib.util, shutil
if importlib.util.find_spec("pcn_lib") is None:
    jax = "jax[cuda12]" if shutil.which("nvidia-smi") else "jax"
    %pip install --quiet "{{jax}}" "pcn-lib[book] @ git+{repository}"\
"""


def for_colab(notebook: Notebook, repository: str) -> Notebook:
    """The notebook in committed form, with the cell that installs the library in front of its first code."""
    result = copy.deepcopy(notebooks.normalised(notebook))
    cell = book_module("nbformat.v4").new_code_cell(INSTALL.format(repository=repository), id="install")
    place = next((i for i, other in enumerate(result.cells) if other.cell_type == "code"), len(result.cells))
    result.cells.insert(place, cell)
    return result


def write_copies(project: Project, pages: Path, repository: str) -> tuple[Path, ...]:
    """Write a copy of every chapter below the pages; where they are."""
    written = []
    for chapter in project.chapters():
        path = pages / FOLDER / f"{chapter.name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        notebooks.write(for_colab(notebooks.read(chapter.path), repository), path)
        written.append(path)
    return tuple(written)


def address(theme: str) -> str:
    """The address of a chapter's copy, from that which the theme gives its button."""
    head, _, path = theme.partition("/blob/")
    return f"{head}/blob/{BRANCH}/{Path(path).name}"
