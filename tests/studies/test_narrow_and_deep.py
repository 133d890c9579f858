"""What the chapter on narrow and deep networks writes out: sweeps, the public protocol, parts, and its training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, one_unit_problem
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate, gradient_descent
from pcn_lib.network import MLP
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import mupc_skips
from tests.oracles import jacobian_products, relative_gap
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("narrow_and_deep", profile="smoke")


def a_problem(activation, depth=5) -> Problem:
    keys = jax.random.split(jax.random.key(0), 3)
    network = MLP(3, 4, depth, 2, activation, skips=True).init(keys[0], mupc_skips(), "float64")
    x, y = (jax.random.normal(key, (2, n), "float64") for key, n in ((keys[1], 3), (keys[2], 2)))
    return Problem(network, x, 3 * y)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_errors_after_k_sweeps_of_a_linear_network_are_the_truncated_series(names, count):
    problem = a_problem(identity)
    P = np.concatenate([np.asarray(one) for one in jacobian_products(problem.network)], axis=1)
    T, d = P.T @ P, names["flat"](names["swept"](problem, 1))
    series = sum(d @ np.linalg.matrix_power(-T, j) for j in range(count))
    np.testing.assert_allclose(names["flat"](names["swept"](problem, count)), series, rtol=1e-9, atol=1e-12)


def test_one_sweep_is_backpropagation_and_two_learn_from_the_pass_that_the_first_one_perturbs(names):
    problem = a_problem(jnp.tanh)
    once, seen = names["by_sweeps"](problem, 1)
    assert relative_gap(once, jax.jit(bp_gradient)(problem)) < 1e-14 and seen["passes"] == 3
    # By hand: w = (1, 2, 1), x = 1, y = 8: errors (12, 6), output 2 + 2 * 12 + 6 = 32, residual -24.
    chain = one_unit_problem(weights=(1, 2, 1), x=1, y=8)
    chain = Problem(jax.tree.map(lambda weight: weight.astype("float64"), chain.network), chain.x * 1.0, chain.y * 1.0)
    gradient, seen = names["by_sweeps"](chain, 2)
    found = [float(leaf.squeeze()) for leaf in jax.tree.leaves(gradient)]
    np.testing.assert_allclose(sorted(found), sorted([24 * 2, 24 * 13, 24 * 32]), rtol=1e-12)
    assert seen["passes"] == 5


def test_the_protocol_without_multipliers_is_gradient_descent_on_the_activities(names):
    problem = a_problem(jnp.tanh)
    steps = 2 * problem.network.depth
    stopped = equilibrate(problem, gradient_descent(names["sizes"].state_rate, steps))
    with jax.numpy_rank_promotion("allow"):
        found, seen = names["by_protocol"](problem, 0.0)
    assert relative_gap(found, jax.jit(pc_gradient)(problem, stopped)) < 1e-10
    assert seen["passes"] == 2 * steps + 1


def test_the_protocol_with_multipliers_is_its_recursion_written_out_for_one_hidden_unit(names):
    w, v, x, y, eta = 1.5, 0.7, 2.0, 1.0, names["sizes"].state_rate
    z, mu = w * x, 0.0
    for _ in range(4):
        z -= eta * (z - w * x + mu - v * (y - v * z))
        before, mu = mu, mu + z - w * x
    gradient, _ = names["by_protocol"](one_unit_problem(weights=(w, v), x=x, y=y), 1.0)
    found = [float(leaf.squeeze()) for leaf in jax.tree.leaves(gradient)]
    np.testing.assert_allclose(sorted(found), sorted([-(z - w * x + before) * x, -(y - v * z) * z]), rtol=1e-5)


@pytest.fixture(scope="module")
def by_rounds(names):
    """Compiled whole, once for every number of rounds and steps."""
    return jax.jit(names["by_rounds"])


def test_the_first_round_with_penalty_one_is_the_equilibrium_and_is_told_as_passes(names, by_rounds):
    problem = a_problem(jnp.tanh)
    one, seen = by_rounds(problem, 1.0, 1, 100, 0)
    reached = equilibrate(problem, Sweeps(names["sizes"].tolerance, 100, accelerate=True))
    assert relative_gap(one, jax.jit(pc_gradient)(problem, reached)) < 1e-12
    assert seen["passes"] == 2 * int(reached.steps.max()) + 3 and seen["certified"] == 1
    assert by_rounds(problem, 1.0, 1, 1, 0)[1]["certified"] == 0


def test_newtons_steps_certify_what_one_sweep_leaves_and_are_told_as_twenty_sweeps_each(names, by_rounds):
    problem, tolerance = a_problem(jnp.tanh), names["sizes"].tolerance
    _, seen = by_rounds(problem, 1.0, 1, 1, 20)
    steps = int(equilibrate(problem, SweepsThenNewton(tolerance, 1, 20, jnp.inf)).steps.max())
    assert seen["certified"] == 1 and seen["passes"] == 2 * (1 + 20 * (steps - 1)) + 3


def test_training_by_one_sweep_descends_the_loss_as_adam_does_on_backpropagation(names):
    problem = a_problem(jnp.tanh, depth=3)
    batches = jnp.zeros((2, 1), int)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        network, seen = names["train"](problem.network, problem.x, problem.y, batches, names["by_sweeps"], (1,))
    first = Problem(problem.network, problem.x[:1], problem.y[:1])
    np.testing.assert_allclose(seen["cosine"], 1, rtol=1e-12)
    # Adam's first step is its rate times the sign of the gradient.
    rate = names["sizes"].rate * (4 * 3) ** -0.5
    once = jax.tree.map(lambda w, g: w - rate * g / (abs(g) + 1e-8), problem.network, bp_gradient(first))
    loss = 0.5 * float(jnp.sum((once.sample_forward(problem.x[0]).output - problem.y[0]) ** 2))
    np.testing.assert_allclose(seen["loss"][1], loss, rtol=1e-6)
    assert set(seen) == {"loss", "cosine", "certified", "passes"}
