"""The book as one PDF."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import pdf
from pcn_lib.book.cli import main
from pcn_lib.book.doctor import browser
from pcn_lib.book.project import BookError, Project

pytestmark = pytest.mark.filterwarnings("error")


def test_without_a_browser_the_command_says_so_and_builds_nothing(book: Project, monkeypatch, capsys):
    monkeypatch.setattr(pdf, "browser", lambda: None)
    monkeypatch.chdir(book.root)
    assert main(["pdf"]) == 1
    assert "No browser was found" in (said := capsys.readouterr().err) and len(said.splitlines()) == 1
    assert not (book.root / "_build").exists()


def test_a_browser_that_prints_nothing_is_reported_in_its_own_words(tmp_path: Path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'no display' >&2\n")
    broken.chmod(0o755)
    with pytest.raises(BookError, match=r"made no PDF of .*a.html \(no display\)"):
        pdf.printed(str(broken), tmp_path / "a.html")


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no headless browser on this machine")
def test_the_whole_book_becomes_one_pdf(book: Project):
    path = pdf.print_book(book, "quick")
    assert path == pdf.pdf_path(book) and path.read_bytes().startswith(b"%PDF") and path.stat().st_size > 10_000
    page = BeautifulSoup((book.root / "_build" / "singlehtml" / "book.html").read_text(), "html.parser")
    needed = [tag["href"] for tag in page.select("link[rel=stylesheet]")] + [
        tag["src"] for tag in page.select("script[src]")
    ]
    assert any("mathjax" in address for address in needed)
    missing = [
        a for a in needed if "://" not in a and not (book.root / "_build/singlehtml" / urlsplit(a).path).is_file()
    ]
    assert not missing
