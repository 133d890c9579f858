"""The line of origin under every figure of a page."""

import nbformat.v4 as nbformat
import pytest

from pcn_lib.book.notebooks import Notebook
from pcn_lib.book.records import RunRecord
from pcn_lib.book.sources import with_sources
from pcn_lib.figures.picture import SOURCE

RECORD = RunRecord(
    chapter="06_gradients", profile="full", parameters={}, error=None, seconds=1.0, platform="gpu", device="gpu (H100)",
    started="2026-01-01", versions={}, sources="s", key="k",
)  # fmt: skip
FIGURE = f'<figure class="pcn-figure"><p>{SOURCE}<a download="figure.csv">data</a></p></figure>'
FOOTER = '<p class="pcn-provenance" style="x">data: 64 digits · seeds: 0 · device: H100 · 3.0 s · commit abc</p>'


def chapter(*shown: str) -> Notebook:
    outputs = [nbformat.new_output("display_data", {"text/html": text}) for text in shown]
    return nbformat.new_notebook(cells=[nbformat.new_code_cell("x", outputs=[output]) for output in outputs])


def pages(notebook: Notebook) -> list[str]:
    return [cell.outputs[0].data["text/html"] for cell in notebook.cells]


def test_a_figure_says_chapter_profile_data_device_and_commit_and_names_its_downloads():
    first, second, footer = pages(with_sources(chapter(FIGURE, FIGURE, FOOTER), RECORD))
    assert "06_gradients, profile full · data: 64 digits · device: H100 · commit abc · <a" in first
    assert 'download="06_gradients-figure-1.csv"' in first and 'download="06_gradients-figure-2.csv"' in second
    assert footer == FOOTER


@pytest.mark.parametrize("shown", [FIGURE, FIGURE.splitlines(keepends=True)], ids=["text", "lines"])
def test_without_a_footer_the_run_tells_its_device(shown):
    notebook = chapter("x")
    notebook.cells[0].outputs[0].data["text/html"] = shown
    (page,) = pages(with_sources(notebook, RECORD))
    assert "06_gradients, profile full · gpu (H100) · <a" in page


def test_the_run_itself_stays_as_it_is():
    notebook = chapter(FIGURE)
    with_sources(notebook, RECORD)
    assert pages(notebook) == [FIGURE]
