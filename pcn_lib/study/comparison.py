"""The paper's published numbers held against draws of the same experiment, as labelled tables.

A chapter keeps them in its record as the groups ``published`` (a row for each number) and ``hypotheses`` (a row for
each setting that a picture may have been made with), and the page of published numbers shows every record's.
"""

import math
from collections.abc import Collection, Iterable, Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from pcn_lib.data.published import Curve
from pcn_lib.statistics import Agreement

#: The stages of training that a figure's numbers are told apart by.
START, TRAINING = "before the first update", "over training"
#: Standard deviations within which a published number is reproduced.
REPRODUCED = 2.5
#: Draws from which there is a scatter to say so by: as many as the paper's own means have.
ENOUGH_DRAWS = 3


def held(
    place: tuple[str, str, int],
    published: float,
    draws: ArrayLike,
    *,
    error: float,
    runs: int = 1,
    at_least: bool = False,
) -> xr.Dataset:
    """A published number held against draws of the same experiment, as one row of a table.

        deviation = (published - mean) / (s^2 (1/runs + 1/n) + error^2/3)^1/2,    s the scatter of n draws

        rows = [held(("4a", f"N = {width}", 0), value, draws.sel(width=width), error=0.003) for ...]
        numbers = xr.concat(rows, "number")

    Args:
        place: the figure, such as ``4a``; the network, in words; and the step t.
        published: the number.
        draws: ours, [draws].
        error: half the width of the interval in which the reading may lie.
        runs: of how many draws the published number is the mean.
        at_least: the reading is the lower end of all that the picture can mean, and nothing above it deviates.

    Returns:
        A Dataset with the axis ``number``: ``figure``, ``network``, ``step``, ``published``, ``reading_error``,
        ``runs``, ``mean`` and ``scatter`` of one draw (NaN where there is a single one), ``draws``, their count,
        ``deviation`` and ``at_least``.
    """
    draws, (figure, network, step) = np.asarray(draws, dtype=float), place
    n, mean = len(draws), float(np.mean(draws))
    scatter = float(np.std(draws, ddof=1)) if n > 1 else math.nan
    apart = max(published - mean, 0.0) if at_least else published - mean
    deviation = apart / math.sqrt(scatter**2 * (1 / runs + 1 / n) + error**2 / 3)
    row = dict(
        figure=figure, network=network, step=step, published=float(published), reading_error=float(error), runs=runs,
        mean=mean, scatter=scatter, draws=n, deviation=deviation, at_least=at_least,
    )  # fmt: skip
    return xr.Dataset({name: ("number", [value]) for name, value in row.items()})


def held_curves(
    figure: str, curves: Iterable[Curve], cosines: xr.DataArray, steps: Collection[int], *, network: str = "N = {}"
) -> xr.Dataset:
    """The points of published curves held against draws, at the widths and steps that were measured.

    Args:
        figure: such as ``4a``.
        curves: of the figure; :func:`pcn_lib.data.figure4`.
        cosines: ours, with the axes ``width``, ``step`` (counted from 0) and ``seed``.
        steps: which are held.
        network: a curve's network in words, of its width.
    """
    rows = [
        held((figure, network.format(curve.width), int(t)), float(value), ours.isel(step=int(t)), error=float(error))
        for curve in curves if curve.width in cosines.width
        for ours in [cosines.sel(width=curve.width)]
        for t, value, error in zip(curve.steps, curve.cosine, curve.error, strict=True)
        if t in steps and t < ours.sizes["step"]
    ]  # fmt: skip
    return xr.concat(rows, "number") if rows else xr.Dataset()


def hypotheses(found: Mapping[str, Agreement], *, figure: str, stage: str, compared: str) -> xr.Dataset:
    """Settings that a published picture may have, the nearest first.

    Args:
        found: how the published values agree with draws under each, by the settings in words.
        figure: such as ``4a``.
        stage: :data:`START` or :data:`TRAINING`.
        compared: which published values these are, in words.

    Returns:
        A Dataset with the axis ``hypothesis``: ``settings``, ``figure``, ``stage``, ``compared``; ``values``, how many;
        ``per_value``, ``usual_low``, ``usual_high``, ``largest``, ``distance`` and ``sigmas`` of
        :class:`pcn_lib.statistics.Agreement`. It is in the order of ``per_value``.
    """
    rows = [
        dict(
            settings=settings, figure=figure, stage=stage, compared=compared, values=one.mean.size,
            per_value=one.per_value, usual_low=one.usual[0], usual_high=one.usual[1], largest=one.largest,
            distance=one.distance, sigmas=one.sigmas,
        )
        for settings, one in sorted(found.items(), key=lambda item: item[1].per_value)
    ]  # fmt: skip
    return xr.Dataset({name: ("hypothesis", [row[name] for row in rows]) for name in rows[0]})


def verdicts(numbers: xr.Dataset) -> xr.DataArray:
    """``reproduced`` or ``not reproduced``, as the deviation says; ``not decided`` where draws are too few to say."""
    decided = (numbers.draws >= ENOUGH_DRAWS) & np.isfinite(numbers.deviation)
    near = xr.where(np.abs(numbers.deviation) <= REPRODUCED, "reproduced", "not reproduced")
    return xr.where(decided, near, "not decided")
