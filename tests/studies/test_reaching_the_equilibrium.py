"""What the chapter on reaching the equilibrium writes out: budgets, solvers with traced numbers, ends of descents."""

import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.inference import Sweeps, equilibrate, gradient_descent
from pcn_lib.network import zero_errors
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("reaching_the_equilibrium", profile="smoke", wide=(32, 2), narrow=(2, 4))


def test_descents_are_stopped_at_powers_of_four_and_at_the_scripts_count(names):
    assert names["budgets"]("gradient descent", 7) == [1, 4, 16, 64, 256, 700]
    assert names["budgets"]("sweeps", 7)[-1] == 2 * names["budgets"]("Newton-CG", 7)[-1] == 32


def test_numbers_given_at_run_time_take_the_steps_that_the_solver_takes(names):
    problem = names["network_problem"]("tanh", "wide")
    reached = names["solve"](problem, lambda steps: gradient_descent(0.3, steps), 100)
    np.testing.assert_allclose(reached.energies, equilibrate(problem, gradient_descent(0.3, 100)).energies, rtol=1e-12)
    assert reached.steps.tolist() == 8 * [100]


def test_a_descent_from_the_feedforward_pass_of_a_wide_network_ends_at_its_equilibrium(names):
    problem = names["network_problem"]("tanh", "wide")
    start = zero_errors(problem.network, problem.x)
    energies, norms = names["descend"](problem, start, 1000)
    np.testing.assert_allclose(energies, equilibrate(problem, Sweeps(1e-9)).require().energies, rtol=1e-6)
    assert jnp.all(norms < 1e-3 * names["descend"](problem, start, 0)[1])


def test_every_sample_has_the_same_starts_and_the_first_is_the_feedforward_pass(names):
    problem, n = names["network_problem"]("tanh", "narrow"), names["sizes"].starts
    for leaf in names["starting_errors"](problem):
        assert leaf.shape[0] == 8 * n and not jnp.any(leaf[::n])
        np.testing.assert_array_equal(leaf[:n], leaf[n : 2 * n])
