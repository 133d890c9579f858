import json
from pathlib import Path

import nbformat
import pytest

from pcn_lib.book import cli, notebooks
from pcn_lib.book.format import format_file, violations
from tests.book.conftest import PARAMETERS


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "chapter.ipynb"
        path.write_text(text)
        return path

    return write


TEMPLATE = Path(cli.__file__).with_name("template.ipynb")


def of_template(change=lambda cells: None, **sources: str) -> str:
    """The chapter that `pcn new` starts, under the name of this file's, with some cells' sources replaced by id."""
    notebook = nbformat.reads(TEMPLATE.read_text().replace("STEM", "chapter"), as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    for place, source in sources.items():
        cells[place.replace("_", "-")].source = source
    change(notebook.cells)
    return notebooks.text(notebooks.normalised(notebook))


def test_a_chapter_in_the_committed_form_has_no_violations(write):
    assert violations(write(of_template())) == []


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import matplotlib.pyplot as plt\nplt.plot([1])", "uses plt"),
        ("matplotlib.rcParams['font.size'] = 9", "uses rcParams"),
        ("!pip install jax", "is not Python"),
    ],
)
def test_what_belongs_in_the_library_is_refused_in_a_chapter(write, code, sentence):
    (found,) = violations(write(of_template(example_cell=code)))
    assert sentence in found


@pytest.mark.parametrize("title, kept", [("Sandwich (ours)", False), ("Sandwich – ours", True), ("(K) outputs", True)])
def test_a_boxs_title_has_no_brackets_of_its_own_at_its_end(write, title, kept):
    box = f"# Title\n\n````{{prf:theorem}} {title}\nText (see {{prf:ref}}`x`)\n````"
    found = violations(write(of_template(lambda cells: cells[0].update(source=box))))
    assert [title in problem for problem in found] == [True] * (not kept)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (PARAMETERS.replace('profile: str = "quick"  # smoke | quick | full | paper\n', ""), "first must be `profile`"),
        (PARAMETERS + "\nsize = 3  # a size", "'size = 3  # a size' is not a typed assignment"),
        (PARAMETERS + "\nsize: int = 3", "'size: int = 3' has no comment"),
        (PARAMETERS + "\nsize: int | None = 3  # a size", "is not read by Papermill"),
    ],
)
def test_parameters_are_typed_commented_and_led_by_the_profile(write, parameters, sentence):
    (found,) = violations(write(of_template(parameters_cell=parameters)))
    assert sentence in found


def test_a_chapter_has_exactly_one_parameters_cell(write):
    def without(cells):
        next(cell for cell in cells if cell.id == "parameters-cell").metadata.clear()

    (found,) = violations(write(of_template(without)))
    assert "has 0 cells tagged 'parameters'" in found


def test_code_without_prose_before_it_is_refused(write):
    def without(cells):
        del cells[next(place for place, cell in enumerate(cells) if cell.id == "example-cell") - 1]

    (found,) = violations(write(of_template(without)))
    assert "has no prose before it" in found


@pytest.mark.parametrize("tag, refused", [("figure", False), ("measure", True)])
def test_a_picture_may_follow_another_without_prose_of_its_own(write, tag, refused):
    def twice(cells):
        place = next(place for place, cell in enumerate(cells) if "figure" in cell.metadata.get("tags", ()))
        cells.insert(place + 1, nbformat.v4.new_code_cell("size", metadata={"tags": [tag]}))

    found = violations(write(of_template(twice)))
    assert any("has no prose before it" in problem for problem in found) == refused


def test_outputs_counts_and_editor_metadata_are_refused_and_removed_by_fmt(write):
    content = json.loads(of_template())
    last = [cell for cell in content["cells"] if cell["cell_type"] == "code"][-1]
    last["execution_count"] = 4
    last["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "2"}]
    content["cells"][0]["metadata"] = {"collapsed": True}
    path = write(json.dumps(content))
    assert any("holds outputs" in problem for problem in violations(path))
    assert format_file(path)
    assert violations(path) == []
    assert not format_file(path)
    assert path.read_text() == of_template()


def study(**changes: str) -> str:
    """The chapter that `pcn new` starts, with texts replaced, under the name of this file's chapter."""
    text = TEMPLATE.read_text().replace("STEM", "chapter")
    for old, new in changes.items():
        assert PIECES[old] in text, old
        text = text.replace(PIECES[old], new)
    return text


PIECES = {
    "report": '"report(claims, ',
    "keep": 'keep(record, \\"chapter\\")',
    "claims": '"claims"\n',
    "sizes": '"sizes"\n',
    "legend": '    "    axes.legend()\\n",\n',
    "example": '"print(record.isel(width=0, seed=0).one_minus_cosine.item())"',
}


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"keep": "len(record)"}, "never calls keep(record, 'chapter')"),
        ({"claims": '"figure"\n'}, "has no cell tagged 'claims'"),
        ({"sizes": '"size"\n'}, "has the tag 'size', which means nothing here"),
        ({"legend": '    "    axes.legend()\\n",\n' * 14}, "lines, and 25 are allowed"),
        ({"legend": '    "    axes.legend()\\n",\n' * 10}, "lines, and 20 are allowed"),
        (
            {"example": '"' + "\\n".join(["x = 1"] * 300) + '"'},
            "60 to 220 beside claims are asked for: move what chapters share",
        ),
        ({"report": '"' + "report(claims)\\n" * 120 + "report(claims, "}, "lines of claims, and 120 are allowed"),
    ],
)
def test_a_chapter_is_held_to_its_form(write, changes, sentence):
    assert any(sentence in problem for problem in violations(write(study(**changes))))


def test_a_chapter_may_loop_and_define_classes(write):
    code = '"for i in range(3):\\n    print(i)\\n\\nclass Layer:\\n    pass"'
    path = write(study(example=code))
    format_file(path)
    assert violations(path) == []
