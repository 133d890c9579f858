"""The page of the paper's published numbers is filled from the records that are kept with the book."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from bs4 import BeautifulSoup

from pcn_lib.book import published
from pcn_lib.book.build import build_book
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.published_parts import Missing, parts
from pcn_lib.data import figure1
from pcn_lib.data.published import FIGURE1_TOP
from pcn_lib.experiments.published_curves import RATES
from pcn_lib.results import save
from pcn_lib.results.recorded import FOLDER
from pcn_lib.tables import NO_BREAK
from tests.published import cnn_record, rated_record, start_record, surfaces_record, transformer_record

PAGE = """\
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


def keep(book: Project, record, stem: str) -> None:
    save(record, book.root / FOLDER / stem, record.provenance)


@pytest.fixture
def page(book: Project) -> Project:
    """The small book with a page of published numbers."""
    (book.root / "chapters" / "numbers.md").write_text(PAGE)
    toc = json.loads((book.root / "_toc.yml").read_text())
    toc["chapters"].append({"file": "chapters/numbers"})
    (book.root / "_toc.yml").write_text(json.dumps(toc))
    return book


def shown(book: Project) -> BeautifulSoup:
    return BeautifulSoup((book.pages / "chapters" / "numbers.html").read_text(), "html.parser").article


def test_the_page_says_what_is_missing_and_is_read_again_when_records_come(page: Project):
    assert build_book(page, "quick")
    text = shown(page).text
    assert "No published cosine has been held against a recorded run yet." in text
    assert "Not compared yet: Figure 1; Figure 4a; Figure 4b; Figure 4c." in text
    assert "No run of transformers is kept with the book yet; pcn record transformers makes one." in text

    keep(page, start_record(), "published_mlp")
    keep(page, rated_record(RATES[1]), "nonlinear_networks")
    assert build_book(page, "quick")
    found = shown(page)
    # Six curves; over training four points each, but two of those whose end lies under the legend.
    assert "Of 26 published cosines, 26 are reproduced within 2.5 standard deviations" in found.text
    assert "Figure 4a before the first update, 6 of 6; Figure 4a over training, 20 of 20." in found.text
    assert "Not compared yet: Figure 1; Figure 4b; Figure 4c." in found.text
    section = found.find(id="figure-4a")
    cells = [
        [cell.text.strip().replace(NO_BREAK, " ") for cell in row.find_all("td")] for row in section.find_all("tr")
    ]
    row = next(cells for cells in cells if cells[:2] == ["N = 64", "0"])
    assert row[2] == "0.761 ± 0.003" and row[4] == "24" and row[6] == "reproduced"


def test_what_deviates_is_not_reproduced_and_counted_so(book: Project):
    record = start_record()
    cosine = record.cosine.copy()
    cosine[..., 0] += 0.5  # N = 8
    keep(book, replace(record, cosine=cosine), "published_mlp")
    found = list(parts(book.root, "4a"))
    told = published.sentence(found)
    assert "Of 6 published cosines, 5 are reproduced" in told
    assert "Figure 4a before the first update, 5 of 6. Not compared yet: Figure 4a over training." in told
    line = next(
        line for line in published.numbers(found).splitlines() if line.startswith(f"| N{NO_BREAK}={NO_BREAK}8 ")
    )
    assert line.endswith("| **not reproduced** |") and "| −" in line
    assert f"Figure{NO_BREAK}4a,{NO_BREAK}$t = 0$ | 6 | 5 | 1 | 0 |" in published.totals(found)


def test_settings_are_sorted_by_how_near_they_come_and_the_nearest_is_bold(book: Project):
    keep(book, surfaces_record({"both faster": 0.0, "equal": 0.03, "BP faster": 0.06}), "width_depth_surfaces")
    start, trained = parts(book.root, "1")
    paper = figure1()
    known = (paper.cosine[1:, :, 1:] < FIGURE1_TOP) & (np.array(paper.widths[1:]) <= 512)
    assert trained.hypotheses[0].agreement.mean.size == known.sum()  # all but N = 2
    assert start.hypotheses[0].agreement.mean.size == (paper.cosine[0] < FIGURE1_TOP).sum()
    assert [one.settings for one in trained.hypotheses[:3]] == ["both faster", "equal", "BP faster"]
    lines = published.settings([start, trained]).splitlines()
    training = [line for line in lines if "$t > 0$" in line]
    assert r"**PC and BP at $\eta / \sqrt{N}$**" in training[0] and len(training) == 4
    assert r"| PC and BP at $\eta / \sqrt{N L}$ |" in training[1]
    numbers = published.numbers(list(parts(book.root, "1")))
    assert "Published: the mean of 3 runs." in numbers and f"| ≥{NO_BREAK}0.995 |" in numbers


