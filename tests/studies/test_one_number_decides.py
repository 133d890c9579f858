"""What the chapter on the one number writes out: stations and their gradients, the constants of networks, residuals."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.energy import Problem
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import linear_jacobians
from tests.oracles import central_differences, feedforward_by_loops, flat, jacobian_products, relative_gap
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("one_number_decides", profile="smoke", iterations=3)


def a_problem(activation=identity, outputs=1, samples=2) -> Problem:
    keys = jax.random.split(jax.random.key(0), 3)
    network = MLP(3, 4, 5, outputs, activation=activation, skips=True).init(keys[0], mupc_skips(), "float64")
    x, y = (jax.random.normal(key, (samples, n), "float64") for key, n in ((keys[1], 3), (keys[2], outputs)))
    return Problem(network, x, 3 * y)


def loss_of(problem: Problem, errors=None):
    """The loss as a function of the network, with prediction errors held fixed."""
    return lambda network: jnp.mean(jnp.sum((problem.y - feedforward(network, problem.x, errors).output) ** 2, 1)) / 2


def log_gram(network):
    return jnp.log(sum(jnp.sum(P**2) for P in linear_jacobians(network)))


def test_each_station_learns_backpropagations_gradient_with_its_errors_held_fixed(names):
    problem, precision = a_problem(), 0.7
    with jax.numpy_rank_promotion("allow"):
        found = names["everywhere"](problem, precision)
    r = problem.y - feedforward_by_loops(problem.network, problem.x)[1]
    m = sum(float(np.sum(P**2)) for P in jacobian_products(problem.network))
    kappa, bp = precision * m, central_differences(loss_of(problem), problem.network)
    q, products = kappa / (1 + kappa), jax.jit(linear_jacobians)(problem.network)
    for place, t in enumerate((0, kappa, kappa - kappa**2, q, q**2, q**3)):
        errors = jax.tree.map(lambda P, t=t: t / m * jnp.tensordot(r, P, axes=1), products)
        G = central_differences(loss_of(problem, errors), problem.network)
        np.testing.assert_allclose(found["t"][place], t, atol=1e-9)
        np.testing.assert_allclose(found["relative_error"][place], relative_gap(G, bp), atol=1e-7)
        np.testing.assert_allclose(found["cosine"][place], G @ bp / np.linalg.norm(G) / np.linalg.norm(bp), rtol=1e-7)
        assert found["formula"][place] < 1e-10
    log_M, log_L = central_differences(log_gram, problem.network), bp / float(loss_of(problem)(problem.network))
    C = np.linalg.norm(log_M) / np.linalg.norm(log_L)
    expected = dict(kappa=kappa, C=C, between=log_M @ log_L / np.linalg.norm(log_L) ** 2 / C)
    expected["first_order"] = kappa * np.linalg.norm(log_M + log_L) / np.linalg.norm(log_L)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-7, err_msg=name)


def test_a_small_residual_is_as_large_as_asked_for(names):
    problem = a_problem(outputs=3)
    f = feedforward_by_loops(problem.network, problem.x)[1]
    np.testing.assert_allclose(names["near"](problem, 1e-3).y, f + 1e-3 * problem.y, rtol=1e-12)
    classes = replace(problem, y=jnp.eye(3)[:2], loss=names["certain"])
    bias, label = np.moveaxis(np.asarray(names["near"](classes, 1e-3).y), 1, 0)
    p = np.exp(f + bias) / np.exp(f + bias).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p[[0, 1], [0, 1]], 1 - 1e-3, rtol=1e-12)
    np.testing.assert_array_equal(label, classes.y)
    assert float(names["certain"](jnp.asarray(f[0]), jnp.stack([bias[0], label[0]]))) == pytest.approx(
        -np.log(1 - 1e-3), rel=1e-9
    )


def test_the_limit_is_backpropagation_of_the_residual_times_the_inverse_rescaling(names):
    problem = a_problem(outputs=2)
    with jax.numpy_rank_promotion("allow"):
        found = names["limit_of"](problem)
    P = jacobian_products(problem.network)
    S = np.eye(2) + sum(one @ one.T for one in P)
    shrunk = (problem.y - feedforward_by_loops(problem.network, problem.x)[1]) @ np.linalg.inv(S).T
    along = lambda network: -jnp.sum(shrunk * feedforward(network, problem.x).output) / 2  # noqa: E731
    np.testing.assert_allclose(flat(found), central_differences(along, problem.network), atol=1e-8)


def test_a_tangent_is_known_for_acute_angles_only(names):
    one = xr.Dataset(dict(cosine=("seed", [0.6, -0.6]), one_minus_cosine=("seed", [0.4, 1.6])))
    np.testing.assert_allclose(names["tangent"](one), [4 / 3, np.nan])
