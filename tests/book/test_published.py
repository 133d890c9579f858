"""The page of the paper's published numbers is filled from the records that are kept with the book."""

from collections.abc import Mapping

import numpy as np
import pytest
import xarray as xr

from pcn_lib.book import published
from pcn_lib.book.project import BookError, Project
from pcn_lib.book.published import parts
from pcn_lib.provenance import provenance
from pcn_lib.statistics import agreement
from pcn_lib.study import held, hypotheses, save
from pcn_lib.study.comparison import START, TRAINING
from pcn_lib.study.records import FOLDER
from pcn_lib.tables import NO_BREAK

#: Draws about 0 whose scatter is 1.
DRAWS = np.array([-1.0, 0, 1])


def row(figure: str, step: int, published: float, network: str = "N = 8", **given) -> xr.Dataset:
    return held((figure, network, step), published, given.pop("draws", DRAWS), error=0.1, **given)


def keep(
    book: Project, stem: str, rows: list[xr.Dataset], settings: Mapping[str, float] | None = None, stage: str = START
):
    """A record with these numbers, and, of the first one's figure, hypotheses that lie so far off."""
    made = provenance({}, seconds=1.0, data_set="8 images, in [-1, 1]")
    measured = xr.Dataset({"measured": 1.0}, attrs=dict(provenance=made.as_json()))
    tables = {"other": measured, "published": xr.concat(rows, "number")}
    if settings:
        draws = np.random.default_rng(0).normal(size=(8, 2))
        found = {words: agreement([off] * 2, draws) for words, off in settings.items()}
        figure = rows[0].figure.item()
        tables["hypotheses"] = hypotheses(found, figure=figure, stage=stage, compared="both widths")
    save(xr.DataTree.from_dict(tables), book.root / FOLDER / f"{stem}.nc")


def test_what_deviates_is_not_reproduced_and_counted_so(book: Project):
    keep(book, "one", [row("4a", 0, 5.0), *(row("4a", 0, 0.5, f"N = {n}") for n in range(16, 21))])
    found = list(parts(book.root, "4a"))
    told = published.sentence(found)
    assert "Of 6 published cosines, 5 are reproduced" in told
    assert "Figure 4a before the first update, 5 of 6. Not compared yet: Figure 4a over training." in told
    line = next(
        line for line in published.numbers(found).splitlines() if line.startswith(f"| N{NO_BREAK}={NO_BREAK}8 ")
    )
    assert line.endswith("| **not reproduced** |") and "| +4.3 |" in line
    assert f"Figure{NO_BREAK}4a,{NO_BREAK}$t = 0$ | 6 | 5 | 1 | 0 |" in published.totals(found)


def test_settings_are_sorted_by_how_near_they_come_and_the_nearest_is_bold(book: Project):
    rows = [row("1", 50, 0.995, runs=3, at_least=True), row("4a", 50, 0.0), row("1", 0, 0.0)]
    keep(book, "one", rows, {"BP at η / √N": 0.5, "both, F* too": 0.0}, TRAINING)
    start, trained = parts(book.root, "1")
    assert not start.hypotheses and start.nearest == "the record's own, no others tried"
    assert [one.settings.item() for one in trained.hypotheses] == ["both, F* too", "BP at η / √N"]
    lines = [line for line in published.settings([start, trained]).splitlines() if "$t > 0$" in line]
    assert r"| **both, F\* too** | **2, both widths** |" in lines[0] and "| BP at η / √N | 2, both widths |" in lines[1]
    numbers = published.numbers([start, trained])
    assert r"Settings of ours: both, F\* too. Published: the mean of 3 runs." in numbers
    assert r"; 8 images, in \[−1, 1\]." in numbers
    assert f"| ≥{NO_BREAK}0.995 |" in numbers and numbers.count("| reproduced |") == 2


def test_numbers_with_too_few_draws_are_neither_reproduced_nor_not(book: Project):
    keep(book, "one", [row("4b", t, 0.2, "2 channels", draws=[0.5]) for t in (50, 75)])
    start, training = parts(book.root, "4b")
    assert start.numbers == () and "| 2 | 0 | 0 | 2 |" in published.totals([training])
    assert "No published cosine has been held" in published.sentence([training])
    assert "| 1 | – | not decided |" in published.numbers([training])


def test_a_figure_without_published_numbers_is_refused(book: Project):
    with pytest.raises(BookError, match="Figure '2' given; numbers are published of 1, 4a, 4b, 4c"):
        parts(book.root, "2")
