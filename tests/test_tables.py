"""Tables of text: cells under cells in a terminal, rows headed and captioned on a page."""

import pytest

from pcn_lib.tables import aligned, as_html, with_minus_signs


def test_cells_stand_under_those_of_the_row_above():
    assert aligned([("a", "bb", "c"), ("longer", "b", ""), ("", "", "c")]) == [
        "a       bb  c",
        "longer  b",
        "            c",
    ]


def test_rows_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        aligned([("a", "b"), ("c",)])


def test_the_first_cell_heads_its_row_and_what_is_text_is_escaped():
    shown = as_html(("x < y", "z"), [("<b>one</b>", "two")], "less & more", label='a "box"', kind="some-kind")
    assert ">x &lt; y</th>" in shown and "less &amp; more</caption>" in shown and "a &quot;box&quot;" in shown
    assert 'scope="row"' in shown.split("<b>one</b>")[0].split("<th")[-1] and ">two</td>" in shown
    assert 'class="some-kind"' in shown and "overflow-x:auto" in shown and "min-width" not in shown


def test_numbers_have_minus_signs_and_words_keep_their_hyphens():
    assert with_minus_signs("≤ -1.5e-12, N^-2, x-1, one-sweep, 2-3") == "≤ −1.5e−12, N^−2, x-1, one-sweep, 2-3"


def test_given_widths_stretch_the_table_over_the_page():
    shown = as_html(("x", "y"), [("1", "2")], "a caption", label="a box", kind="k", widths=("30%", "auto"))
    assert "width:100%;min-width:42em" in shown and "width:30%" in shown
