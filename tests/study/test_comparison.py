"""Published numbers held against draws: the formula on paper, what an honest number looks like, and the verdicts."""

import math

import numpy as np
import pytest
import xarray as xr

from pcn_lib.data.published import Curve
from pcn_lib.statistics import agreement
from pcn_lib.study import held, held_curves, hypotheses, load, save, verdicts
from pcn_lib.study.comparison import START

PLACE = ("0", "N = 1", 0)


def row(published: float, draws, **given) -> dict:
    return {name: values.item() for name, values in held(PLACE, published, draws, **given).data_vars.items()}


def verdict(published: float, draws, **given) -> str:
    return verdicts(held(PLACE, published, draws, **given)).item()


def test_a_row_is_the_formula_on_paper():
    """Two draws 0.5 +- 0.1, scatter 0.1 sqrt 2: 0.02 (1/3 + 1/2) + 0.09/3 is the variance of the difference."""
    found = row(0.8, np.array([0.4, 0.6]), error=0.3, runs=3)
    assert found["mean"] == pytest.approx(0.5) and found["scatter"] == pytest.approx(0.02**0.5)
    assert found["deviation"] == pytest.approx(0.3 / (0.02 * 5 / 6 + 0.03) ** 0.5)
    assert (found["figure"], found["network"], found["step"]) == PLACE
    assert (found["draws"], found["runs"], found["published"], found["reading_error"]) == (2, 3, 0.8, 0.3)
    assert verdict(0.8, np.array([0.4, 0.6]), error=0.3, runs=3) == "not decided"  # by two draws


def test_deviations_of_values_that_are_draws_themselves_have_unit_variance():
    """With many draws; the reading error is uniform in its interval."""
    rng, error = np.random.default_rng(0), 0.5
    tries = [
        row(rng.normal(size=3).mean() + rng.uniform(-error, error), rng.normal(size=60), error=error, runs=3)
        for _ in range(1500)
    ]
    # Of a normal variance of 1500 values the standard error is (2/1500)^1/2; t-like tails add 2 of 57.
    assert np.var([found["deviation"] for found in tries]) == pytest.approx(1, abs=0.18)


@pytest.mark.parametrize("published, expected", [(2.4, ""), (-2.4, ""), (2.6, "not "), (-2.6, "not ")])
def test_the_verdict_turns_at_two_and_a_half_deviations(published: float, expected: str):
    draws, value = np.array([-1.0, 0, 1]), published * (4 / 3) ** 0.5
    assert row(value, draws, error=0.0)["deviation"] == pytest.approx(published)
    assert verdict(value, draws, error=0.0) == f"{expected}reproduced"


def test_one_draw_decides_nothing():
    found = row(0.3, np.array([0.3]), error=0.01)
    assert math.isnan(found["scatter"]) and math.isnan(found["deviation"])
    assert verdict(0.3, np.array([0.3]), error=0.01) == "not decided"


def test_above_the_top_colour_nothing_deviates_and_below_it_does():
    high, low = (mean + np.array([-1e-3, 0, 1e-3]) for mean in (0.999, 0.98))
    given = dict(error=0.0, at_least=True)
    assert row(0.995, high, **given)["deviation"] == 0 and verdict(0.995, high, **given) == "reproduced"
    assert row(0.995, low, **given)["deviation"] == pytest.approx(0.015 / (1e-3 * (4 / 3) ** 0.5))
    assert verdict(0.995, low, **given) == "not reproduced"


def test_a_curve_is_held_point_by_point_where_its_width_and_step_were_measured():
    draws = xr.DataArray(
        np.random.default_rng(0).normal(size=(2, 3, 4)), dict(width=[4, 8]), dims=("width", "step", "seed")
    )
    curves = [
        Curve(width, np.arange(1, 4), np.array([0.1, 0.2, 0.3]), np.array([0.01, 0.02, 0.03])) for width in (8, 16)
    ]
    (t, value, error) = (2, 0.2, 0.02)  # of 1, 2, 3 the first is not asked for and the last was not measured
    expected = held(("4a", "width 8", t), value, draws.sel(width=8).isel(step=t), error=error)
    xr.testing.assert_identical(held_curves("4a", curves, draws, (0, 2, 3), network="width {}"), expected)
    assert held_curves("4a", curves, draws, (2,)).network.values.tolist() == ["N = 8"]
    assert not held_curves("4a", curves, draws, (0, 3))


def test_hypotheses_stand_in_the_order_of_their_agreement_and_come_back_from_disk(tmp_path):
    draws = np.random.default_rng(0).normal(size=(20, 3))
    far, near = (agreement([value] * 3, draws) for value in (5.0, 0.0))
    found = hypotheses(dict(far=far, near=near), figure="4a", stage=START, compared="all")
    assert found.settings.values.tolist() == ["near", "far"] and set(found.stage.values) == {START}
    second = found.isel(hypothesis=1)
    assert second.per_value == far.per_value and second.largest == far.largest and second["values"] == 3
    assert (second.usual_low, second.usual_high) == far.usual and second.distance == far.distance
    numbers = xr.concat(
        [held(PLACE, 0.1, draws[:, 0], error=0.1), held(("10", "N", 2), 1.0, [1.0], error=0.0)], "number"
    )
    record = xr.DataTree.from_dict(dict(published=numbers, hypotheses=found))
    again = load(save(record, tmp_path / "record.nc"))
    xr.testing.assert_identical(again["published"].to_dataset(), numbers)
    assert verdicts(again["published"].to_dataset()).values.tolist() == ["reproduced", "not decided"]
