"""Tables of text: cells under cells in a terminal, rows headed and captioned on a page."""

import math

import pytest

from pcn_lib.tables import aligned, as_html, as_mathematics, readable, with_minus_signs, with_powers


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


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (4 / 9, "0.4444"),
        (-0.1, "−0.1"),
        (0, "0"),
        (2048.0, "2048"),
        (21_271.4, "21,270"),
        (15_000.0, "15,000"),
        (123_456.0, "123,456"),
        (999_999.9, "10⁶"),
        (2.5e7, "2.5 × 10⁷"),
        (1.23456e-4, "0.0001235"),
        (-3.9e-7, "−3.9 × 10⁻⁷"),
        (1e-12, "10⁻¹²"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_measured_numbers_are_read_without_a_computers_exponents(value: float, read: str):
    assert readable(value) == read


def test_a_number_has_as_many_digits_as_asked_for():
    assert [readable(value, 2) for value in (3.94e-7, 4 / 9, 21_271.4)] == ["3.9 × 10⁻⁷", "0.44", "21,000"]


def test_exponents_in_a_sentence_become_powers_of_ten_and_nothing_else_does():
    assert with_powers("≤ 1.50e−07, 1e-6 to 7e+03; 2e, e-3, ab1e-3, 0x1e5") == (
        "≤ 1.5 × 10⁻⁷, 10⁻⁶ to 7 × 10³; 2e, e-3, ab1e-3, 0x1e5"
    )


def test_given_widths_stretch_the_table_over_the_page():
    shown = as_html(("x", "y"), [("1", "2")], "a caption", label="a box", kind="k", widths=("30%", "auto"))
    assert "width:100%;min-width:42em" in shown and "width:30%" in shown


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("||h||^2 >= mu_1 N^-1/2", "‖h‖<sup>2</sup> ≥ μ<sub>1</sub> N<sup>−1/2</sup>"),
        ("(1 + 1/L)^(L-2) - 1 < e", "(1 + 1/L)<sup>L−2</sup> − 1 &lt; e"),
        ("gamma_0^2 N / L, in theta.", "γ<sub>0</sub><sup>2</sup> N / L, in θ."),
        ("|dF*/dW_L| <= 0.5^k, not 2.", "|∂F*/∂W<sub>L</sub>| ≤ 0.5<sup>k</sup>, not 2."),
        ("(1/2) sum r^2 + sum_{j<k} (-kappa)^j", "(1/2) Σ r<sup>2</sup> + Σ<sub>j&lt;k</sub> (−κ)<sup>j</sup>"),
        ("-lambda P^T grad ell as N -> infinity", "−λ P<sup>T</sup> ∇ℓ as N → ∞"),
        # Words that only begin like a name, marks of sentences, and what is no formula.
        ("eta, betas, a well-kept sum of 1e-4", "η, betas, a well-kept sum of 1e−4"),
    ],
)
def test_formulas_from_a_keyboard_are_read_as_mathematics(typed: str, read: str):
    assert as_mathematics(typed) == read


def test_a_column_without_a_heading_has_none_that_is_empty():
    shown = as_html(("", "b"), [("one", "two")], "caption", label="box", kind="kind")
    assert shown.count('<th scope="col"') == 1 and "<td></td><th" in shown
