import json

import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import runner
from pcn_lib.book.build import build_book, clean
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.runner import Request, run_chapters
from tests.book.conftest import chapter_text


def page(book: Project, name: str) -> str:
    return BeautifulSoup((book.pages / "chapters" / f"{name}.html").read_text(), "html.parser").article.text


def test_pages_show_runs_and_say_where_there_is_none(book: Project, monkeypatch):
    """One build after another, as an author would: not run, run, prose edited, code edited."""
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))
    assert build_book(book, "quick")
    assert "has not been run at profile quick" in page(book, "01_halves")
    assert page(book, "report").count("has not been run") == 2

    run_chapters(book, book.chapters(), Request())
    assert build_book(book, "quick")
    assert "third 0.333" in page(book, "02_thirds") and "has not been run" not in page(book, "02_thirds")
    assert "profile = 'quick'" not in page(book, "02_thirds")  # the cell that carried the parameters
    shown = BeautifulSoup((book.pages / "chapters" / "report.html").read_text(), "html.parser")
    (row,) = shown.select(".pcn-claims tbody tr")
    assert row["class"] == ["holds", "ours", "cpu"] and row.p.text == "A half of F* is 1/2 (ours)"
    labels = [label.text for label in shown.select(".pcn-choose label")]
    assert labels[:4] == ["all 1", "holds (1)", "fails, as it should (0)", "not as expected (0)"]
    assert "Halves" in shown.select_one("#pst-page-toc-nav, .bd-toc, .page-toc").text
    assert page(book, "report").count("confirmed on a GPU") == 2  # the total and the choice
    assert "done" in page(book, "statistics")
    assert not build_book(book, "quick")  # nothing changed, nothing done

    book.chapter("thirds").path.write_text(chapter_text("Other prose", "print('third', 1 / 3)"))
    assert build_book(book, "quick")
    assert "Other prose" in page(book, "02_thirds") and "third 0.333" in page(book, "02_thirds")

    book.chapter("thirds").path.write_text(chapter_text("Thirds", "print('third', 2 / 6)"))
    assert build_book(book, "quick")
    assert "code has changed since it was run" in page(book, "02_thirds")
    assert "third 0.333" not in page(book, "02_thirds")
    assert "code has changed" in page(book, "report") and "out of date" in page(book, "statistics")


def test_a_failed_run_is_never_rendered(book: Project, monkeypatch):
    monkeypatch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))
    fails = chapter_text("Thirds", "print('half', 'way')", "raise ValueError('[a](b) `c`')")
    book.chapter("thirds").path.write_text(fails)
    run_chapters(book, (book.chapter("thirds"),), Request())
    assert build_book(book, "quick")
    assert "half way" not in page(book, "02_thirds")
    assert "This chapter’s run failed" in page(book, "02_thirds")
    assert "ValueError: [a](b) 'c'" in page(book, "02_thirds")


def test_a_build_that_warns_fails_and_says_what_it_warned_of(book: Project):
    (book.root / "chapters" / "index.md").write_text("# A small book\n\nSee {ref}`nowhere`.\n")
    for _ in range(2):  # and does not pass for clean when tried again
        with pytest.raises(BookError, match="(?s)not built cleanly.*nowhere"):
            build_book(book, "quick")


def test_files_that_are_no_pages_do_not_disturb_the_build(book: Project):
    for folder in (".pytest_cache", "tests/data", "pcn_lib/data", "results", ".venv/lib"):
        (book.root / folder).mkdir(parents=True)
        (book.root / folder / "NOTES.md").write_text("# Not a page\n")
    (book.root / "README.md").write_text("# Not a page\n")
    assert build_book(book, "quick")


def test_clean_removes_runs_pages_and_caches_and_nothing_else(book: Project):
    sources = sorted(book.root.rglob("*"))
    for folder in (book.runs, book.pages, book.cache):
        folder.mkdir(parents=True)
        (folder / "made.json").write_text(json.dumps({}))
    clean(book)
    assert sorted(book.root.rglob("*")) == sources


def launches(book: Project) -> list[str]:
    page = BeautifulSoup((book.pages / "chapters" / "01_halves.html").read_text(), "html.parser")
    return sorted(
        link["href"] for link in page.select("a[href]") if "mybinder" in link["href"] or "colab" in link["href"]
    )


@pytest.mark.slow
def test_launch_buttons_lead_to_the_repository_and_without_one_there_are_none(book: Project, monkeypatch):
    monkeypatch.setenv("PCN_REPOSITORY", "")
    assert build_book(book, "quick") and launches(book) == []
    monkeypatch.setenv("PCN_REPOSITORY", "https://github.com/someone/book")
    assert build_book(book, "quick")  # read again, since another address is shown
    assert launches(book) == [
        "https://colab.research.google.com/github/someone/book/blob/colab/01_halves.ipynb",
        "https://mybinder.org/v2/gh/someone/book/HEAD?urlpath=lab/tree/chapters/01_halves.ipynb",
    ]
    copy = (book.pages / "_sources" / "chapters" / "01_halves.ipynb").read_text()
    assert "git+https://github.com/someone/book" in copy