def test_transformers_are_shown_under_the_list_of_layers_that_fits_and_their_trainings_beside(book: Project):
    keep(book, transformer_record(), "transformers")
    start, training = parts(book.root, "4c")
    assert [one.settings for one in start.hypotheses] == ["embedding, blocks", "embedding, blocks, identity"]
    assert [row.network for row in start.rows] == ["N = 8", "N = 16", "N = 64", "N = 256"]
    assert all(row.reproduced and row.draws == 6 for row in start.rows)
    # N = 8 vanishes under the legend after t = 55.
    wanted = [("N = 8", 25), ("N = 8", 50), *(("N = 64", t) for t in (25, 50, 75, 98))]
    assert [(row.network, row.step) for row in training.rows] == wanted
    assert all(row.reproduced and row.draws == 3 for row in training.rows)


def test_the_list_of_layers_that_fits_is_found_whichever_it_is(book: Project):
    record = transformer_record()
    settings = replace(record.settings, wide=(16,), other_list=(8, 16, 64), identity_layer=True)
    start = replace(record.start, **{f.name: getattr(record.start, f.name)[:, [0, 1, 2]] for f in fields(record.start)})
    swapped = replace(record, settings=settings, start=record.other_list, other_list=start)
    keep(book, swapped, "transformers")
    part = parts(book.root, "4c")[0]
    assert part.hypotheses[0].settings == "embedding, blocks" and all(row.reproduced for row in part.rows)


def test_the_cnn_is_shown_under_the_protocol_that_fits_and_one_training_decides_nothing(book: Project):
    keep(book, cnn_record(), "convolutional_networks")
    start, training = parts(book.root, "4b")
    assert [one.settings for one in start.hypotheses] == ["200 steps", "certified"]
    # Of wide networks only the band can be read in which they lie.
    shown = [(row.network, row.published, row.reading_error, row.reproduced) for row in start.rows]
    assert shown == [("2 channels", -0.19, 0.003, True), ("16 channels", 0.985, pytest.approx(0.015), True)]
    assert [(row.step, row.reproduced) for row in training.rows] == [(50, None), (75, None), (98, None)]
    assert [row.mean for row in training.rows] == pytest.approx([0.5] * 3)  # the script's, not the equilibrium's


def test_numbers_with_too_few_draws_are_neither_reproduced_nor_not(book: Project):
    record = rated_record(RATES[1])
    keep(book, record, "nonlinear_networks")
    part = parts(book.root, "4a")[1]
    few = replace(part, rows=tuple(replace(row, draws=1, scatter=np.nan, deviation=np.nan) for row in part.rows))
    assert "| 20 | 0 | 0 | 20 |" in published.totals([few])
    assert "No published cosine has been held" in published.sentence([few])
    assert "| 1 | – | not decided |" in published.numbers([few])


def test_records_of_another_version_or_of_other_images_are_named_and_not_compared(book: Project):
    keep(book, replace(start_record(), data_name="digits"), "published_mlp")
    keep(book, start_record(), "nonlinear_networks")
    start, training = parts(book.root, "4a")
    assert isinstance(start, Missing) and "has not the paper's images and networks" in start.sentence
    assert isinstance(training, Missing) and "made by another version of it" in training.sentence
    assert "pcn record nonlinear_networks" in training.sentence


def test_a_figure_without_published_numbers_is_refused(book: Project):
    with pytest.raises(BookError, match="Figure '2' given; numbers are published of 1, 4a, 4b, 4c"):
        parts(book.root, "2")
