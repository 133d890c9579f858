"""A small book in a temporary folder: two chapters that run in a second, and the pages that collect them."""

import json
import shutil
from pathlib import Path

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.project import Project

REPOSITORY = Path(__file__).parents[2]

PARAMETERS = """\
profile: str = "quick"  # smoke | quick | full | paper
seed: int = 0  # seed of every draw
width: "Optional[int]" = None  # hidden width N; None is the profile's
widths: "Sequence[int]" = (4, 8)  # widths of the sweep
rate: float = 0.5  # learning rate"""

CLAIM = {
    "name": "Half of F*",
    "statement": "A half of F* is 1/2",
    "source": "ours",
    "relation": "≈",
    "because": "rounding",
    "predicted": 0.5,
    "measured": 0.5,
    "tolerance": 1e-12,
    "holds": True,
    "expected_to_fail": False,
    "device": "CPU",
    "dtype": "float64",
}

WRITE_CLAIM = f"""\
import json, os, pathlib
claim = {CLAIM!r}
pathlib.Path(os.environ["PCN_RUN_FOLDER"], "claims.json").write_text(json.dumps([claim]))
print("profile", profile, "width", width, "widths", widths)"""


#: The cells of a chapter that is its own study, and takes no time.
STUDY = (
    """\
import os, pathlib
from pcn_lib.study import at_most, choose, close, grid, keep, provenance_of, report
sizes = choose(profile, smoke=dict(seed=0, widths=(4, 8)), full=dict(widths=(4, 8, 16)),
               given=dict(seed=seed, widths=None if widths == (4, 8) else widths), least=dict(seed=0))""",
    """\
def measure(width):
    with pathlib.Path("measured").open("a") as file:
        file.write(f"{width}\\n")
    if width == 8 and pathlib.Path("hold").exists():
        raise RuntimeError("held")
    return dict(gap=(1 + sizes.seed / 100) / width**2)

record = grid(measure, width=sizes.widths, data="nothing", settings=sizes)
keep(record, "halves")""",
    """\
last = record.gap[-1] * sizes.widths[-1] ** 2
claims = [close("the rate", "Last.", predicted=1.0, measured=last, tolerance=0.05, because="exact"),
          at_most("the gap", "Small.", bound=1.0, measured=record.gap.max(skipna=False), because="exact")]
report(claims, provenance_of(record))""",
)


def study_text(*code: str) -> str:
    """A chapter that is its own study, halves by name, with these cells after its parameters."""
    cells = [cell("markdown", "# Halves"), cell("code", PARAMETERS, "parameters")]
    for tag, source in zip(("sizes", "measure", "claims"), code or STUDY, strict=True):
        cells += [cell("markdown", "Look at this."), cell("code", source, tag)]
    return notebook_text(*cells)


def cell(kind: str, source: str, *tags: str) -> dict:
    extra = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "source": source, "metadata": {"tags": list(tags)} if tags else {}, **extra}


def notebook_text(*cells: dict) -> str:
    """A notebook in committed form."""
    from nbformat import from_dict

    content = {"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return notebooks.text(notebooks.normalised(from_dict(content)))


def chapter_text(title: str, *code: str, parameters: str = PARAMETERS) -> str:
    """A chapter: title, parameters, then code cells, each after a line of prose."""
    cells = [cell("markdown", f"# {title}\n\n$E = 1/2$."), cell("code", parameters, "parameters")]
    for source in code:
        cells += [cell("markdown", "Look at this."), cell("code", source)]
    return notebook_text(*cells)


@pytest.fixture
def book(tmp_path: Path) -> Project:
    """A book with chapters 01_halves and 02_thirds."""
    return small_book(tmp_path / "book")


def small_book(root: Path) -> Project:
    chapters = root / "chapters"
    chapters.mkdir(parents=True)
    shutil.copy(REPOSITORY / "_config.yml", root)
    shutil.copytree(REPOSITORY / "_static", root / "_static")
    for page in ("report.md", "statistics.md"):
        shutil.copy(REPOSITORY / "chapters" / page, chapters)
    (root / "references.bib").write_text("")
    (chapters / "index.md").write_text("# A small book\n")
    (chapters / "01_halves.ipynb").write_text(chapter_text("Halves", WRITE_CLAIM))
    (chapters / "02_thirds.ipynb").write_text(chapter_text("Thirds", "print('third', 1 / 3)"))
    files = ["01_halves", "02_thirds", "report", "statistics"]
    toc = {"format": "jb-book", "root": "chapters/index", "chapters": [{"file": f"chapters/{name}"} for name in files]}
    (root / "_toc.yml").write_text(json.dumps(toc))
    return Project(root)
