"""Newton's method in the errors: right where the answer is known, and where sweeps do not contract."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.inference import Criterion, NewtonCG, SweepsThenNewton, equilibrate
from pcn_lib.network import feedforward
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import activity_gradient_norms, relative_gap


def near_fit(case: Case, gap: float):
    """The case's problem with targets moved to the feedforward outputs but for a share ``gap`` of the way."""
    problem = case.problem()
    output = jax.jit(feedforward)(problem.network, problem.x).output
    return replace(problem, y=output + gap * (problem.y - output))


def test_newton_finds_the_exact_equilibrium_of_a_linear_network():
    problem = Case(output_precision=30.0).problem()
    found, exact = equilibrate(problem, NewtonCG(1e-12)).require(), equilibrate(problem, LinearExact())
    assert relative_gap(found.activities, exact.activities) < 1e-10
    np.testing.assert_allclose(found.energies, exact.energies, rtol=1e-12)


def test_conjugate_gradients_see_no_more_than_the_outputs_and_need_few_newton_steps():
    # The Hessian of a linear network is I + lambda P^T P: K + 1 eigenvalues, one Newton step solves it.
    answer = equilibrate(Case(outputs=1, output_precision=30.0).problem(), NewtonCG(1e-6))
    assert np.all(answer.steps <= 3)


@pytest.mark.parametrize("solver", [NewtonCG(1e-8), SweepsThenNewton(1e-8)], ids=["NewtonCG", "SweepsThenNewton"])
def test_samples_that_are_almost_fitted_reach_the_tolerance_although_their_energy_is_all_rounding(solver):
    # E is of order 1e-10 and outputs of order 1: E is known to 1e-6 of itself, and no step to the tolerance lowers it
    # by as much.
    problem = near_fit(Case(activation=jnp.tanh, width=4, depth=16, batch=64), 1e-5)
    answer = equilibrate(problem, solver)
    assert np.all(answer.criterion == Criterion.GRADIENT)
    start = jax.jit(feedforward)(problem.network, problem.x)
    scale = activity_gradient_norms(problem, start.activities)
    # The oracle differentiates F itself, where z_l - f_l(z_{l-1}) cancels to about eps.
    assert np.all(activity_gradient_norms(problem, answer.activities) <= 1e-8 * scale + 1e-14)


def test_steps_across_a_kink_end_and_do_not_go_round_in_circles():
    case = Case(activation=jax.nn.relu, width=16, depth=8, batch=32, output_precision=10.0, dtype="float32")
    answer = equilibrate(near_fit(case, 0.1), NewtonCG(1e-5))
    assert np.any(answer.criterion == Criterion.STATIONARY)
    assert np.all(answer.criterion != Criterion.NONE)
