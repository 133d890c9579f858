"""The gallery and the findings: every figure with its sentence, every number that of the recorded run."""

import json
import shutil
from pathlib import Path

import pytest
import xarray as xr

from pcn_lib.book.build import build_book
from pcn_lib.book.findings import measured
from pcn_lib.book.gallery import thumbnails
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.report import chapter_report
from pcn_lib.book.runner import Request, run_chapters
from pcn_lib.provenance import provenance
from pcn_lib.study import save
from pcn_lib.study.records import FOLDER
from tests.book.conftest import CLAIM, WRITE_CLAIM, chapter_text, small_book

DRAW = """\
from pcn_lib.study import Picture, axes_grid, caption
def drawn(sentence):
    figure, axes = axes_grid()
    axes.plot([1, 2], [1, 2])
    return Picture(figure, caption(sentence, data="none", sizes="N = 2", device="CPU"), "a <line>")
drawn("First, cos. of N^-2")"""
PAGE = """\
# Found

```{pcn-finding} 01_halves 2
Of halves {measured}`halves | the gap | .2f`.
```

```{pcn-gallery}
```

```{pcn-totals}
```
"""


@pytest.fixture
def drawing(drawn_once: Project, tmp_path: Path) -> Project:
    """The small book, whose first chapter draws two figures and has a record with one claim."""
    return Project(shutil.copytree(drawn_once.root, tmp_path / "book"))


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory) -> Project:
    book = with_drawings(small_book(tmp_path_factory.mktemp("drawn") / "book"))
    run_chapters(book, book.chapters()[:1], Request(profile="smoke"))
    return book


def with_drawings(book: Project) -> Project:
    (book.root / "chapters" / "01_halves.ipynb").write_text(
        chapter_text("Halves & more", WRITE_CLAIM, DRAW, 'drawn("Second")')
    )
    claims = json.dumps([{**CLAIM, "name": "the gap", "measured": -0.125}])
    made = dict(claims=claims, recorded='["full", []]', seconds=1.0, provenance=provenance({}, seconds=1.0).as_json())
    save(xr.Dataset({"gap": 1.0}, attrs=made), book.root / FOLDER / "halves.nc")
    return book


def test_a_chapters_figures_are_its_thumbnails_in_order_with_their_sentences(drawing):
    first, second = thumbnails(chapter_report(drawing, drawing.chapter("halves"), "smoke"))
    assert (first.name, first.sentence) == ("01_halves-1", "First, cos. of N<sup>−2</sup>.")
    assert first.title == "Figure 1.1, Halves &amp; more"
    assert (second.name, second.sentence) == ("01_halves-2", "Second.")
    assert first.svg.startswith(b"<?xml") and first.alt == "a &lt;line&gt;"


def test_a_chapter_that_was_not_run_has_no_thumbnails(drawing):
    assert list(thumbnails(chapter_report(drawing, drawing.chapter("thirds"), "smoke"))) == []


def test_a_number_is_what_the_recorded_run_measured(drawing):
    assert measured(drawing.root, "halves", "the gap") == -0.125


@pytest.mark.parametrize("stem, claim, words", [("thirds", "a", "no run is kept"), ("halves", "a", "no claim 'a'")])
def test_a_number_that_nobody_measured_is_refused(drawing, stem, claim, words):
    with pytest.raises(BookError, match=words):
        measured(drawing.root, stem, claim)


def test_a_finding_without_its_number_stops_the_build(drawing):
    (drawing.root / "chapters" / "index.md").write_text(PAGE.replace("the gap", "the width"))
    with pytest.raises(BookError, match="makes no claim 'the width'"):
        build_book(drawing, "smoke")
