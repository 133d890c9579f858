import nbformat.v4 as nbformat
import pytest

from pcn_lib.book import notebooks
from pcn_lib.book.project import BookError, Project


@pytest.fixture
def notebook(book: Project) -> notebooks.Notebook:
    return notebooks.read(book.chapter("halves").path)


def test_the_normal_form_is_reached_in_one_step(notebook):
    once = notebooks.normalised(notebook)
    assert notebooks.text(notebooks.normalised(once)) == notebooks.text(once)


def test_a_file_that_is_not_a_notebook_is_refused_by_name(tmp_path):
    path = tmp_path / "torn.ipynb"
    path.write_text('{"cells": [')
    with pytest.raises(BookError, match="torn.ipynb is not a readable notebook"):
        notebooks.read(path)


def test_parameters_are_set_in_a_cell_right_after_their_declaration(notebook):
    changed = notebooks.with_parameters(notebook, {"width": 7, "widths": (3, 4)})
    place = next(i for i, cell in enumerate(changed.cells) if notebooks.tagged(cell, "parameters"))
    assert changed.cells[place + 1].source == "width = 7\nwidths = (3, 4)"
    assert len(notebook.cells) + 1 == len(changed.cells)


def test_the_digest_of_the_code_ignores_prose_and_injected_parameters(notebook):
    changed = notebooks.with_parameters(notebook, {"width": 7})
    changed.cells[0].source = "# Another title"
    assert notebooks.code_digest(changed) == notebooks.code_digest(notebook)
    changed.cells[-1].source += "\n1 + 1"
    assert notebooks.code_digest(changed) != notebooks.code_digest(notebook)


def test_outputs_of_a_run_meet_the_prose_as_it_stands_now(notebook):
    ran = notebooks.with_parameters(notebook, {"width": 7})
    notebooks.code_cells(ran)[-1].outputs = ["the output"]
    notebook.cells[0].source = "# Rewritten"
    shown = notebooks.with_outputs(notebook, ran)
    assert shown.cells[0].source == "# Rewritten"
    assert shown.cells[-1].outputs == ["the output"]
    assert not any(notebooks.tagged(cell, notebooks.INJECTED) for cell in shown.cells)


def test_what_can_wait_is_folded_under_its_name_and_nothing_else(notebook):
    tags = (*notebooks.FOLDED, notebooks.MEASURE, notebooks.CLAIMS)
    notebook.cells += [nbformat.new_code_cell("1", metadata={"tags": [tag]}) for tag in tags]
    shown = notebooks.folded(notebooks.normalised(notebook)).cells[-len(tags) :]
    for cell, tag, words in zip(shown, tags, [*notebooks.FOLDED.values(), None, None], strict=True):
        added = ["hide-cell" if tag == notebooks.SIZES else "hide-input"] if words else []
        assert cell.metadata["tags"] == [tag, *added]
        assert cell.metadata.get("mystnb", {}).get("code_prompt_show") == words
