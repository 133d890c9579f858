"""The paper's cosines beside ours: which are listed, with what they are compared, and how far apart they are."""

import numpy as np
import pytest

from pcn_lib.data.published import figure4
from pcn_lib.experiments.comparison import BANDS, Compared, compared


def test_every_reading_within_the_steps_measured_is_listed_once_with_our_draws_of_that_step():
    cosines = np.arange(2 * 2 * 100).reshape(2, 2, 100) / 1000
    rows = compared("transformer", (32, 256), cosines, "some")
    curve = next(curve for curve in figure4("transformer") if curve.width == 32)
    listed = [(row.step, row.published) for row in rows if row.width == 32]
    assert listed == list(zip(curve.steps.tolist(), curve.cosine.tolist(), strict=True))
    for row in rows:
        ours = [0.001 * ((2 * run + (row.width == 256)) * 100 + row.step) for run in (0, 1)]
        assert row.mean == pytest.approx(sum(ours) / 2) and row.scatter == pytest.approx(0.2 / 2**0.5)
    assert [(row.step, row.published) for row in rows if row.width == 256] == [(0, sum(BANDS["transformer"][256]) / 2)]
    assert not [row for row in compared("transformer", (32, 256), cosines, "some", bands=False) if row.width == 256]


def test_steps_that_were_not_measured_are_not_listed():
    assert [row.step for row in compared("transformer", (32,), np.ones((1, 1, 4)), "some")] == [0, 1, 2, 3]
    assert compared("cnn", (2,), np.ones((1, 1, 45)), "some")[-1].step == 0


def test_a_deviation_counts_the_reading_and_one_run_has_none():
    row = Compared("4c", "transformer", 8, 0, 0.5, 0.03 * 3**0.5, 0.25, 0.04, 3, "some")
    assert row.deviations == pytest.approx(0.25 / 0.05)
    alone = compared("transformer", (8,), np.ones((1, 1, 1)), "some")[0]
    assert np.isnan(alone.scatter) and np.isnan(alone.deviations)
