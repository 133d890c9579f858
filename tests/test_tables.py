"""Tables of text: cells under cells in a terminal, rows headed and captioned on a page."""

import pytest

from pcn_lib.tables import aligned, as_html, mathematics, with_minus_signs


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


@pytest.mark.parametrize(
    "typed, shown",
    [
        ("1 - F*/Loss falls as N^-1 (N >= 16 L)", "1 − ℱ*/Loss falls as N<sup>−1</sup> (N ≥ 16 L)"),
        ("(gamma_0^2 (s - 1))^1/2", "(γ<sub>0</sub><sup>2</sup> (s − 1))<sup>1/2</sup>"),
        ("||lambda M|| of muPC, eta and theta", "‖λ M‖ of muPC, η and θ"),
        ("dF*/dw_2 is -7/25", "∂ℱ*/∂w<sub>2</sub> is −7/25"),
        ("mu_min -> infinity, 2^(1/2)", "μ<sub>min</sub> → ∞, 2<sup>1/2</sup>"),
        ("one-sweep <b>, t = 0 - 1, mean_of_seeds", "one-sweep &lt;b&gt;, t = 0 − 1, mean_of_seeds"),
    ],
)
def test_mathematics_of_a_keyboard_are_shown_as_such_and_words_stay(typed, shown):
    assert mathematics(typed) == shown


def test_a_column_without_a_heading_has_none_that_is_empty():
    shown = as_html(("", "b"), [("one", "two")], "caption", label="box", kind="kind")
    assert shown.count('<th scope="col"') == 1 and "<td></td><th" in shown
