"""Published numbers beside ours: rows and hypotheses against slow computations on records made for the test."""

import math
from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.data import figure1, figure4
from pcn_lib.data.published import FIGURE1_ERROR, FIGURE1_TOP, FIGURE4_ERROR
from pcn_lib.experiments import published_curves as curves
from pcn_lib.experiments.comparison import Compared
from pcn_lib.experiments.published_figures import figure1_rows, of_paper, row_of
from tests.published import rated_record, start_record, surfaces_record

PLACE = ("Figure 0", "N = 1", 0)


def test_a_row_is_the_formula_on_paper():
    """Two draws 0.5 +- 0.1, scatter 0.1 sqrt 2: 0.02 (1/3 + 1/2) + 0.09/3 is the variance of the difference."""
    row = row_of(PLACE, 0.8, np.array([0.4, 0.6]), error=0.3, runs=3)
    assert row.mean == pytest.approx(0.5) and row.scatter == pytest.approx(0.02**0.5)
    assert row.deviation == pytest.approx(0.3 / (0.02 * 5 / 6 + 0.03) ** 0.5)
    assert (row.draws, row.runs, row.reproduced) == (2, 3, None)  # two draws do not decide


def test_deviations_of_values_that_are_draws_themselves_have_unit_variance():
    """With many draws; the reading error is uniform in its interval."""
    rng, error = np.random.default_rng(0), 0.5
    tries = [
        row_of(PLACE, rng.normal(size=3).mean() + rng.uniform(-error, error), rng.normal(size=60), error=error, runs=3)
        for _ in range(1500)
    ]
    # Of a normal variance of 1500 values the standard error is (2/1500)^1/2; t-like tails add 2 of 57.
    assert np.var([row.deviation for row in tries]) == pytest.approx(1, abs=0.18)


@pytest.mark.parametrize("published, verdict", [(2.4, True), (-2.4, True), (2.6, False), (-2.6, False)])
def test_the_verdict_turns_at_two_and_a_half_deviations(published: float, verdict: bool):
    draws = np.array([-1.0, 0, 1])
    row = row_of(PLACE, published * (4 / 3) ** 0.5, draws, error=0.0)
    assert row.deviation == pytest.approx(published) and row.reproduced is verdict


def test_one_draw_decides_nothing():
    row = row_of(PLACE, 0.3, np.array([0.3]), error=0.01)
    assert math.isnan(row.scatter) and math.isnan(row.deviation) and row.reproduced is None


def test_above_the_top_colour_nothing_deviates_and_below_it_does():
    high, low = (
        row_of(PLACE, 0.995, mean + np.array([-1e-3, 0, 1e-3]), error=0.0, at_least=True) for mean in (0.999, 0.98)
    )
    assert high.deviation == 0 and high.reproduced
    assert low.deviation == pytest.approx(0.015 / (1e-3 * (4 / 3) ** 0.5)) and not low.reproduced


def test_figure_1_has_a_row_for_every_cell_that_both_have():
    paper, record = figure1(), surfaces_record(misplaced={"equal": 0.0})
    surface = of_paper([None, record])
    rows = figure1_rows(record, surface, paper, "equal", (0, 50, 100))
    # Wider networks than settings.trained have no training.
    trained = sum(width <= record.settings.trained for width in paper.widths)
    assert len(rows) == len(paper.depths) * (len(paper.widths) + 2 * trained)
    row = next(row for row in rows if row.network == "L = 32, N = 32" and row.step == 50)
    cell = surface.draws("equal")[paper.depths.index(32), paper.widths.index(32), :, 1]
    published = paper.cosine[1, paper.depths.index(32), paper.widths.index(32)]
    assert row.published == published and row.mean == pytest.approx(np.mean(cell))
    variance = np.var(cell, ddof=1) * (1 / 3 + 1 / len(cell)) + FIGURE1_ERROR**2 / 3
    assert row.deviation == pytest.approx((published - np.mean(cell)) / variance**0.5)
    tops = [row for row in rows if row.at_least]
    assert len(tops) == sum(
        paper.cosine[i, j, k] >= FIGURE1_TOP
        for (i, j, k), _ in np.ndenumerate(paper.cosine)
        if i == 0 or paper.widths[k] <= record.settings.trained
    )


