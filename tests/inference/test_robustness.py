"""From the feedforward pass the default solver reaches a certified equilibrium at every size and output scale."""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.inference import Criterion, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.training import GradientDescent, Schedule, train
from tests.cases import Case
from tests.oracles import activity_gradient_norms

SOLVER = SweepsThenNewton(1e-6)
QUICK = [(4, 32, 0.1), (8, 3, 1.0), (32, 8, 4.0), (128, 2, 0.1)]
GRID = [
    pytest.param(*size, marks=() if size in QUICK else pytest.mark.slow)
    for size in product((4, 8, 32, 128), (2, 3, 8, 32), (0.1, 1.0, 4.0))
]


def assert_certified(problem):
    answer = equilibrate(problem, SOLVER).require()
    start = jax.jit(feedforward)(problem.network, problem.x)
    feedforward_energies = jax.vmap(problem.loss)(start.output, problem.y)
    assert np.all(answer.criterion == Criterion.GRADIENT)
    assert np.all(answer.energies <= feedforward_energies * (1 + 1e-12))
    scale = activity_gradient_norms(problem, start.activities)
    assert np.all(activity_gradient_norms(problem, answer.activities) <= 1.001e-6 * scale)


def strong(width: int, depth: int, gamma_0: float):
    return Case(mupc_skips(gamma_0), jnp.tanh, width=width, depth=depth, inputs=10).problem()


@pytest.mark.parametrize("width, depth, gamma_0", GRID)
def test_the_default_reaches_one_in_a_million_at_initialisation(width, depth, gamma_0):
    assert_certified(strong(width, depth, gamma_0))


@pytest.mark.slow
@pytest.mark.parametrize("width, depth, gamma_0", GRID)
def test_the_default_reaches_one_in_a_million_after_fifty_training_steps(width, depth, gamma_0):
    problem = strong(width, depth, gamma_0)
    trained = train(problem, GradientDescent(0.05), Schedule(50, SOLVER))
    assert np.all(trained.history.converged) and trained.history.energy[-1] < trained.history.energy[0]
    assert_certified(replace(problem, network=trained.pc))


def test_the_default_falls_through_to_newton_where_sweeps_diverge():
    problem = strong(*QUICK[0])
    assert not equilibrate(problem, Sweeps(1e-6)).converged
    assert equilibrate(problem, SOLVER).converged
