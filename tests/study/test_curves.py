"""A training's history as named variables, against numbers worked out by hand and the training itself."""

import time
from dataclasses import replace

import numpy as np
import pytest

from pcn_lib.energy import one_unit_problem
from pcn_lib.rescaling import LinearExact
from pcn_lib.study import curves, parts
from pcn_lib.study.timing import cpu_seconds
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
    # BP's slopes are -6 (2, 1, 2), so that the weights are 1.12, 2.06 and 1.12 after one step.
    np.testing.assert_allclose(trained["bp_loss"][1][1], (8 - 1.12 * 2.06 * 1.12) ** 2 / 2, rtol=1e-12)


@pytest.mark.parametrize("ticks, calls, least", [([9, 4, 8, 1], 4, 4), ([3, 1, 2, 1, 2, 1], 6, 1), ([21, 1], 2, 21)])
def test_a_call_is_timed_until_it_has_taken_twenty_milliseconds_or_five_times(monkeypatch, ticks, calls, least):
    """Each call takes as many milliseconds by a clock of our own; what is compiled at first is not timed."""
    clock, made = [0.0], []
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    def call():
        clock[0] += ticks[len(made) - 1] / 1000 if made else 100
        made.append(1)
        return "answer"

    answer, seconds = cpu_seconds(call)
    assert (answer, len(made)) == ("answer", calls) and seconds == pytest.approx(least / 1000)


def test_a_curve_is_kept_in_means_of_equal_parts_that_end_with_the_training():
    axis, means = parts(np.concatenate([[1e9], np.repeat(np.arange(33), 2)]), 33)
    assert axis == "part"
    np.testing.assert_array_equal(means, np.arange(33))
    assert parts(np.arange(938.0), 40)[1][0] == np.arange(18, 41).mean()
    np.testing.assert_array_equal(parts(np.arange(100.0), 40)[1][[0, -1]], [20.5, 98.5])
    assert list(parts([3.0, 1.0], 40)[1]) == [3.0, 1.0]