def test_a_record_of_other_images_is_not_held_against_the_paper():
    record = surfaces_record(misplaced={})
    other = replace(record, surfaces=(replace(record.surfaces[0], title="digits"),))
    standardised = replace(record, surfaces=(replace(record.surfaces[0], prepared="standardised"),))
    assert of_paper([other]) is None and of_paper([standardised]) is None and of_paper([record]) is not None


def test_figure_4a_begins_where_the_first_points_lie():
    record = start_record()
    rows = curves.mlp_start_rows(record)
    published = {curve.width: curve.cosine[0] for curve in figure4("mlp")}
    assert {row.network: row.published for row in rows} == {f"N = {n}": value for n, value in published.items()}
    draws = record.cosine[0, 0, 0, :, 2]  # squared error, equilibrium, authors; N = 64
    row = rows[2]
    variance = np.var(draws, ddof=1) * (1 + 1 / len(draws)) + FIGURE4_ERROR**2 / 3
    assert row.deviation == pytest.approx((published[64] - draws.mean()) / variance**0.5)
    assert all(row.reproduced for row in rows)
    assert not any(row.reproduced for row in curves.mlp_start_rows(record, ("cross-entropy", "equilibrium", "authors")))


def test_the_hypothesis_that_made_the_values_is_the_nearest_of_eight():
    found = curves.mlp_hypotheses(start_record())
    assert len(found) == 8 and found[0].settings == "squared error, equilibrium, authors"
    assert found[1].agreement.distance > 5 > found[0].agreement.distance


def test_trainings_are_compared_where_the_curves_can_be_read():
    record = rated_record(fits="BP's rate sqrt(L) larger")
    rows = curves.mlp_training_rows(record, curves.RATES[1])
    wanted = {
        (f"N = {curve.width}", t)
        for curve in figure4("mlp") if curve.width in record.settings.rated
        for t in (25, 50, 75, 98) if t in curve.steps
    }  # fmt: skip
    assert {(row.network, row.step) for row in rows} == wanted
    row = next(row for row in rows if (row.network, row.step) == ("N = 64", 75))
    draws = record.rated.cosine[:, record.settings.rated.index(64), 75, 1]
    variance = np.var(draws, ddof=1) * (1 + 1 / len(draws)) + FIGURE4_ERROR**2 / 3
    assert row.published == 0.805 and row.mean == pytest.approx(draws.mean())
    assert row.deviation == pytest.approx((0.805 - draws.mean()) / variance**0.5)


@pytest.mark.parametrize("fits", curves.RATES)
def test_the_rate_that_bends_curves_as_published_is_the_nearer(fits: str):
    found = curves.mlp_rates(rated_record(fits))
    assert found[0].settings == fits and found[1].agreement.per_value > 10 * found[0].agreement.per_value


def test_trainings_with_other_settings_are_not_the_papers():
    record = rated_record(curves.RATES[1])
    assert curves.mlp_trainings_are_papers(record)
    for change in (dict(loss="cross-entropy"), dict(preparation="standardised"), dict(steps=50), dict(depth=16)):
        assert not curves.mlp_trainings_are_papers(replace(record, settings=replace(record.settings, **change)))
    assert not curves.mlp_trainings_are_papers(replace(record, data_name="digits"))


def test_comparisons_of_other_chapters_become_rows_with_the_same_deviation():
    def compared(step: int, protocol: str) -> Compared:
        return Compared("4b", "cnn", 2, step, -0.19, 0.003, 0.01, 0.1, 4, protocol)

    rows = curves.rows_of(
        [compared(0, "200 steps"), compared(0, "certified"), compared(1, "200 steps")], ("200 steps",)
    )
    assert len(rows) == 1 and rows[0].network == "2 channels" and rows[0].figure == "Figure 4b"
    draws = 0.01 + 0.1 * np.array([-1, -1, 1, 1]) * 0.75**0.5  # whose scatter is 0.1
    assert rows[0].deviation == pytest.approx(row_of(PLACE, -0.19, draws, error=0.003).deviation)
