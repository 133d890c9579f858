"""The formulae that the chapter on depth writes out, against slow computations of the same thing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.equivalence import BASE, corrections, equivalent
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Exponents, abcd, mupc_skips
from pcn_lib.rescaling import LinearExact, expected_rescaling, linear_jacobians
from pcn_lib.training import GradientDescent, Schedule, train
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("depth", profile="smoke")


def drawn(mlp: MLP, key: jax.Array) -> Problem:
    x = jax.random.normal(jax.random.key(9), (4, 4), "float64")
    return Problem(mlp.init(key, BASE, "float64"), x, jnp.array([[1.0], [1.0], [-1.0], [-1.0]]))


def test_the_predicted_rescaling_is_the_exact_expectation(names):
    mlp = MLP(4, 64, 6, skips=True)
    assert names["predict"](0.5, 6, 64)["s"] - 1 == pytest.approx(expected_rescaling(mlp, mupc_skips()), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_predicted_update_is_the_tangent_kernel_of_a_wide_network(names, alpha: float):
    width, layers = 400, 5
    mlp = MLP(2, width, layers, skips=True)
    network = mlp.init(jax.random.key(0), abcd(Exponents(alpha=alpha)), jnp.float64)
    x = jnp.array([[1.0, 1.0]])  # ||x||^2 / D = 1

    def output(network):
        return Problem(network, x, jnp.zeros((1, 1))).network.sample_forward(x[0]).output[0]

    gradient = jax.grad(output)(network)
    squares = [width * float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient)]  # rate eta N; input, stack, readout
    theory = names["predict"](alpha, layers, width)
    assert squares[1] == pytest.approx(theory["output"], rel=0.25)
    assert sum(squares) == pytest.approx(theory["everything"], rel=0.25)


@pytest.mark.parametrize("place", [0, 1], ids=["muPC", "lazy"])
def test_corrections_are_those_of_two_small_steps(names, place: int):
    """Against actual steps in the network's own parameterisation, their size extrapolated to zero."""
    mlp, tables, rate = MLP(4, 16, 5, skips=True), list(names["CORRECTED"].values()), 1e-3
    key = jax.random.key(1)
    base = drawn(mlp, key)
    found = float(corrections(base, equivalent(tables, mlp))[place])
    network = mlp.init(key, tables[place], jnp.float64)
    own = replace(base, network=network)
    before = feedforward(network, own.x).output
    s = 1 + float(jnp.sum(jnp.concatenate([P.reshape(-1) for P in linear_jacobians(network)]) ** 2))

    def slope(method: str) -> np.ndarray:
        def moved(step: float) -> np.ndarray:
            trained = getattr(train(own, GradientDescent(step), Schedule(1, LinearExact())), method)
            return np.asarray(feedforward(trained, own.x).output - before) / step

        return 2 * moved(rate / 2) - moved(rate)

    pc, bp = slope("pc"), slope("bp")
    slow = np.linalg.norm(s * pc - bp) / np.linalg.norm(bp)
    assert found == pytest.approx(slow, rel=1e-3)


def test_the_overlap_of_activities_and_jacobian_is_the_output():
    """The identity h_l . P_l = f behind the corrections' power 3/2: a sum of N products that is not of order N."""
    problem = drawn(MLP(4, 8, 5, skips=True), jax.random.key(0))
    (first, stack), output = feedforward(problem.network, problem.x)
    low, high = linear_jacobians(problem.network)
    assert np.allclose(first @ low[0], output[:, 0], rtol=1e-12)
    assert np.allclose(np.einsum("bln,ln->bl", stack, high[0]), output, rtol=1e-12)


def test_hidden_only_leaves_input_and_readout_where_they_are(names):
    frozen = names["hidden_only"](mupc_skips(), depth_power=1.0)
    network = MLP(4, 8, 5, skips=True).init(jax.random.key(0), frozen, jnp.float64)
    first, hidden, readout = jax.tree.leaves(network.rates(lambda scales: scales.gd_rate))
    assert (first, hidden, readout) == (0.0, 8.0 * 5, 0.0)


def test_scatter_without_skips_is_that_of_a_product_of_chi_squares(names):
    depth = names["sizes"].scatter_depth
    slow = np.log(np.random.default_rng(0).chisquare(10, size=(50_000, depth - 1))).sum(axis=1).var()
    assert names["variance_predicted"](False, 10, depth)[-1] == pytest.approx(slow, rel=0.03)


def test_scatter_with_skips_is_that_of_a_chain_of_random_steps(names):
    depth = names["sizes"].scatter_depth
    h, rng = np.random.default_rng(0).standard_normal((4_000, 200)), np.random.default_rng(1)
    for _ in range(depth - 2):
        size = np.linalg.norm(h, axis=1, keepdims=True) / np.sqrt(200)
        h = h + size * rng.standard_normal(h.shape) / np.sqrt(depth)
    slow = np.log((h**2).sum(axis=1)).var()
    assert names["variance_predicted"](True, 200, depth)[-1] == pytest.approx(slow, rel=0.1)
