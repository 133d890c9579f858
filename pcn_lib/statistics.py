"""Means over seeds with their standard errors, the exponent of a power law, and published values against draws."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Float
from numpy.typing import ArrayLike

#: Most subsets of draws that stand in for published values.
SUBSETS = 1000


@dataclass(frozen=True)
class Mean:
    """A mean over independent samples.

    Attributes:
        value: (1/n) sum_i a_i.
        standard_error: sqrt(sum_i (a_i - value)^2 / (n - 1) / n).
        samples: n.
    """

    value: float
    standard_error: float
    samples: int


@dataclass(frozen=True)
class Fit:
    """The line log y = intercept + slope log x nearest to the points.

    Attributes:
        slope: the exponent a of y = c x^a.
        standard_error: of the slope, from the scatter about the line; NaN for two points, which have none.
        intercept: log c.
    """

    slope: float
    standard_error: float
    intercept: float

    def __call__(self, x: ArrayLike) -> np.ndarray:
        """c x^a, the fitted power law."""
        return np.exp(self.intercept) * np.asarray(x, dtype=float) ** self.slope


def mean(samples: ArrayLike) -> Mean:
    """The mean of independent samples (seeds) and its standard error.

    Raises:
        ValueError: fewer than two samples, which have no standard error.
    """
    samples = np.asarray(samples, dtype=float).ravel()
    if samples.size < 2:
        raise ValueError(f"{samples.size} sample given; a standard error needs two or more: add seeds")
    return Mean(float(samples.mean()), float(samples.std(ddof=1) / np.sqrt(samples.size)), samples.size)


def fit_slope(x: ArrayLike, y: ArrayLike) -> Fit:
    """The exponent of y = c x^a by least squares on logarithms.

        a = sum_i (u_i - u) (v_i - v) / sum_i (u_i - u)^2,   u_i = log x_i,  v_i = log y_i

    A rate is tested on this number: log y of a quantity of order N^-1 has slope -1 against log N.

    Args:
        x: sizes, for example widths, at least two different ones; [n].
        y: what was measured at each; [n].

    Raises:
        ValueError: lengths differ, fewer than two sizes, or a number that has no logarithm.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"x of shape {x.shape} and y of shape {y.shape} given; a fit needs one y for each x: average seeds first"
        )
    if np.unique(x).size < 2:
        raise ValueError(f"sizes {x.tolist()} given; a slope needs two different ones: add a size")
    if not (np.all(x > 0) and np.all(y > 0) and np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise ValueError(
            f"x = {x.tolist()}, y = {y.tolist()} given; a power law needs positive finite numbers: leave the others out"
        )
    u, v = np.log(x), np.log(y)
    spread = np.sum((u - u.mean()) ** 2)
    slope = np.sum((u - u.mean()) * (v - v.mean())) / spread
    intercept = v.mean() - slope * u.mean()
    residuals = v - intercept - slope * u
    scatter = np.sum(residuals**2) / (x.size - 2) if x.size > 2 else np.nan
    return Fit(float(slope), float(np.sqrt(scatter / spread)), float(intercept))


@dataclass(frozen=True)
class Agreement:
    """How far given values lie from draws of what should have produced them.

    Attributes:
        mean: of the draws, axes of the values.
        scatter: standard deviation of one draw.
        deviations: (value - mean) in standard deviations of the difference of the two.
        per_value: mean of the squared deviations, chi-squared per value; about 1 where the values are such draws.
        usual: the central 95 % of ``per_value`` where runs of the draws' own stand in for the values.
        distance: the same deviations with their correlations, sqrt(d^T C^-1 d): standard errors in the direction in
            which the values lie; NaN where there are too few draws for as many values.
        sigmas: what a single normal deviation as improbable as that would be, by Hotelling's test; NaN likewise.
        draws: how many.
    """

    mean: Float[np.ndarray, "*values"]
    scatter: Float[np.ndarray, "*values"]
    deviations: Float[np.ndarray, "*values"]
    per_value: float
    usual: tuple[float, float]
    distance: float
    sigmas: float
    draws: int

    @property
    def largest(self) -> float:
        """The largest deviation of a single value, in standard deviations."""
        return float(np.abs(self.deviations).max())


def agreement(values: ArrayLike, draws: ArrayLike, *, runs: int = 1, error: float = 0.0) -> Agreement:
    """Hold values that somebody published against independent draws of the same experiment.

    A difference d = value - mean(draws) has the covariance

        C = Sigma (1/runs + 1/n) + error^2/3 I,     Sigma that of one draw, estimated from the n draws

    Values of one draw share its batch, so they are correlated and do not scatter each on its own: how large
    chi-squared usually is is found by letting runs of the draws themselves stand in for the published ones.

    Source: Hotelling 1931 (T^2 with F-distribution); the rest derived here.

    Args:
        values: published, [*values].
        draws: ours, one row for each, [draws, *values].
        runs: of how many draws the published values are the mean.
        error: half the width of the interval in which a reading may lie.

    Raises:
        ValueError: shapes that do not belong together, values that are not numbers, or fewer than runs + 3 draws.
    """
    values, draws = np.asarray(values, dtype=float), np.asarray(draws, dtype=float)
    n = len(draws)
    if draws.shape[1:] != values.shape or not values.size:
        raise ValueError(f"values of shape {values.shape} and draws of shape {draws.shape} given; each draw needs one "
                         "number for each value: choose the same cells of both")  # fmt: skip
    if n < runs + 3 or not (np.isfinite(values).all() and np.isfinite(draws).all()):
        raise ValueError(f"{n} draws given, {np.isnan(draws).sum()} of their numbers NaN; at least {runs + 3} draws "
                         "without NaN are needed: add batches, or leave cells out")  # fmt: skip
    shape, values, draws = values.shape, values.ravel(), draws.reshape(n, -1)
    deviations = _deviations(values, draws, runs, error)
    distance, sigmas = _hotelling(values, draws, runs, error)
    usual = np.quantile(np.mean(stand_ins(draws, runs=runs, error=error) ** 2, axis=1), (0.025, 0.975))
    mean, scatter = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    return Agreement(
        mean=mean.reshape(shape),
        scatter=scatter.reshape(shape),
        deviations=deviations.reshape(shape),
        per_value=float(np.mean(deviations**2)),
        usual=(float(usual[0]), float(usual[1])),
        distance=distance,
        sigmas=sigmas,
        draws=n,
    )


def _deviations(values: np.ndarray, draws: np.ndarray, runs: int, error: float) -> np.ndarray:
    variance = draws.var(axis=0, ddof=1) * (1 / runs + 1 / len(draws)) + error**2 / 3
    return (values - draws.mean(axis=0)) / np.sqrt(variance)


def stand_ins(draws: ArrayLike, *, runs: int = 1, error: float = 0.0) -> Float[np.ndarray, "tries values"]:
    """Deviations as :func:`agreement` finds them where runs of the draws themselves stand in for published values.

    Each subset of ``runs`` draws (at most :data:`SUBSETS` of them) is averaged, misread by up to ``error``, and held
    against the draws left over: what deviations, and anything made of them, look like where there is nothing to find.
    """
    draws = np.asarray(draws, dtype=float)
    draws = draws.reshape(len(draws), -1)
    n, rng = len(draws), np.random.default_rng(0)
    subsets = (
        itertools.combinations(range(n), runs)
        if math.comb(n, runs) <= SUBSETS
        else (rng.choice(n, runs, replace=False) for _ in range(SUBSETS))
    )
    drawn = [(list(chosen), rng.uniform(-error, error, draws.shape[1])) for chosen in subsets]
    inside = np.array([chosen for chosen, _ in drawn])
    left = np.ones((len(inside), n), dtype=bool)
    np.put_along_axis(left, inside, False, axis=1)
    outside = left.nonzero()[1].reshape(len(inside), n - runs)
    read = draws[inside].mean(axis=1) + np.array([misread for _, misread in drawn])
    return _deviations(read, np.moveaxis(draws[outside], 1, 0), runs, error)


def _hotelling(values: np.ndarray, draws: np.ndarray, runs: int, error: float) -> tuple[float, float]:
    n, p = draws.shape
    if n <= p + 1:
        return math.nan, math.nan
    covariance = np.atleast_2d(np.cov(draws, rowvar=False)) * (1 / runs + 1 / n) + error**2 / 3 * np.eye(p)
    difference = values - draws.mean(axis=0)
    squared = float(difference @ np.linalg.solve(covariance, difference))
    log_p = scipy.stats.f.logsf(squared * (n - p) / (p * (n - 1)), p, n - p)
    if np.isinf(log_p):  # too small for float64: the incomplete beta function's first term, z^a / (a B(a, b))
        a, b, z = (n - p) / 2, p / 2, 1 / (1 + squared / (n - 1))
        log_p = a * math.log(z) - math.log(a) - scipy.special.betaln(a, b)
    # x with P(|normal| > x) = p
    return math.sqrt(squared), -float(scipy.special.ndtri_exp(log_p - math.log(2)))
