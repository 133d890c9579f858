"""Means over seeds with their standard errors, and the exponent of a power law."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


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
