"""Published numbers beside ours: rows and hypotheses against slow computations on records made for the test."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import figure1
from pcn_lib.data.published import FIGURE1_ERROR, FIGURE1_TOP
from pcn_lib.experiments.published_figures import figure1_rows, of_paper
from pcn_lib.study import verdicts
from tests.published import surfaces_record


def rows_of(numbers: xr.Dataset) -> list[SimpleNamespace]:
    """A table's rows, with their verdicts."""
    table = numbers.assign(verdict=verdicts(numbers)).to_dataframe()
    return [SimpleNamespace(**row) for row in table.to_dict("records")]


def test_figure_1_has_a_row_for_every_cell_that_both_have():
    paper, record = figure1(), surfaces_record(misplaced={"equal": 0.0})
    surface = of_paper([None, record])
    rows = rows_of(figure1_rows(record, surface, paper, "equal", (0, 50, 100)))
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
