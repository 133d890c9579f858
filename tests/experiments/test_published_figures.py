"""Published numbers beside ours: rows and hypotheses against slow computations on records made for the test."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import figure4
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.experiments import published_curves as curves
from pcn_lib.study import verdicts
from tests.published import rated_record, start_record


def rows_of(numbers: xr.Dataset) -> list[SimpleNamespace]:
    """A table's rows, with their verdicts."""
    table = numbers.assign(verdict=verdicts(numbers)).to_dataframe()
    return [SimpleNamespace(**row) for row in table.to_dict("records")]


def test_figure_4a_begins_where_the_first_points_lie():
    record = start_record()
    rows = rows_of(curves.mlp_start_rows(record))
    published = {curve.width: curve.cosine[0] for curve in figure4("mlp")}
    assert {row.network: row.published for row in rows} == {f"N = {n}": value for n, value in published.items()}
    draws = record.cosine[0, 0, 0, :, 2]  # squared error, equilibrium, authors; N = 64
    row = rows[2]
    variance = np.var(draws, ddof=1) * (1 + 1 / len(draws)) + FIGURE4_ERROR**2 / 3
    assert row.deviation == pytest.approx((published[64] - draws.mean()) / variance**0.5)
    assert {row.verdict for row in rows} == {"reproduced"}
    other = rows_of(curves.mlp_start_rows(record, ("cross-entropy", "equilibrium", "authors")))
    assert {row.verdict for row in other} == {"not reproduced"}


def test_the_hypothesis_that_made_the_values_is_the_nearest_of_eight():
    found = curves.mlp_hypotheses(start_record())
    assert found.sizes["hypothesis"] == 8 and found.settings[0] == "squared error, equilibrium, authors"
    assert found.distance[1] > 5 > found.distance[0]


def test_trainings_are_compared_where_the_curves_can_be_read():
    record = rated_record(fits="BP's rate sqrt(L) larger")
    rows = rows_of(curves.mlp_training_rows(record, curves.RATES[1]))
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
    assert found.settings[0] == fits and found.per_value[1] > 10 * found.per_value[0]


def test_trainings_with_other_settings_are_not_the_papers():
    record = rated_record(curves.RATES[1])
    assert curves.mlp_trainings_are_papers(record)
    for change in (dict(loss="cross-entropy"), dict(preparation="standardised"), dict(steps=50), dict(depth=16)):
        assert not curves.mlp_trainings_are_papers(replace(record, settings=replace(record.settings, **change)))
    assert not curves.mlp_trainings_are_papers(replace(record, data_name="digits"))
