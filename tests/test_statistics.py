"""Means with standard errors, and exponents: against textbook numbers and known power laws."""

import math

import numpy as np
import pytest
from scipy import stats

from pcn_lib.statistics import fit_slope, mean


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
