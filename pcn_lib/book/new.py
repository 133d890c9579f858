"""A new chapter that runs and passes the checks, to be changed cell by cell."""

from pathlib import Path

from pcn_lib.book import notebooks
from pcn_lib.book.project import Project, UsageError

TEMPLATE = Path(__file__).with_name("template.ipynb")
#: Stands in the template for the chapter's own name.
PLACE = "STEM"


def new_chapter(project: Project, name: str) -> Path:
    """Write ``chapters/NAME.ipynb``; the table of contents is the author's.

    Args:
        project: the book.
        name: of letters, digits and underscores, with a number in front or without: ``29_my_study``.

    Raises:
        UsageError: a name that is no name, or one that is taken.
    """
    if not name.isidentifier() and not f"_{name}".isidentifier():
        raise UsageError(f"'{name}' is no name of a chapter: write it as 29_words_of_its_claim or without the number.")
    path = project.root / "chapters" / f"{name}.ipynb"
    stem = name.partition("_")[2] if name.partition("_")[0].isdigit() else name
    taken = {chapter.stem: chapter.path for chapter in project.chapters()}
    if path.exists() or stem in taken:
        raise UsageError(f"{taken.get(stem, path)} is there already: choose another name, or change that chapter.")
    notebook = notebooks.read(TEMPLATE)
    for cell in notebook.cells:
        cell.source = cell.source.replace(PLACE, stem)
    notebooks.write(notebook, path)
    return path
