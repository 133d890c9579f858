"""What the chapter on multipliers writes out: amplitudes of a linear network, curvatures, factors, who is led back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

from pcn_lib.energy import Problem
from pcn_lib.network import MLP, zero_errors
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import mupc_skips
from tests.oracles import jacobian_products
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("multipliers", profile="smoke", rounds=5)


def a_problem(activation, outputs=1, samples=2) -> Problem:
    keys = jax.random.split(jax.random.key(0), 3)
    network = MLP(3, 4, 5, outputs, activation=activation, skips=True).init(keys[0], mupc_skips(), "float64")
    x, y = (jax.random.normal(key, (samples, n), "float64") for key, n in ((keys[1], 3), (keys[2], outputs)))
    return Problem(network, x, 3 * y)


def test_in_a_network_with_one_output_both_iterations_are_geometric_series_between_the_same_ends(names):
    problem, rho, k = a_problem(identity), 2.0, np.arange(1, names["sizes"].rounds + 1)
    m = sum(float(np.sum(P**2)) for P in jacobian_products(problem.network))
    with jax.numpy_rank_promotion("allow"):
        found = names["linear_rounds"](problem, rho)
    np.testing.assert_allclose(found["m"], [m], rtol=1e-12)
    np.testing.assert_allclose(found["pc"], 1 / (1 + m), rtol=1e-10)
    np.testing.assert_allclose(found["multipliers"], 1 - (m / (rho + m)) ** k, rtol=1e-10)
    np.testing.assert_allclose(found["sweeps"], (1 - (-m) ** k) / (1 + m), rtol=1e-10)
    np.testing.assert_allclose(found["left"][1:] / found["left"][:-1], m / (rho + m) * np.ones((len(k), 1)), rtol=1e-8)


def test_the_curvatures_are_those_of_the_derivative_of_delta(names):
    problem = a_problem(jnp.tanh, outputs=2, samples=1)
    flat, unravel = ravel_pytree(zero_errors(problem.network, problem.x))
    B = -jax.jacobian(lambda e: ravel_pytree(names["delta"](problem, unravel(e)))[0])(flat)
    values = np.linalg.eigvalsh(B)
    assert values[0] < -0.01 < 0.01 < values[-1]
    np.testing.assert_allclose(names["curvature"](problem)[0], values[[0, -1]], rtol=1e-9)


def test_a_problem_is_of_its_size_and_activation_and_its_data_are_every_networks(names):
    one, other = (names["draw_problem"](name, (4, 6), 3, 1) for name in ("linear", "relu"))
    assert one.network.linear and not other.network.linear and one.network.depth == 6
    np.testing.assert_array_equal(one.y, other.y)
    assert not np.array_equal(
        one.network.readout.weight[...], names["draw_problem"]("linear", (4, 6), 3, 2).network.readout.weight[...]
    )


def test_factors_end_where_rounding_begins_and_missing_numbers_stay_missing(names):
    left = [[1.0], [0.5], [1e-9], [3e-9]]
    found = names["factors"](xr.Dataset(dict(left=(("passed", "eigen"), left), m=("eigen", [6.0]), penalty=2.0)))
    np.testing.assert_allclose(found.squeeze("eigen"), [0.5, 0.75, 0.75])
    ends = xr.DataArray([1e-4, 0.5, np.nan])
    np.testing.assert_array_equal(names["settled"](ends), [1.0, 0.0, np.nan])
