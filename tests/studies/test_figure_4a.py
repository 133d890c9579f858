"""Figure 4a: changes over training, trainings at two rates, inference stopped by count, the chain of skips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import equilibrate, gradient_descent
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.training import Adam, Schedule, train
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("figure_4a", profile="smoke")


@pytest.fixture(scope="module")
def problem() -> Problem:
    network = MLP(10, 8, 4, 3, jnp.tanh, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    return Problem(network, jax.random.normal(jax.random.key(1), (3, 10)), jnp.eye(3))


@pytest.mark.parametrize(("hidden", "rate", "steps"), [(2, 0.3, 1), (5, 0.1, 7), (31, 0.3, 3100)])
def test_a_chain_of_skips_keeps_the_residual_that_descent_on_its_matrix_leaves(hidden, rate, steps):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    gradient = np.eye(hidden)[-1]
    for _ in range(steps):
        gradient = gradient - rate * chain.T @ (chain @ gradient)
    assert skip_chain_residual(hidden, rate, steps) == pytest.approx(np.linalg.norm(gradient), rel=1e-9)


def test_where_inference_ends_is_measured_with_the_solver_given(names, problem):
    found = names["ended"](problem, gradient_descent(0.3, 7))
    reached = equilibrate(problem, gradient_descent(0.3, 7))
    alike = jax.jit(lambda at: compare(pc_gradient(problem, at), bp_gradient(problem)).total)(reached)
    assert found["residual"] == pytest.approx(float(reached.residual.max())) and found["residual"] > 0.01
    assert found["cosine"] == pytest.approx(float(alike.cosine)) == pytest.approx(1 - found["one_minus_cosine"])


def test_backpropagation_at_the_rate_of_predictive_coding_is_the_training_of_the_library(names, problem):
    names["sizes"] = names["sizes"].__class__("smoke", {**names["sizes"], "steps": 3, "rate": 1e-2})
    solver = names["INFERENCE"]["equilibrium"]
    with jax.numpy_dtype_promotion("standard"):
        found = names["trainings"](problem)
        history = train(problem, Adam(1e-2), Schedule(3, solver)).history
    np.testing.assert_allclose(1 - found["cosine"][:, 0], history.comparison.total.one_minus_cosine, rtol=1e-3)
    # The first gradients are of the same weights, whatever the rate; the later ones are not.
    assert found["cosine"][0, 0] == found["cosine"][0, 1] and found["cosine"][2, 0] != found["cosine"][2, 1]


def test_a_change_is_that_of_the_published_curve_since_its_first_point(names):
    lines = {(8, 1): 0.032, (8, 50): -0.003, (8, 55): -0.006, (512, 1): 0.992, (512, 50): 0.991, (512, 98): 0.979}
    theirs = np.array([lines[n, t] - lines[n, 1] for n, t in ((8, 50), (8, 55), (512, 50), (512, 98))])
    cosine = np.random.default_rng(0).normal(size=(2, 6, 100, 1))
    axes = dict(width=[8, 512], batch=range(6), step=range(100), rate=["equal"])
    found = names["changes"](xr.Dataset(dict(cosine=(tuple(axes), cosine)), axes), "equal")
    ours = np.array([cosine[k, :, t, 0] - cosine[k, :, 1, 0] for k, t in ((0, 50), (0, 55), (1, 50), (1, 98))])
    np.testing.assert_allclose(found.mean, ours.mean(axis=1))
    variance = ours.var(axis=1, ddof=1) * 7 / 6 + 2 * 0.003**2 / 3
    np.testing.assert_allclose(found.deviations, (theirs - ours.mean(axis=1)) / np.sqrt(variance), rtol=1e-6)
