"""One book built a few times, as an author would: its pages say what was run, and show nothing else."""

import json

import numpy as np
import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import runner
from pcn_lib.book.build import build_book, clean
from pcn_lib.book.devices import Device
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.runner import Request, run_chapters
from pcn_lib.tables import NO_BREAK
from tests.book.conftest import chapter_text, small_book
from tests.book.test_findings import PAGE as FINDINGS
from tests.book.test_findings import with_drawings
from tests.book.test_published import keep, row

NUMBERS = """\
# Numbers

```{pcn-published}
:show: sentence
```

```{pcn-published}
:show: settings
```

```{pcn-published}
:show: totals
```

## Figure 4a

```{pcn-published} 4a
```

## Figure 4c

```{pcn-published} 4c
```
"""
THIRD = "print('third', 1 / 3)"
#: Chapters and pages of the small book, beside those that it has: what happens to them when they have been run.
MORE = {
    "03_prose.ipynb": chapter_text("Prose", THIRD),
    "04_code.ipynb": chapter_text("Code", THIRD),
    "05_fails.ipynb": chapter_text("Fails", "print('half', 'way')", "raise ValueError('[a](b) `c`')"),
    "numbers.md": NUMBERS,
}


class Pages(dict):
    """Every page by name, as it was built."""

    def __init__(self, book: Project):
        paths = (book.pages / "chapters").glob("*.html")
        super().__init__({path.stem: BeautifulSoup(path.read_text(), "html.parser") for path in paths})

    def text(self, name: str) -> str:
        return self[name].article.text


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Project, Pages, Pages]:
    """A book and its pages: where nothing was run yet, and after a run, edits, and records that came to be kept."""
    book = with_drawings(small_book(tmp_path_factory.mktemp("built") / "book"))
    toc = json.loads((book.root / "_toc.yml").read_text())
    for name, text in MORE.items():
        (book.root / "chapters" / name).write_text(text)
        toc["chapters"].append({"file": f"chapters/{name.split('.')[0]}"})
    (book.root / "_toc.yml").write_text(json.dumps(toc))
    # Files that are no pages do not disturb a build.
    for folder in (".", ".pytest_cache", "tests/data", "pcn_lib/data", "results", ".venv/lib"):
        (book.root / folder).mkdir(parents=True, exist_ok=True)
        (book.root / folder / "NOTES.md").write_text("# Not a page\n")
    assert build_book(book, "quick")
    before = Pages(book)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.devices, "probe", lambda wanted: Device("cpu", "cpu", 1))
        run_chapters(book, book.chapters(), Request())
    book.chapter("prose").path.write_text(chapter_text("Other prose", THIRD))
    book.chapter("code").path.write_text(chapter_text("Code", "print('third', 2 / 6)"))
    (book.root / "chapters" / "index.md").write_text(FINDINGS)
    keep(book, "one", [row("4a", 0, 0.5), row("4a", 0, 0.761, "N = 64", draws=np.r_[0.75, 0.76, 0.76, 0.77])])
    keep(book, "another", [row("4a", t, 0.5) for t in (25, 50, 98)])
    assert build_book(book, "quick")
    return book, before, Pages(book)


def test_pages_say_where_there_is_no_run(built):
    _, before, _ = built
    assert "has not been run at profile quick" in before.text("01_halves")
    assert before.text("report").count("has not been run") == 5


def test_pages_show_runs_and_their_claims_and_are_not_built_again_when_nothing_changed(built):
    book, _, after = built
    assert "third 0.333" in after.text("02_thirds") and "has not been run" not in after.text("02_thirds")
    assert "profile = 'quick'" not in after.text("02_thirds")  # the cell that carried the parameters
    (only,) = after["report"].select(".pcn-claims tbody tr")
    assert only["class"] == ["holds", "ours", "cpu"] and only.p.text == "A half of F* is 1/2 (ours)"
    labels = [label.text for label in after["report"].select(".pcn-choose label")]
    assert labels[:4] == ["all 1", "holds (1)", "fails, as it should (0)", "not as expected (0)"]
    assert "Halves" in after["report"].select_one("#pst-page-toc-nav, .bd-toc, .page-toc").text
    assert after.text("report").count("confirmed on a GPU") == 2  # the total and the choice
    assert "done" in after.text("statistics")
    assert not build_book(book, "quick")


def test_other_prose_keeps_a_run_and_other_code_does_not(built):
    _, _, after = built
    assert "Other prose" in after.text("03_prose") and "third 0.333" in after.text("03_prose")
    assert "code has changed since it was run" in after.text("04_code")
    assert "third 0.333" not in after.text("04_code")
    assert "code has changed" in after.text("report") and "out of date" in after.text("statistics")


def test_a_failed_run_is_never_rendered(built):
    shown = built[2].text("05_fails")
    assert "half way" not in shown
    assert "This chapter’s run failed" in shown and "ValueError: [a](b) 'c'" in shown


def test_a_page_shows_the_number_its_picture_and_a_card_for_every_figure(built):
    book, _, after = built
    page = after["index"]
    finding, cards = page.select_one(".pcn-finding"), page.select(".pcn-gallery > a")
    assert "Of halves −0.12." in finding.text and finding.img["src"].endswith("01_halves-2.svg")
    assert [card["href"] for card in cards] == 2 * ["01_halves.html"]
    for image in (finding.img, *(card.img for card in cards)):
        assert (book.pages / "chapters" / image["src"]).resolve().is_file()
    assert "Of 1 claims in the runs behind these pages, 1 hold; 0 are the paper’s, 1 ours; none" in page.text


def test_the_published_numbers_say_what_is_missing_and_are_read_again_when_records_come(built):
    _, before, after = built
    text = before.text("numbers")
    assert "No published cosine has been held against a recorded run yet." in text
    assert "Not compared yet: Figure 1; Figure 4a; Figure 4b; Figure 4c." in text
    assert "No run that is kept with the book holds these networks and data" in text
    text = after.text("numbers")
    assert "Of 5 published cosines, 5 are reproduced within 2.5 standard deviations" in text
    assert "Figure 4a before the first update, 2 of 2; Figure 4a over training, 3 of 3." in text
    assert "Not compared yet: Figure 1; Figure 4b; Figure 4c." in text
    lines = after["numbers"].article.find(id="figure-4a").find_all("tr")
    cells = [[cell.text.strip().replace(NO_BREAK, " ") for cell in line.find_all("td")] for line in lines]
    shown_row = next(cells for cells in cells if cells[:2] == ["N = 64", "0"])
    assert shown_row[2:] == ["0.761 ± 0.100", "0.760 ± 0.008", "4", "0.0", "reproduced"]


def test_a_build_that_warns_fails_and_says_what_it_warned_of(book: Project):
    (book.root / "_toc.yml").write_text(json.dumps({"format": "jb-book", "root": "chapters/index"}))
    (book.root / "chapters" / "index.md").write_text("# A small book\n\nSee {ref}`nowhere`.\n")
    for _ in range(2):  # and does not pass for clean when tried again
        with pytest.raises(BookError, match="(?s)not built cleanly.*nowhere"):
            build_book(book, "quick")


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
