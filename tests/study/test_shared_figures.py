"""What several chapters show: rows of named ways, hypotheses beside what is usual, inference stopped by count."""

import numpy as np
import pytest
import xarray as xr

from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.statistics import agreement
from pcn_lib.study import Folded, Table, draw_hypotheses, draw_rows, draw_stopped, hypotheses, plotted

WAYS = ["slow", "fast"]


def in_panel(figure, number: int) -> set[tuple]:
    return {(point.series, point.x, point.y) for point in plotted.points(figure) if point.panel == number}


def test_every_number_stands_in_the_row_of_its_name_and_published_ones_beside_it():
    accuracy = xr.DataArray([[1.0, 2.0], [3.0, np.nan]], dict(way=WAYS), ("way", "seed"))
    cost = xr.DataArray([5.0, 7.0], dict(way=WAYS), ("way",))
    figure = draw_rows({"accuracy": accuracy, "cost": cost}, "way", {"fast": (2.5,)})
    assert in_panel(figure, 1) == {
        ("slow", 1, 0), ("slow", 2, 0), ("fast", 3, 1), ("fast, published", 2.5, 1),
    }  # fmt: skip
    assert in_panel(figure, 2) == {("slow", 5, 0), ("fast", 7, 1)}
    first, second = figure.axes
    assert (first.get_xlabel(), second.get_xlabel()) == ("accuracy", "cost")
    assert [tick.get_text() for tick in first.get_yticklabels()] == WAYS
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first name at the top


@pytest.mark.parametrize(("numbers", "scale"), [((1, 999), "linear"), ((1, 1001), "log"), ((-1, 2000), "linear")])
def test_numbers_that_differ_a_thousandfold_are_on_a_logarithmic_axis(numbers, scale):
    (axes,) = draw_rows({"x": xr.DataArray(list(numbers), dict(way=WAYS), ("way",))}, "way").axes
    assert axes.get_xscale() == scale


def test_each_hypothesis_is_drawn_beside_what_is_usual_under_it():
    rng = np.random.default_rng(0)
    under = {name: agreement([0.1, 0.2], rng.normal(size=(8, 2)), error=0.01) for name in WAYS}
    tables = [hypotheses(under, figure="4a", stage=stage, compared="two") for stage in ("before", "after")]
    figure = draw_hypotheses(xr.concat(tables, "hypothesis"))
    assert [axes.get_title() for axes in figure.axes] == ["before", "after"]
    for panel, axes in enumerate(figure.axes, start=1):
        names = [tick.get_text() for tick in axes.get_yticklabels()]
        assert sorted(names) == sorted(WAYS)
        for row, name in enumerate(names):
            found, ends = under[name], [(x, y) for series, x, y in in_panel(figure, panel) if series.startswith(name)]
            assert sorted(ends) == [(x, row) for x in sorted([found.per_value, *found.usual])]


def test_stopped_inference_stands_beside_bare_skips_and_the_equilibrium():
    axes = dict(width=[8, 32], count=[10, 100])
    values = np.array([[0.5, 0.25], [0.4, 0.2]])
    stopped = xr.Dataset({name: (tuple(axes), values) for name in ("residual", "one_minus_cosine")}, axes)
    equilibrium = xr.DataArray([0.1, 0.3, 0.7], dict(width=[8, 16, 32]), ("width",))
    figure = draw_stopped(stopped, equilibrium, chain=lambda T: skip_chain_residual(5, 0.3, T), tolerance=1e-3)
    skips = {(x, y) for series, x, y in in_panel(figure, 1) if series == "skips alone"}
    assert min(skips)[0] == 10 and max(skips)[0] == 1000
    assert all(y == pytest.approx(skip_chain_residual(5, 0.3, int(x))) for x, y in skips)
    assert {y for series, _, y in in_panel(figure, 1) if series != "skips alone"} == set(values.ravel())
    across = [y for *_, y in in_panel(figure, 2)]
    for cosine in (*(1 - values).ravel(), 0.9, 0.3):
        assert pytest.approx(cosine) in across
    assert pytest.approx(0.7) not in [y for y in across if y not in (1 - values).ravel()]  # of a width not stopped


def test_a_folded_table_says_what_it_is_and_is_the_table_as_text():
    table = Table(("x",), (("1",),), "Numbers")
    shown = Folded("In <numbers>", table)._repr_html_()
    assert shown.startswith("<details") and "In &lt;numbers&gt;</summary>" in shown and table._repr_html_() in shown
    assert str(Folded("In numbers", table)) == str(table)
