"""Means with standard errors, and exponents: against textbook numbers and known power laws."""

import math

import numpy as np
import pytest
import scipy.stats
from scipy import stats
from scipy.spatial.distance import mahalanobis

from pcn_lib.statistics import agreement, fit_slope, mean


def test_a_mean_has_the_textbook_standard_error():
    found = mean([1.0, 2.0, 3.0, 4.0])
    assert (found.value, found.samples) == (2.5, 4)
    assert found.standard_error == pytest.approx(math.sqrt(5 / 3 / 4))


def test_one_sample_has_no_standard_error_and_is_refused():
    with pytest.raises(ValueError, match="two or more"):
        mean([1.0])


@pytest.mark.parametrize("exponent", [-2.0, -1.0, 0.5])
def test_a_power_law_gives_its_exponent_without_error(exponent):
    x = np.array([8.0, 16.0, 64.0])
    found = fit_slope(x, 3 * x**exponent)
    assert found.slope == pytest.approx(exponent)
    assert found.standard_error == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found(10.0), 3 * 10**exponent)


def test_a_noisy_power_law_is_fitted_as_scipy_fits_it():
    noise = np.random.default_rng(0)
    x = np.array([2.0, 3.0, 7.0, 20.0, 90.0])
    y = x**-1.5 * np.exp(0.1 * noise.standard_normal(5))
    found, known = fit_slope(x, y), stats.linregress(np.log(x), np.log(y))
    np.testing.assert_allclose(
        (found.slope, found.standard_error, found.intercept), (known.slope, known.stderr, known.intercept)
    )


def test_two_points_have_a_slope_but_no_error_of_it():
    found = fit_slope([1.0, 2.0], [1.0, 4.0])
    assert found.slope == pytest.approx(2) and math.isnan(found.standard_error)


@pytest.mark.parametrize("x, y", [([1, 2], [1, 2, 3]), ([2, 2], [1, 2]), ([1, 2], [0, 1]), ([1, 2], [1, math.nan])])
def test_points_without_a_power_law_are_refused(x, y):
    with pytest.raises(ValueError, match="given; a"):
        fit_slope(x, y)


def normal_draws(rng, n: int, correlation: float, size: int = 4) -> np.ndarray:
    """Rows whose numbers share a part, as the cells of one batch do."""
    shared = rng.standard_normal((n, 1))
    return correlation**0.5 * shared + (1 - correlation) ** 0.5 * rng.standard_normal((n, size))


def test_deviations_and_distance_are_the_textbooks():
    rng = np.random.default_rng(0)
    draws = normal_draws(rng, 30, 0.6)
    values = np.array([0.3, -1.2, 0.5, 2.0])
    found = agreement(values, draws, runs=3, error=0.2)
    covariance = sum(np.outer(row, row) for row in draws - draws.mean(axis=0)) / 29
    total = covariance * (1 / 3 + 1 / 30) + 0.2**2 / 3 * np.eye(4)
    assert found.deviations == pytest.approx((values - draws.mean(axis=0)) / np.sqrt(np.diag(total)))
    assert found.per_value == pytest.approx(np.mean(found.deviations**2))
    assert found.largest == pytest.approx(np.abs(found.deviations).max())
    inverse = np.linalg.inv(total)
    assert found.distance == pytest.approx(mahalanobis(values, draws.mean(axis=0), inverse))


def test_values_that_are_draws_themselves_are_found_so_and_no_more_often_improbable_than_chance():
    """Hotelling's test is exact for normal draws: a twentieth of them lie beyond two normal deviations or so."""
    rng = np.random.default_rng(1)
    tries = [agreement(rows[0], rows[1:]) for rows in (normal_draws(rng, 13, 0.8) for _ in range(600))]
    beyond = np.mean([found.sigmas > 1.959964 for found in tries])
    assert beyond == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 600) ** 0.5)


def test_values_that_are_draws_themselves_lie_in_the_usual_range():
    rng = np.random.default_rng(1)
    tries = [agreement(rows[0], rows[1:]) for rows in (normal_draws(rng, 41, 0.8) for _ in range(200))]
    inside = np.mean([found.usual[0] <= found.per_value <= found.usual[1] for found in tries])
    # Between the order statistics of rank 1.975 and 39.025 of forty lies this share of one more.
    assert inside == pytest.approx((39.025 - 1.975) / 41, abs=0.06)


def test_correlated_values_have_a_wider_usual_range_than_independent_ones():
    rng = np.random.default_rng(2)
    width = {}
    for correlation in (0.0, 0.95):
        low, high = agreement(np.zeros(8), normal_draws(rng, 40, correlation, 8)).usual
        width[correlation] = high / low
    assert width[0.95] > 3 * width[0.0]


def test_a_far_value_is_excluded_even_where_its_probability_underflows():
    draws = normal_draws(np.random.default_rng(3), 200, 0.0, 2)
    found = agreement(np.array([1e3, 0.0]), draws)
    assert found.distance == pytest.approx(1e3, rel=0.15)
    # F with two degrees of freedom above has a tail in closed form, here e^-843.
    tail = -(200 - 2) / 2 * np.log1p(found.distance**2 / (200 - 1))
    assert np.log(2) + scipy.stats.norm.logsf(found.sigmas) == pytest.approx(tail)


def test_too_few_draws_for_a_covariance_give_no_distance_but_deviations():
    found = agreement(np.zeros(6), normal_draws(np.random.default_rng(4), 6, 0.5, 6))
    assert np.isnan(found.distance) and np.isnan(found.sigmas) and np.isfinite(found.per_value)


@pytest.mark.parametrize(
    "values, draws, words",
    [
        (np.zeros(3), np.zeros((9, 4)), "each draw needs one"),
        (np.zeros(3), np.zeros((3, 3)), "at least 4 draws"),
        (np.array([np.nan, 0]), np.zeros((9, 2)), "at least 4 draws"),
        (np.zeros(0), np.zeros((9, 0)), "each draw needs one"),
    ],
)
def test_what_cannot_be_compared_is_refused(values, draws, words: str):
    with pytest.raises(ValueError, match=words):
        agreement(values, draws)
