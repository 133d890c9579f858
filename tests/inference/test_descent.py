"""Gradient descent on the activities, by count."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pcn_lib.energy import energy
from pcn_lib.inference import ActivityDescent, Criterion, SweepsThenNewton, equilibrate
from pcn_lib.network import feedforward
from pcn_lib.numerics import tree_axpy
from tests.cases import Case
from tests.oracles import relative_gap

SGD = optax.sgd(0.2)


def test_each_step_descends_the_gradient_of_every_samples_own_energy():
    problem = Case(activation=jnp.tanh, output_precision=1.3).problem()
    z = jax.jit(feedforward)(problem.network, problem.x).activities
    gradient = jax.jit(jax.grad(energy, argnums=1))
    for _ in range(5):
        # The energy is a mean over the batch: times B it is the sum of the samples' own.
        z = tree_axpy(-0.2 * 4, gradient(problem, z), z)
    answer = equilibrate(problem, ActivityDescent(SGD, 5))
    assert relative_gap(answer.activities, z) < 1e-13
    assert np.all(answer.steps == 5) and np.all(answer.criterion == Criterion.NONE)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_solver_agrees_with_gradient_descent_run_very_long(seed):
    problem = Case(activation=jnp.tanh, seed=seed).problem()
    slow = equilibrate(problem, ActivityDescent(SGD, 20_000, tolerance=1e-8)).require()
    fast = equilibrate(problem, SweepsThenNewton(1e-10)).require()
    np.testing.assert_allclose(fast.energies, slow.energies, rtol=1e-10)
