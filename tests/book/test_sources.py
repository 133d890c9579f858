"""The lines of origin under every figure of a page."""

from pathlib import Path

import nbformat.v4 as nbformat
import pytest

from pcn_lib.book.notebooks import FOLD_ALL, Notebook
from pcn_lib.book.project import Chapter
from pcn_lib.book.records import RunRecord
from pcn_lib.book.sources import with_sources

RECORD = RunRecord(
    chapter="06_gradients", profile="full", parameters={}, error=None, seconds=1.0, platform="gpu", device="gpu (H100)",
    started="2026-01-02T10:30:45+00:00", versions={}, sources="s", key="k", files={},
)  # fmt: skip


CHAPTER = Chapter("06_gradients", Path("06_gradients.ipynb"))


def figure(date: str, words: str = "") -> str:
    origin = f'<span data-made="{date}" style="x">{words}</span>'
    caption = '<figcaption style="x">Seen.</figcaption>'
    return f'<figure class="pcn-figure">{caption}<p>{origin}<a download="figure.csv">data</a></p></figure>'


def chapter(*shown: str | list[str]) -> Notebook:
    outputs = [nbformat.new_output("display_data", {"text/html": text}) for text in shown]
    return nbformat.new_notebook(cells=[nbformat.new_code_cell("x", outputs=[output]) for output in outputs])


def pages(notebook: Notebook) -> list[str]:
    return [cell.outputs[0].data["text/html"] for cell in notebook.cells]


def test_figures_are_numbered_by_chapter_in_the_names_of_their_downloads():
    first, other, second = pages(with_sources(chapter(figure(""), "<p>a table</p>", figure("")), RECORD, CHAPTER))
    assert 'download="06_gradients-figure-1.csv"' in first and 'download="06_gradients-figure-2.csv"' in second
    assert other == "<p>a table</p>"


def test_captions_are_numbered_as_a_reader_meets_them_and_a_folded_twin_has_the_number_of_its_figure():
    notebook = chapter(*[figure("")] * 5)
    sources = "draw(a)", "other(a)", "kept and draw(kept)", "kept and other(kept)", "draw(b)"
    for cell, source in zip(notebook.cells, sources, strict=True):
        cell.source = source
    for twin in notebook.cells[:2]:
        twin.metadata["tags"] = [FOLD_ALL]
    shown = pages(with_sources(notebook, RECORD, CHAPTER))
    own = ", of this page&#x27;s own run"
    titles = [f"Figure 6.1{own}", f"Figure 6.2{own}", "Figure 6.1", "Figure 6.2", "Figure 6.3"]
    assert [f">{'<b>'}{title}.</b> Seen." in one for title, one in zip(titles, shown, strict=True)] == [True] * 5
    names = ["1-own", "2-own", "1", "2", "3"]
    assert [f"06_gradients-figure-{name}.csv" in one for name, one in zip(names, shown, strict=True)] == [True] * 5


def test_a_figure_of_a_chapter_without_a_number_is_not_called_as_one_of_the_papers():
    (shown,) = pages(with_sources(chapter(figure("")), RECORD, Chapter("overview", Path("overview.ipynb"))))
    assert "<b>Picture 1.</b> Seen." in shown


@pytest.mark.parametrize(
    "date, run",
    [
        ("2026-01-02 10:31 UTC", "profile full"),
        ("2026-01-02 10:30 UTC", "profile full"),  # dates have no seconds
        ("2026-01-02 10:29 UTC", "recorded run"),
        ("2025-11-30 23:59 UTC", "recorded run"),
    ],
)
def test_a_record_made_before_the_run_began_is_a_recorded_one(date, run):
    (page,) = pages(with_sources(chapter(figure(date, "data: 64 digits")), RECORD, CHAPTER))
    assert f">06_gradients, {run} · data: 64 digits</span>" in page


@pytest.mark.parametrize("shown", [figure(""), figure("").splitlines(keepends=True)], ids=["text", "lines"])
def test_a_figure_without_a_record_is_the_runs_on_its_device(shown):
    notebook = chapter("x")
    notebook.cells[0].outputs[0].data["text/html"] = shown
    (page,) = pages(with_sources(notebook, RECORD, CHAPTER))
    assert ">06_gradients, profile full · gpu (H100)</span><a" in page


def test_the_run_itself_stays_as_it_is():
    notebook = chapter(figure(""))
    with_sources(notebook, RECORD, CHAPTER)
    assert pages(notebook) == [figure("")]
