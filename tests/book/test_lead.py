"""What a page shows first, and what it folds."""

import nbformat.v4 as nbformat
import pytest

from pcn_lib.book.lead import PLACE, with_lead, with_recorded_first, with_symbols_folded
from pcn_lib.book.notebooks import FOLD_ALL, Notebook, tagged

TITLE = "# Title\n\nWhat is asked,\nin one paragraph.\n\nThe rest."


def cell(source: str, html: str | list[str] = "") -> Notebook:
    outputs = [nbformat.new_output("display_data", {"text/html": html})] if html else []
    return nbformat.new_code_cell(source, outputs=outputs, metadata={"tags": ["figure", "hide-input"]})


def figure(name: str) -> str:
    return f'<figure class="pcn-figure">{name}</figure>'


def page(*cells: Notebook, title: str = TITLE) -> Notebook:
    return nbformat.new_notebook(cells=[nbformat.new_markdown_cell(title), *cells])


def html(one: Notebook) -> str:
    return one.outputs[0].data["text/html"]


def folded(notebook: Notebook) -> list[bool]:
    return [tagged(one, FOLD_ALL) for one in notebook.cells if one.cell_type == "code"]


def test_the_recorded_picture_comes_first_and_this_runs_own_is_folded():
    drawn = cell("picture(record)", figure("own")), cell("kept and picture(kept)", figure("kept"))
    chapter = page(cell("1 + 1"), *drawn)
    shown = with_lead(with_recorded_first(chapter))
    title, first, rest, *body = shown.cells
    assert title.source == "# Title\n\nWhat is asked,\nin one paragraph." and rest.source == "The rest."
    assert html(first) == f'<div id="{PLACE}">{figure("kept")}</div>'
    assert [figure("own") in html(one) for one in body if one.outputs] == [True, False]
    assert f'href="#{PLACE}"' in html(body[-1]) and folded(shown) == [False, False, True, False]
    assert "hide-input" not in body[1].metadata.tags, "a cell is folded once"


def test_every_picture_is_shown_exactly_once():
    chapter = page(cell("draw(a)", figure("a")), cell("table(a)", "<table>"), cell("draw(b)", [figure("b")]))
    shown = "".join("".join(html(one)) for one in with_lead(with_recorded_first(chapter)).cells if one.get("outputs"))
    assert [shown.count(figure(name)) for name in "ab"] == [1, 1]


@pytest.mark.parametrize(
    "later",
    [cell("kept and other(kept)", figure("b")), cell("kept and picture(kept)"), cell("picture(kept)", figure("b"))],
    ids=["another function", "nothing kept", "a second picture of this run"],
)
def test_nothing_is_folded_that_has_no_recorded_twin(later):
    assert folded(with_recorded_first(page(cell("picture(a)", figure("a")), later))) == [False, False]


def test_each_recorded_picture_folds_the_one_before_it():
    sources = {"f(a)": "a", "kept and f(kept)": "A", "f(b)": "b", "kept and f(more)": "B"}
    drawn = [cell(source, figure(name)) for source, name in sources.items()]
    assert folded(with_recorded_first(page(*drawn))) == [True, False, True, False]


@pytest.mark.parametrize("chapter", [page(), page(cell("1", "<p>1</p>"))], ids=["no code", "no picture"])
def test_a_chapter_without_a_picture_stays_as_it_is(chapter):
    assert with_lead(chapter) == chapter


def test_a_title_alone_is_followed_by_the_picture():
    title, first, body = with_lead(page(cell("f(a)", figure("a")), title="# Title")).cells
    assert (title.source, figure("a") in html(first)) == ("# Title", True)


def test_a_table_of_symbols_is_folded_and_no_other():
    table = "| symbol | meaning |\n|---|---|\n| $N$ | width |"
    one = page(title=f"# Title\n\nText.\n\n{table}\n\nMore.\n\n| width | loss |\n|---|---|\n| 8 | 1 |")
    source = with_symbols_folded(one).cells[0].source
    assert f"```{{dropdown}} Symbols\n{table}\n```\n\nMore.\n\n| width |" in source
    assert with_symbols_folded(page(title=source)).cells[0].source == source, "once"


def test_the_notebook_itself_stays_as_it_is():
    chapter = page(cell("f(a)", figure("a")), cell("kept and f(kept)", figure("A")))
    before = nbformat.new_notebook(cells=[nbformat.new_markdown_cell(TITLE)])
    with_lead(with_recorded_first(chapter))
    assert chapter.cells[0].source == before.cells[0].source and folded(chapter) == [False, False]
