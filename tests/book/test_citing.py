"""pcn cite prints what a chapter rests on."""

import re

import pytest

from pcn_lib.book.citing import bibtex
from pcn_lib.book.cli import main
from pcn_lib.book.project import BookError, Project
from tests.book.conftest import REPOSITORY, cell, notebook_text

HERE = Project(REPOSITORY)


def keys(text: str) -> list[str]:
    return re.findall(r"^@\w+\{(.+),$", text, re.MULTILINE)


def test_the_paper_comes_first_then_what_is_cited_then_the_software():
    found = keys(bibtex(HERE, HERE.chapter("multipliers")))
    assert (found[0], found[-1]) == ("innocenti2026limits", "pcn_lib")
    assert {"seely2026augmented", "rockafellar1976augmented", "lecun1988theoretical"} == set(found[1:-1])


def test_the_book_alone_is_the_paper_and_the_software(capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY / "chapters")
    assert main(["cite"]) == 0
    printed = capsys.readouterr().out
    assert keys(printed) == ["innocenti2026limits", "pcn_lib"] and printed.count("{") == printed.count("}")
    assert "{Innocenti, Francesco" in printed and "arXiv:2602.07697" in printed


@pytest.mark.parametrize("chapter", HERE.chapters(), ids=lambda chapter: chapter.name)
def test_every_chapter_can_be_cited_and_names_itself(chapter):
    found = bibtex(HERE, chapter)
    assert len(set(keys(found))) == len(keys(found)) and f"Chapter {chapter.name}" in found


def test_several_works_in_one_citation_are_each_printed_and_an_unknown_one_is_named(tmp_path):
    for name in ("_config.yml", "_toc.yml", "CITATION.cff", "references.bib"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: 01_one\n")
    text = "# One\n\n{cite}`rao1999predictive, yang2021tensor4` and {cite:t}`rao1999predictive`"
    (tmp_path / "01_one.ipynb").write_text(notebook_text(cell("markdown", text)))
    project = Project(tmp_path)
    (chapter,) = project.chapters()
    assert keys(bibtex(project, chapter))[1:-1] == ["rao1999predictive", "yang2021tensor4"]
    (tmp_path / "01_one.ipynb").write_text(notebook_text(cell("markdown", "# One\n\n{cite}`nobody1900`")))
    with pytest.raises(BookError, match="no entry nobody1900, which is cited"):
        bibtex(project, chapter)
