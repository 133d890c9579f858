"""Nonlinear networks: the first order of the gap, what it follows from, and the search below kinked equilibria."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib import gap as library
from pcn_lib.energy import Problem, cross_entropy, energy, loss
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_skips
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("nonlinear_networks", profile="smoke")


def drawn(width: int, depth: int, activation=jnp.tanh, samples: int = 3) -> Problem:
    x, y = jax.random.normal(jax.random.key(1), (samples, 10)), jnp.eye(3)[jnp.arange(samples) % 3]
    network = MLP(10, width, depth, 3, activation, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    return Problem(network, x, y)


def test_the_first_order_bounds_the_gap_of_a_wide_linear_network_and_nearly_meets_it(names):
    depth, width, precision = 4, 128, 0.3
    network = MLP(10, width, depth, 3, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    problem = replace(drawn(width, depth), network=network, loss=cross_entropy, output_precision=precision)
    gap = 1 - equilibrate(problem, Sweeps(tolerance=1e-9)).require().energy / precision / jax.jit(loss)(problem)
    first = names["first_order_gap"](problem)
    assert 1 - depth / width < float(gap / first) < 1
    np.testing.assert_allclose(first, library.first_order_gap(problem), rtol=1e-10)


def test_errors_and_activities_approach_those_of_backpropagation_as_one_over_the_width():
    """The relative errors from which the gradient's follows, and not from that of the energies."""

    @jax.jit
    def apart(problem):
        reached = Sweeps(1e-10)(problem)

        def total(e):
            return -jnp.sum((feedforward(problem.network, problem.x, e).output - problem.y) ** 2) / 2

        deltas = jax.grad(total)(jax.tree.map(jnp.zeros_like, reached.errors))
        h = feedforward(problem.network, problem.x).activities
        pairs = ((reached.errors, deltas), (reached.activities, h))
        return [tree_norm(tree_subtract(ours, theirs)) / tree_norm(theirs) for ours, theirs in pairs], reached.converged

    widths = (64, 128, 256)
    distances, converged = zip(*(apart(drawn(width, 5)) for width in widths), strict=True)
    assert all(converged)
    for column in np.array(distances).T:
        assert np.polyfit(np.log(widths), np.log(column), 1)[0] == pytest.approx(-1, abs=0.25)


def test_a_search_finds_the_energy_of_its_errors_which_is_lower_only_on_kinks(names):
    @jax.jit
    def energy_of(alone, errors):
        e = jax.tree.map(lambda leaf: leaf[None], errors)
        return energy(alone, feedforward(alone.network, alone.x, e).activities)

    drops = {}
    for activation in (jnp.tanh, jax.nn.relu):
        problem = drawn(4, 8, activation)
        still = equilibrate(problem, SweepsThenNewton(1e-8))
        for i in range(3):
            errors, lowest = names["search"](problem, still, i)
            alone = replace(problem, x=problem.x[i : i + 1], y=problem.y[i : i + 1])
            assert energy_of(alone, errors) == pytest.approx(lowest, rel=1e-10)
            drops.setdefault(activation, []).append(float(still.energies[i]) - lowest)
    assert max(drops[jnp.tanh]) < 1e-10 and min(drops[jax.nn.relu]) >= 0 and max(drops[jax.nn.relu]) > 1e-6
