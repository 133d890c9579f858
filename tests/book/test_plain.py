"""Prose that travels: boxes, roles, citations and links of every chapter in plain Markdown."""

import re
from pathlib import Path

import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.plain import Places, places, plain
from pcn_lib.book.project import BookError, Project

PAGES = "https://someone.github.io/book"
BOOK = Project(Path(__file__).parents[2])
#: Of MyST: directives, roles, labels, links without words, and links that are not absolute.
RAW = re.compile(r"^\s*(?:`{3,}|:{3,})\{|\{[\w:-]+\}`|^\([\w-]+\)=$|\[\]\(|\]\((?!https://)", re.MULTILINE)
BIB = r"""@article{one, author={M{\"u}ller, A and Ng, B}, title={{PC} and BP?}, year={2020}, note={arXiv:2001.12345}}
@article{two, author={A, A and B, B and C, C}, title={Two}, year={2021}, doi={10.1/x}}
@book{three, author={D, D}, title={Three}, year={1999}}"""
BOX = "````{prf:theorem} Halving (ours)\n:label: thm-half\n\nIt is $[a](b.md)$ a half.\n````"


@pytest.fixture
def small(book: Project) -> Project:
    (book.root / "references.bib").write_text(BIB)
    (book.root / "chapters" / "report.md").write_text("# The report\n\n(what-is-open)=\n## Open questions\n")
    path = book.chapter("halves").path
    notebook = notebooks.read(path)
    notebook.cells[0].source += f"\n\n{BOX}"
    notebooks.write(notebook, path)
    return book


def said(small: Project, source: str, pages: str | None = PAGES) -> str:
    return plain(source, "chapters/02_thirds", places(small, pages))


@pytest.mark.parametrize(
    "source, expected",
    [
        ("see [](01_halves.ipynb)", f"see [Halves]({PAGES}/chapters/01_halves.html)"),
        ("[halved](01_halves.ipynb#thm-half)", f'[halved]({PAGES}/chapters/01_halves.html#thm-half "Halves")'),
        ("[below](#there)", f'[below]({PAGES}/chapters/02_thirds.html#there "Thirds")'),
        ("{prf:ref}`thm-half`", f'[Theorem “Halving”]({PAGES}/chapters/01_halves.html#thm-half "Halves")'),
        ("{ref}`what is <what-is-open>`", f'[what is]({PAGES}/chapters/report.html#what-is-open "The report")'),
        ("{ref}`what-is-open`", f'[Open questions]({PAGES}/chapters/report.html#what-is-open "The report")'),
        ("{cite}`one,two`", '([Müller & Ng, 2020](https://arxiv.org/abs/2001.12345 "PC and BP?"); '
         '[A et al., 2021](https://doi.org/10.1/x "Two"))'),
        ("{cite:t}`two` and {cite}`three`", '[A et al. (2021)](https://doi.org/10.1/x "Two") and (D, 1999, *Three*)'),
        ("{abbr}`PC (predictive coding)`", "PC (predictive coding)"),
        ("[jax](https://jax.dev/a.md) `{cite}` $[a](b.md)$", "[jax](https://jax.dev/a.md) `{cite}` $[a](b.md)$"),
        ("(here)=\n## Title", "## Title"),
        ("```{dropdown} Proof\n:open:\n\nClear: [](report.md).\n```\nend",
         f"---\n\n**Proof**\n\nClear: [The report]({PAGES}/chapters/report.html).\n\n---\n\nend"),
        ("````{prf:lemma} By $x$ (ours)\n:label: a\n\n```python\n[](report.md)\n```\n````",
         "---\n\n**Lemma: By $x$ (ours)**\n\n```python\n[](report.md)\n```\n\n---"),
        ("```{pcn-claims}\n```\nend", "end"),
    ],
)  # fmt: skip
def test_what_only_the_pages_read_is_written_as_anyone_reads_it(small: Project, source, expected):
    assert said(small, source) == expected


def test_without_published_pages_what_would_be_a_link_is_its_words(small: Project):
    source = "[](report.md), [halved](01_halves.ipynb), {prf:ref}`thm-half`, [below](#there)"
    assert said(small, source, None) == "*The report*, halved, Theorem “Halving”, below"


@pytest.mark.parametrize(
    "source, sentence",
    [
        ("[](fourths.ipynb)", "'chapters/fourths', which is no page"),
        ("{cite}`one,four`", "cites 'four'"),
        ("{prf:ref}`thm-third`", "refers to 'thm-third'"),
    ],
)
def test_what_is_not_there_is_refused(small: Project, source, sentence):
    with pytest.raises(BookError, match=sentence):
        said(small, source)


@pytest.fixture(scope="module")
def known() -> Places:
    return places(BOOK, PAGES)


@pytest.mark.parametrize("chapter", [pytest.param(chapter, id=chapter.name) for chapter in BOOK.chapters()])
def test_no_chapter_keeps_what_only_the_pages_read(chapter, known: Places):
    for cell in notebooks.read(chapter.path).cells:
        if cell.cell_type == "markdown":
            text = plain(cell.source, f"chapters/{chapter.name}", known)
            assert [found.group() for found in RAW.finditer(text)] == [], text
