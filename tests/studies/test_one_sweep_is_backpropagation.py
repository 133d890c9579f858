"""What the chapter on sweeps writes out, against dense derivatives and against what one does by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pcn_lib.energy import Problem
from pcn_lib.network import MLP, zero_errors
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import mupc_skips, sp, sp_uniform
from pcn_lib.rescaling import LinearExact
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("one_sweep_is_backpropagation", profile="smoke")


def a_problem(activation, width=4, depth=3, *, table=None, skips=True, outputs=2, samples=1, **given) -> Problem:
    keys = jax.random.split(jax.random.key(0), 3)
    mlp = MLP(3, width, depth, outputs, activation=activation, skips=skips)
    x, y = (jax.random.normal(key, (samples, n), "float64") for key, n in ((keys[1], 3), (keys[2], outputs)))
    return Problem(mlp.init(keys[0], table or mupc_skips(), "float64"), x, 3 * y, **given)


@pytest.mark.parametrize("activation", [identity, jnp.tanh])
def test_the_contraction_factors_are_those_of_the_dense_derivative(names, activation):
    problem = a_problem(activation, output_precision=2.0)
    flat, unravel = ravel_pytree(zero_errors(problem.network, problem.x))
    flat = flat + 0.3

    def output(e):
        errors = jax.tree.map(lambda leaf: leaf[0], unravel(e))
        return problem.network.sample_forward(problem.x[0], errors).output

    derivative = jax.jacobian(lambda e: ravel_pytree(names["sweep"](problem, unravel(e))[1])[0])(flat)
    P = jax.jacobian(output)(flat)
    found = names["contraction"](problem, unravel(flat), jax.random.key(3))
    np.testing.assert_allclose(found["contraction"], np.linalg.norm(derivative, 2), rtol=1e-3)
    np.testing.assert_allclose(found["curvature"], np.linalg.norm(derivative + 2 * P.T @ P, 2), rtol=1e-3, atol=1e-12)
    # The Hessian in the errors: nowhere below 1 for a linear network, on both sides of it with an activation.
    least = np.linalg.eigvalsh(np.eye(len(flat)) - derivative).min()
    assert least > 1 - 1e-12 if activation is identity else least < 0.999


def test_in_sp_the_variance_of_the_draw_decides_whether_sweeps_contract(names):
    """||lambda M|| is about L - 1 for variance 1/N and below one half for 1/(3N), without skips and with one output."""
    draw = partial(a_problem, identity, 256, 4, skips=False, outputs=1)
    textbook, uniform = (
        names["iterate"](draw(table=table), jax.random.key(1), LinearExact()) for table in (sp(), sp_uniform())
    )
    assert textbook["metric"] == pytest.approx(3, rel=0.4)
    assert uniform["metric"] == pytest.approx((1 - 3.0**-3) / 2, rel=0.4) and uniform["metric"] < 1
    for found in (textbook, uniform):
        np.testing.assert_allclose(found["contraction"], found["metric"], rtol=1e-3)
        np.testing.assert_allclose(
            found["distance"], np.asarray(found["metric"]) ** np.arange(12), rtol=1e-3, atol=1e-12
        )
        assert found["first_sweep"] < 1e-14


def test_a_minimum_on_a_kink_is_no_fixed_point_of_the_sweep(names):
    """Part 1 needs differentiable layers: relu(1/2 + e) with target -1 has its minimum at e = -1/2, on the kink."""
    network = MLP(1, 1, 2, 1, activation=jax.nn.relu).init(jax.random.key(0), sp(), "float64")
    network = jax.tree.map(jnp.ones_like, network)
    problem = Problem(network, jnp.array([[0.5]]), jnp.array([[-1.0]]))
    grid = np.linspace(-2, 2, 4001)
    energies = grid**2 / 2 + (1 + np.maximum(0.5 + grid, 0)) ** 2 / 2
    assert grid[np.argmin(energies)] == pytest.approx(-0.5, abs=1e-3)
    for e in (-0.5 - 1e-9, -0.5, -0.5 + 1e-9):
        assert abs(names["sweep"](problem, (jnp.array([[e]]),))[1][0].item() - e) > 0.4
