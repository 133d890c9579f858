"""A training's history as named variables, against numbers worked out by hand and the training itself."""

from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.energy import one_unit_problem
from pcn_lib.rescaling import LinearExact
from pcn_lib.study import curves, parts
from pcn_lib.training import GradientDescent, Schedule, at_start, train

#: One unit in each layer, weights 1, 2, 1: r = 6 and S = 1/lambda + 1 + 4.
PROBLEM = dict(weights=(1, 2, 1), x=1, y=8)


@pytest.mark.parametrize("precision", [1.0, 2.0])
def test_energies_are_counted_in_the_unit_of_the_loss(precision):
    problem = replace(one_unit_problem(**PROBLEM), output_precision=precision)
    found = curves(at_start(problem, LinearExact()), output_precision=precision, axes=())
    assert found["energy"][0] == () and found["layers"][0] == ("layer",)
    np.testing.assert_allclose(found["energy"][1], 36 / (1 / precision + 5) / 2 / precision, rtol=1e-12)
    np.testing.assert_allclose(found["pc_loss"][1], 18.0, rtol=1e-12)


def test_the_start_is_the_first_step_of_a_training():
    problem = one_unit_problem(**PROBLEM)
    probe = lambda pc, equilibrium, bp: dict(moved=equilibrium.activities[0].sum())  # noqa: E731
    trained = curves(train(problem, GradientDescent(0.01), Schedule(3, LinearExact(), probe)).history)
    started = curves(at_start(problem, LinearExact()), axes=())
    for name, (axes, values) in started.items():
        assert trained[name][0] == ("step", *axes) and len(trained[name][1]) == 3
        np.testing.assert_allclose(trained[name][1][0], values, rtol=1e-12)
    np.testing.assert_allclose(trained["moved"][1][0], 3.0, rtol=1e-12)  # z_1 by hand


def test_a_curve_is_kept_in_means_of_equal_parts_that_end_with_the_training():
    axis, means = parts(np.concatenate([[1e9], np.repeat(np.arange(33), 2)]), 33)
    assert axis == "part"
    np.testing.assert_array_equal(means, np.arange(33))
    assert parts(np.arange(938.0), 40)[1][0] == np.arange(18, 41).mean()
    np.testing.assert_array_equal(parts(np.arange(100.0), 40)[1][[0, -1]], [20.5, 98.5])
    assert list(parts([3.0, 1.0], 40)[1]) == [3.0, 1.0]
