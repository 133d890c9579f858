"""What the chapter on the activity Hessian writes out: the ends of a chain, and descent that counts its steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import energy
from pcn_lib.network import feedforward
from tests.cases import Case
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("activity_hessian", profile="smoke")


@pytest.mark.parametrize("hidden", [2, 7])
def test_the_ends_of_a_chain_are_those_of_its_matrix(names, hidden: int):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    values = np.linalg.eigvalsh(chain.T @ chain)
    np.testing.assert_allclose(names["skip_chain_ends"](hidden), (values[0], values[-1]), rtol=1e-12)


def test_descent_stops_at_the_first_step_that_meets_the_tolerance(names):
    problem = Case(batch=2, depth=3).problem()
    steps = int(names["descent_steps"](problem, jnp.asarray(0.2)))
    slope = jax.jit(jax.grad(lambda z: 2 * energy(problem, z)))
    z = feedforward(problem.network, problem.x).activities
    norms = []
    for _ in range(steps + 1):
        gradient = slope(z)
        norms.append(float(jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))))
        z = jax.tree.map(lambda a, g: a - 0.2 * g, z, gradient)
    assert norms[steps] <= names["TOLERANCE"] * norms[0] < norms[steps - 1]
