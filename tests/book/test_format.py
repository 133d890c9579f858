import json
from pathlib import Path

import pytest

from pcn_lib.book import cli
from pcn_lib.book.format import format_file, violations
from tests.book.conftest import PARAMETERS, cell, chapter_text, notebook_text


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "chapter.ipynb"
        path.write_text(text)
        return path

    return write


def test_a_chapter_in_the_committed_form_has_no_violations(write):
    code = "def double(x):\n    return 2 * x\n\ndoubles = [double(x) for x in (1, 2)]"
    assert violations(write(chapter_text("Halves", code))) == []


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("\n".join(f"x{i} = {i}" for i in range(13)), "has 13 lines, and 12 are allowed"),
        ("class Network:\n    pass", "defines class Network"),
        ("def f(x):\n    a = x\n    b = a\n    c = b\n    d = c\n    return d", "defines f in 6 lines"),
        ("import matplotlib.pyplot as plt\nplt.plot([1])", "uses plt"),
        ("matplotlib.rcParams['font.size'] = 9", "uses rcParams"),
        ("for width in (4, 8):\n    print(width)", "loops at statement level"),
        ("!pip install jax", "is not Python"),
    ],
)
def test_what_belongs_in_the_library_is_refused_in_a_chapter(write, code, sentence):
    (found,) = violations(write(chapter_text("Halves", code)))
    assert sentence in found


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (PARAMETERS.replace('profile: str = "quick"  # smoke | quick | full | paper\n', ""), "first must be `profile`"),
        (PARAMETERS + "\nsize = 3  # a size", "'size = 3  # a size' is not a typed assignment"),
        (PARAMETERS + "\nsize: int = 3", "'size: int = 3' has no comment"),
    ],
)
def test_parameters_are_typed_commented_and_led_by_the_profile(write, parameters, sentence):
    (found,) = violations(write(chapter_text("Halves", parameters=parameters)))
    assert sentence in found


def test_a_chapter_has_exactly_one_parameters_cell(write):
    (found,) = violations(write(notebook_text(cell("markdown", "# A"), cell("code", "1"))))
    assert "has 0 cells tagged 'parameters'" in found


def test_code_without_prose_before_it_is_refused(write):
    text = notebook_text(cell("markdown", "# A"), cell("code", PARAMETERS, "parameters"), cell("code", "1"))
    (found,) = violations(write(text))
    assert found.startswith("cell 3: has no prose before it")


def test_outputs_counts_and_editor_metadata_are_refused_and_removed_by_fmt(write):
    content = json.loads(chapter_text("Halves", "1 + 1"))
    content["cells"][-1]["execution_count"] = 4
    content["cells"][-1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "2"}]
    content["cells"][0]["metadata"] = {"collapsed": True}
    path = write(json.dumps(content))
    assert any("holds outputs" in problem for problem in violations(path))
    assert format_file(path)
    assert violations(path) == []
    assert not format_file(path)
    assert path.read_text() == chapter_text("Halves", "1 + 1")


def study(**changes: str) -> str:
    """The chapter that `pcn new` starts, with texts replaced, under the name of this file's chapter."""
    text = TEMPLATE.read_text().replace("STEM", "chapter")
    for old, new in changes.items():
        assert PIECES[old] in text, old
        text = text.replace(PIECES[old], new)
    return text


TEMPLATE = Path(cli.__file__).with_name("template.ipynb")
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
def test_a_chapter_that_is_its_own_study_is_held_to_its_form(write, changes, sentence):
    assert any(sentence in problem for problem in violations(write(study(**changes))))


def test_a_chapter_that_is_its_own_study_may_loop_and_define_classes(write):
    code = '"for i in range(3):\\n    print(i)\\n\\nclass Layer:\\n    pass"'
    path = write(study(example=code))
    format_file(path)
    assert violations(path) == []
