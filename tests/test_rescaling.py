"""S, F* and the exact linear equilibrium against dense algebra; expected values against samples."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import cross_entropy
from pcn_lib.inference import equilibrate
from pcn_lib.network import MLP, feedforward, zero_errors
from pcn_lib.parameterisation import mupc, mupc_skips, ntp, sp, sp_uniform
from pcn_lib.rescaling import (
    LinearExact,
    NotLinear,
    equilibrated_energy,
    expected_rescaling,
    linear_jacobians,
    rescaling,
    sample_rescalings,
)
from tests.cases import Case
from tests.oracles import (
    activity_gradient_norms,
    by_layer,
    dense_equilibrium,
    feedforward_by_loops,
    flat,
    jacobian_products,
    largest_intermediate,
)

LAMBDA = 1.7
CASES = [
    Case(output_precision=LAMBDA),
    Case(mupc(), skips=False, depth=4, output_precision=LAMBDA),
    Case(depth=2, output_precision=LAMBDA),
]


def dense_rescaling(network, precision: float) -> np.ndarray:
    products = jacobian_products(network)
    return np.eye(len(products[0])) / precision + sum(P @ P.T for P in products)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_jacobians_are_the_products_of_the_layers_above(case):
    network = case.problem().network
    jacobians = by_layer(jax.jit(linear_jacobians)(network))
    np.testing.assert_allclose(jacobians, jacobian_products(network), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rescaling_is_one_over_lambda_plus_the_sum_of_outer_products(case):
    problem = case.problem()
    S = dense_rescaling(problem.network, LAMBDA)
    np.testing.assert_allclose(jax.jit(rescaling, static_argnums=1)(problem.network, LAMBDA), S, rtol=1e-13)
    of_samples = jax.jit(sample_rescalings)(problem)
    np.testing.assert_allclose(of_samples, np.broadcast_to(S, (4, 3, 3)), rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_linear_equilibrium_is_that_of_the_dense_hessian_solved_directly(case):
    problem = case.problem()
    exact = equilibrate(problem, LinearExact()).require()
    dense = dense_equilibrium(problem, zero_errors(problem.network, problem.x))
    assert np.linalg.norm(flat(exact.activities) - dense) <= 1e-10 * np.linalg.norm(dense)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_linear_equilibrium_leaves_no_gradient_and_its_energy_is_the_equilibrated_one(case):
    problem = case.problem()
    exact = equilibrate(problem, LinearExact(1e-12)).require()
    scale = activity_gradient_norms(problem, jax.jit(feedforward)(problem.network, problem.x).activities)
    assert np.all(activity_gradient_norms(problem, exact.activities) <= 1e-12 * scale)
    r = np.asarray(problem.y) - feedforward_by_loops(problem.network, problem.x)[1]
    by_hand = np.mean([row @ np.linalg.solve(dense_rescaling(problem.network, LAMBDA), row) for row in r]) / 2
    np.testing.assert_allclose(jax.jit(equilibrated_energy)(problem), by_hand, rtol=1e-12)
    np.testing.assert_allclose(exact.energy, by_hand, rtol=1e-12)


def test_the_rescaling_of_a_nonlinear_sample_is_that_of_its_linearised_forward_pass():
    problem = Case(activation=jnp.tanh, output_precision=LAMBDA).problem()

    def outputs(errors):
        return problem.network.sample_forward(problem.x[2], errors).output

    zero = jax.tree.map(lambda e: e[2], zero_errors(problem.network, problem.x))
    jacobian = np.concatenate([np.asarray(J).reshape(3, -1) for J in jax.jit(jax.jacfwd(outputs))(zero)], axis=1)
    expected = np.eye(3) / LAMBDA + jacobian @ jacobian.T
    np.testing.assert_allclose(jax.jit(sample_rescalings)(problem)[2], expected, rtol=1e-12)


def test_no_array_larger_than_the_weights_is_made_on_the_way_to_the_exact_equilibrium():
    problem = Case(width=32, depth=16).problem()
    entries = largest_intermediate(LinearExact(), problem)
    # The stacked weights, (L - 2) N^2; a Hessian would have (N H)^2, sixteen times as many.
    assert entries <= 14 * 32**2


@pytest.mark.parametrize("act", [lambda p: linear_jacobians(p.network), equilibrated_energy, LinearExact()])
def test_a_closed_form_asked_of_a_nonlinear_network_is_refused(act):
    with pytest.raises(NotLinear, match="nonlinear activation given; .* needs activation=identity: use sample_jacob"):
        act(Case(activation=jnp.tanh).problem())


@pytest.mark.parametrize("act", [equilibrated_energy, LinearExact()])
def test_the_squared_errors_closed_form_asked_of_another_loss_is_refused(act):
    with pytest.raises(NotLinear, match="a loss other than the squared error given; .*: use"):
        act(Case(loss=cross_entropy).problem())


N, L, GAMMA = 16, 5, 2.0
EXPECTED = [
    (mupc_skips(GAMMA), True, L / (GAMMA**2 * N) * ((1 + 1 / L) ** (L - 1) - 1)),
    (mupc(GAMMA), False, (L - 1) / (GAMMA**2 * N)),
    (sp(), False, L - 1),
    (sp(), True, 2 ** (L - 1) - 1),
    (ntp(), False, L - 1),
    (sp_uniform(), False, sum((1 / 3) ** k for k in range(1, L))),
]
IDS = [f"{p.name}-{'skips' if skips else 'plain'}" for p, skips, _ in EXPECTED]


@pytest.mark.parametrize("parameterisation, skips, value", EXPECTED, ids=IDS)
def test_the_expected_rescaling_is_the_papers_geometric_sum(parameterisation, skips, value):
    mlp = MLP(7, N, L, 2, skips=skips)
    assert expected_rescaling(mlp, parameterisation) == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("parameterisation, skips, value", EXPECTED, ids=IDS)
def test_the_mean_rescaling_of_random_networks_is_the_expected_one(parameterisation, skips, value):
    mlp, seeds = MLP(7, N, L, 2, skips=skips), 40
    networks = [mlp.init(key, parameterisation, "float64") for key in jax.random.split(jax.random.key(5), seeds)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    M = np.asarray(jax.jit(jax.vmap(rescaling))(stacked)) - np.eye(2)
    per_seed = np.trace(M, axis1=1, axis2=2) / 2
    assert abs(per_seed.mean() - value) <= 3 * per_seed.std(ddof=1) / np.sqrt(seeds)
    off_diagonal = M[:, 0, 1]
    assert abs(off_diagonal.mean()) <= 3 * off_diagonal.std(ddof=1) / np.sqrt(seeds)


def test_the_limit_of_the_expected_rescaling_in_depth_is_e_minus_one_times_l_over_n():
    deep = MLP(7, N, 10_000, skips=True)
    assert expected_rescaling(deep, mupc_skips()) == pytest.approx((np.e - 1) * 10_000 / N, rel=1e-3)


LARGE = """
import jax, jax.numpy as jnp
from benchmarks.scaling import peak_memory
from pcn_lib.numerics import use_float64
use_float64()
from pcn_lib.energy import Problem
from pcn_lib.inference import equilibrate
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, equilibrated_energy
network = MLP(40, 1024, 32, 3, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
x, y = jnp.ones((8, 40)), jnp.ones((8, 3))
problem = Problem(network, x, y)
exact = equilibrate(problem, LinearExact(1e-12)).require()
gap = abs(float(exact.energy / jax.jit(equilibrated_energy)(problem)) - 1)
print(gap, peak_memory() / 1024)
"""


@pytest.mark.slow
def test_width_1024_at_depth_32_is_solved_exactly_in_under_two_gigabytes():
    done = subprocess.run([sys.executable, "-c", LARGE], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    gap, gigabytes = map(float, done.stdout.split())
    assert gap <= 1e-12 and gigabytes < 2


def test_a_strong_output_precision_leaves_only_the_jacobians_in_the_rescaling():
    network = Case().problem().network
    M = sum(P @ P.T for P in jacobian_products(network))
    np.testing.assert_allclose(jax.jit(rescaling, static_argnums=1)(network, 1e12), M, rtol=1e-9, atol=2e-12)
