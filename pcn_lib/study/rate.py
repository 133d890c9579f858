"""A rate over a labelled axis: the exponent with which a quantity follows a size."""

from typing import Any, SupportsFloat

import numpy as np

from pcn_lib.study.claim import Claim, close


def slope(values: Any, over: str = "width", where: Any = None) -> float:
    """The exponent a of values = c over^a, by least squares on logarithms.

        a = sum_g sum_i (u_i - u_g) (v_gi - v_g) / sum_g sum_i (u_i - u_g)^2,   u = log over,  v = log values

    Seeds are averaged first. Every further axis gives lines g with a constant c_g of their own and the exponent in
    common; with the axis ``over`` alone this is the line of :func:`pcn_lib.statistics.fit_slope`.

    Args:
        values: a labelled array with the axis ``over``.
        over: the size; its coordinates are positive.
        where: a labelled condition on the points that count, such as ``record.width >= 8 * record.depth``.

    Returns:
        The exponent; NaN where one of the points that count was not measured, or has no logarithm.

    Raises:
        ValueError: an axis that does not exist, or no line with two points that count.
    """
    if over not in getattr(values, "coords", ()):
        have = ", ".join(map(str, getattr(values, "dims", ()))) or "none"
        raise ValueError(f"a slope over {over!r} asked for; the axes with sizes are {have}: choose one of these")
    values = values.mean("seed", skipna=False) if "seed" in values.dims else values
    counts = (values[over] == values[over]) if where is None else where
    # One row for each line, one column for each size.
    counts, values = counts.broadcast_like(values).transpose(..., over), values.transpose(..., over)
    y = np.reshape(values.to_numpy().astype(float), (-1, values.sizes[over]))
    chosen = np.reshape(counts.transpose(*values.dims).to_numpy().astype(bool), y.shape)
    x = np.broadcast_to(values[over].to_numpy().astype(float), y.shape)
    if not (chosen.sum(axis=1) >= 2).any():
        raise ValueError(f"no two points over {over!r} count; a slope needs two: add a size, or widen `where`")
    if not (np.isfinite(y[chosen]) & (y[chosen] > 0) & (x[chosen] > 0)).all():
        return float("nan")
    product = spread = 0.0
    for u, v in ((np.log(x[g][chosen[g]]), np.log(y[g][chosen[g]])) for g in range(len(y)) if chosen[g].any()):
        product += np.sum((u - u.mean()) * (v - v.mean()))
        spread += np.sum((u - u.mean()) ** 2)
    return float(product / spread)


def rate(
    name: str,
    statement: str,
    values: Any,
    *,
    predicted: SupportsFloat,
    tolerance: SupportsFloat,
    because: str,
    over: str = "width",
    where: Any = None,
    source: str = "ours",
) -> Claim:
    """|slope(values, over, where) - predicted| <= tolerance.

    Raises:
        ValueError: as :func:`slope`.
    """
    measured = slope(values, over, where)
    return close(
        name, statement, predicted=predicted, measured=measured, tolerance=tolerance, because=because, source=source
    )
