"""The paper's published numbers beside ours: one row for each, of whatever figure it is; and those of Figure 1."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pcn_lib.data.published import FIGURE1_ERROR, FIGURE1_TOP, Figure1
from pcn_lib.experiments.width_depth_surfaces import Record as Surfaces
from pcn_lib.experiments.width_depth_surfaces import Surface
from pcn_lib.statistics import Agreement, agreement, stand_ins
from pcn_lib.study.comparison import held

#: Runs of which the published cosines of Figure 1 are the mean.
FIGURE1_RUNS = 3
#: Batches from which their covariance is estimated, at least.
ENOUGH_BATCHES = 8


@dataclass(frozen=True)
class Cells:
    """Published cosines of Figure 1 and our draws of them.

    Attributes:
        places: (t, L, N) of each.
        published: the cosines.
        draws: ours, axes [batches, cells].
        agreement: of the two.
    """

    places: tuple[tuple[int, int, int], ...]
    published: np.ndarray
    draws: np.ndarray
    agreement: Agreement


def of_paper(records: Iterable[Surfaces | None]) -> Surface | None:
    """The first surface of CIFAR-10, prepared as the authors do, with batches enough; None where there is none."""
    for record in records:
        for surface in () if record is None else record.surfaces:
            enough = surface.curves.energy.shape[2] >= ENOUGH_BATCHES
            if surface.title == "cifar10" and surface.prepared == "authors" and enough:
                return surface
    return None


def figure1_cells(
    record: Surfaces, surface: Surface, paper: Figure1, pair: str, steps: tuple[int, ...], narrowest: int = 0
) -> Cells:
    """The published cosines below the top colour at some steps, for networks that we have, from a width on.

    Args:
        record: whose sizes these are.
        surface: one of its surfaces.
        paper: the published numbers.
        pair: of trainings, one of :data:`pcn_lib.experiments.paired_trainings.PAIRS`.
        steps: t.
        narrowest: the least N.
    """
    settings, draws = record.settings, surface.draws(pair)
    places, published, ours = [], [], []
    for (i, j, k), cosine in np.ndenumerate(paper.cosine):
        t, depth, width = paper.steps[i], paper.depths[j], paper.widths[k]
        known = t in settings.snapshots and depth in settings.depths and width in settings.widths
        if not (known and t in steps and width >= narrowest and cosine < FIGURE1_TOP):
            continue
        cell = draws[settings.depths.index(depth), settings.widths.index(width), :, settings.snapshots.index(t)]
        if np.isfinite(cell).all():
            places.append((t, depth, width))
            published.append(cosine)
            ours.append(cell)
    found = agreement(published, np.array(ours).T, runs=FIGURE1_RUNS, error=FIGURE1_ERROR)
    return Cells(tuple(places), np.array(published), np.array(ours).T, found)


def trends(cells: Cells) -> tuple[float, float]:
    """How the deviations lean with log N and with log L, in standard deviations of such a slope by chance.

    Chance is what the same slopes are where three of our own batches stand in for the published ones.
    """
    _, depths, widths = np.log2(np.array(cells.places) + np.array([1, 0, 0])).T
    design = np.stack([np.ones_like(depths), widths - widths.mean(), depths - depths.mean()], axis=1)

    def slopes(deviations: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(design, deviations.T, rcond=None)[0][1:]

    chance = slopes(stand_ins(cells.draws, runs=FIGURE1_RUNS, error=FIGURE1_ERROR)).std(axis=1)
    by_width, by_depth = slopes(cells.agreement.deviations) / chance
    return float(by_width), float(by_depth)


def figure1_rows(record: Surfaces, surface: Surface, paper: Figure1, pair: str, steps: tuple[int, ...]) -> xr.Dataset:
    """Every published cosine of some steps beside ours, those of the top colour included."""
    settings, draws, found = record.settings, surface.draws(pair), []
    for (i, j, k), cosine in np.ndenumerate(paper.cosine):
        t, depth, width = paper.steps[i], paper.depths[j], paper.widths[k]
        if t not in steps or not (t in settings.snapshots and depth in settings.depths and width in settings.widths):
            continue
        cell = draws[settings.depths.index(depth), settings.widths.index(width), :, settings.snapshots.index(t)]
        cell, top = cell[np.isfinite(cell)], bool(cosine >= FIGURE1_TOP)
        if len(cell):
            place = ("1", f"L = {depth}, N = {width}", t)
            # The last colour stands for anything above: only what lies below it deviates.
            value = FIGURE1_TOP if top else float(cosine)
            found.append(held(place, value, cell, error=FIGURE1_ERROR, runs=FIGURE1_RUNS, at_least=top))
    return xr.concat(found, "number")
