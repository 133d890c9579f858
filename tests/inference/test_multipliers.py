"""Rounds of multipliers: from PC to BP by hand, by dense matrices, and with a certificate that can fail."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, cross_entropy, one_unit_problem
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.inference import (
    Criterion,
    MethodOfMultipliers,
    NewtonCG,
    NotAtEquilibrium,
    Sweeps,
    SweepsThenNewton,
    equilibrate,
)
from pcn_lib.layers import Dense
from pcn_lib.network import Network, feedforward
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Scales
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import activity_gradient_norms, energy_by_loops, flat, jacobian_products, relative_gap

TIGHT = SweepsThenNewton(1e-13)
METHOD = MethodOfMultipliers(1e-9, inner=NewtonCG(1e-13))


@partial(jax.jit, static_argnames="rounds")
def path(problem, rho, rounds=3):
    return replace(METHOD, penalty=rho).path(problem, rounds)


def test_a_chain_of_single_units_goes_half_of_the_way_to_bp_in_every_round():
    # f = 2, r = 6, P = (2, 1), M = 5; with lambda = 1/5 and rho = 1 the factor is 1/2, and d = P^T r / 5 = (2.4, 1.2).
    problem = replace(one_unit_problem(weights=(1, 2, 1), x=1, y=8), output_precision=1 / 5)
    reached = path(problem, 1.0, 4)
    halves = 0.5 ** np.arange(1, 5)
    mu = np.stack([np.ravel(leaf) for leaf in reached.errors], axis=-1)
    np.testing.assert_allclose(mu, np.outer(1 - halves, (2.4, 1.2)), rtol=1e-12)
    np.testing.assert_allclose(reached.deviation[:, 0], halves, rtol=1e-12)
    np.testing.assert_allclose(reached.violation[:, 0], halves, rtol=1e-12)
    # Round 1: e = (1.2, 0.6), u = 5: F = 0.9 + 9/10. Round 2: e = (0.6, 0.3), u = 3.5: F = 0.225 + 4.5^2/10.
    np.testing.assert_allclose(reached.energies[:2, 0], (1.8, 2.25), rtol=1e-12)


@pytest.mark.parametrize("precision, rounds", [(1.0, 38), (1 / 25, 5)])
def test_rounds_go_on_until_both_numbers_of_the_certificate_are_small(precision, rounds):
    # Deviation q^k, violation (1 - q) q^(k-1): with q = 5/6 the former is last to fall below 1e-3, with 1/6 the latter.
    problem = replace(one_unit_problem(weights=(1, 2, 1), x=1, y=8), output_precision=precision)
    assert equilibrate(problem, replace(METHOD, tolerance=1e-3)).require().rounds.tolist() == [rounds]


@pytest.mark.parametrize("rho", [1.0, 2.5])
def test_the_first_round_is_pc_with_the_penalty_taken_off_the_precision(rho):
    problem = Case(output_precision=1.7).problem()
    pc = equilibrate(replace(problem, output_precision=1.7 / rho), LinearExact())
    first = jax.tree.map(lambda leaf: leaf[0], path(problem, rho))
    assert relative_gap(first.activities, pc.activities) < 1e-11
    assert relative_gap(first.errors, jax.tree.map(lambda e: rho * e, pc.errors)) < 1e-11
    np.testing.assert_allclose(first.energy, energy_by_loops(problem, first.activities), rtol=1e-10)
    assert first.rounds.tolist() == 4 * [1]


@pytest.mark.parametrize("rho", [0.3, 4.0])
def test_multipliers_of_a_linear_network_are_those_of_the_dense_matrices(rho):
    problem = Case(output_precision=1.7).problem()
    P = np.concatenate(jacobian_products(problem.network), axis=1)
    r = np.asarray(problem.y - feedforward(problem.network, problem.x).output)
    T, d = 1.7 * P.T @ P, 1.7 * r @ P
    step = np.linalg.solve(rho * np.eye(len(T)) + T, T)
    assert np.linalg.norm(step, 2) > 0.1
    reached = path(problem, rho)
    for k in range(3):
        expected = d - d @ np.linalg.matrix_power(step, k + 1).T
        mu = np.concatenate([np.reshape(leaf[k], (4, -1)) for leaf in reached.errors], axis=1)
        np.testing.assert_allclose(mu, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("inner", [TIGHT, Sweeps(1e-11, max_steps=60)], ids=lambda inner: type(inner).__name__)
def test_the_rounds_of_a_nonlinear_network_end_at_backpropagation(inner):
    problem = Case(activation=jnp.tanh, loss=cross_entropy, output_precision=1.7).problem()
    reached = equilibrate(problem, MethodOfMultipliers(1e-9, penalty=4.0, inner=inner)).require()
    assert reached.deviation.max() <= 1e-9 and reached.violation.max() <= 1e-9 and reached.rounds.min() > 3
    assert relative_gap(reached.activities, feedforward(problem.network, problem.x).activities) < 1e-9
    bp = jax.tree.map(lambda g: 1.7 * g, jax.jit(bp_gradient)(problem))
    assert relative_gap(jax.jit(pc_gradient)(problem, reached), bp) < 1e-8
    assert not np.any(activity_gradient_norms(problem, reached.activities) < 1e-3), "no equilibrium of F itself"


def test_sweeps_inside_need_a_penalty_above_the_norm_of_lambda_m():
    problem = Case(output_precision=3.0).problem()
    norm = 3 * np.linalg.norm(sum(P @ P.T for P in jacobian_products(problem.network)), 2)
    inner = Sweeps(1e-10, max_steps=300)
    method = MethodOfMultipliers(max_rounds=20, inner=inner)
    enough, too_little = (equilibrate(problem, replace(method, penalty=share * norm)) for share in (1.1, 0.5))
    assert enough.converged and not too_little.converged and np.all(too_little.rounds == 20)
    assert not np.any(too_little.residual <= 1e-2), "20 rounds of 300 doublings leave the range of numbers"


class Standing(Sweeps):
    """After its sweep it says that nothing moves any more."""

    def solve(self, sample, start, scale):
        return super().solve(sample, start, scale)._replace(residual=jnp.ones(()), stationary=jnp.array(True))


def test_the_penalty_counts_as_a_share_of_the_precision_and_scales_the_multipliers():
    """With 4 rho and 4 lambda mu is 4 times as large; nothing else changes, the certificate least of all."""
    scales = Scales(1.0, 1.0, 1.0, 1.0)
    first, readout = (Dense(jnp.array(W), scales) for W in ([[1.0]], [[2.0], [0.0]]))
    # A target that no activity reaches adds a constant, from below the rounding of E that hides e to above it.
    y = jnp.stack([jnp.full(64, 3.0), jnp.logspace(5.5, 7.5, 64)], axis=1)
    problem = Problem(Network((first,), readout, (1,)), jnp.ones((64, 1)), y)
    method = MethodOfMultipliers(1e9, inner=Standing(1e-12, max_steps=1))
    rounds = jax.jit(lambda rho: replace(method, penalty=rho).path(replace(problem, output_precision=0.2 * rho), 2))
    one, four = rounds(1.0), rounds(4.0)
    assert set(one.criterion.ravel().tolist()) == {Criterion.NONE, Criterion.STATIONARY}
    assert np.all(one.steps == one.rounds) and np.all(one.rounds == np.array([[1], [2]]))
    expected = replace(one, errors=jax.tree.map(lambda mu: 4 * mu, one.errors), energies=four.energies)
    for found, leaf in zip(*map(jax.tree.leaves, (four, expected)), strict=True):
        np.testing.assert_array_equal(found, leaf)


def test_rounds_that_are_not_solved_are_not_certified_however_near_they_are():
    # A single sweep from e = 0 gives mu = d at once.
    careless = MethodOfMultipliers(1.01, max_rounds=1, penalty=4.0, inner=Sweeps(1e-10, max_steps=1))
    answer = equilibrate(Case().problem(), careless)
    assert answer.deviation.max() < 1e-12 and np.all(answer.violation < 1.01) and not answer.converged


def test_a_certificate_needs_rounds_and_says_what_is_missing():
    answer = jax.tree.map(lambda leaf: leaf[-1], path(Case(output_precision=1.7).problem(), 1.0))
    assert np.all(answer.criterion == Criterion.NONE) and np.all(answer.rounds == 3)
    with pytest.raises(
        NotAtEquilibrium, match="3 rounds left multipliers .* from BP's deltas, .* allow more rounds, or"
    ):
        answer.require()


def test_the_rounds_of_each_sample_are_its_own_and_one_that_is_fitted_needs_a_single_one():
    problem = Case(activation=jnp.tanh).problem()
    problem = replace(problem, y=problem.y.at[0].set(feedforward(problem.network, problem.x).output[0]))
    method = replace(METHOD, penalty=16.0)
    whole = equilibrate(problem, method).require()
    assert whole.rounds[0] == 1 and whole.deviation[0] == whole.violation[0] == 0
    assert len(set(whole.rounds.tolist())) > 1
    for i in range(4):
        alone = equilibrate(replace(problem, x=problem.x[i : i + 1], y=problem.y[i : i + 1]), method)
        assert alone.rounds[0] == whole.rounds[i]
        np.testing.assert_allclose(
            flat(jax.tree.map(lambda mu, i=i: mu[i : i + 1], whole.errors)), flat(alone.errors), rtol=1e-9, atol=1e-12
        )


def saturated() -> tuple[Problem, float]:
    """f = tanh(1 + e) with target -3, and the curvature of its loss at e = 0, which is negative."""
    scales = Scales(1.0, 1.0, 1.0, 1.0)
    first, readout = (Dense(jnp.ones((1, 1)), scales, activation=phi) for phi in (identity, jnp.tanh))
    f, slope = np.tanh(1), 1 - np.tanh(1) ** 2
    curvature = slope**2 + (-3 - f) * 2 * f * slope
    assert curvature < -2
    return Problem(Network((first,), readout, (1,)), jnp.ones((1, 1)), jnp.full((1, 1), -3.0)), curvature


def test_negative_curvature_asks_for_a_penalty_of_more_than_twice_its_size():
    problem, b = saturated()
    enough = path(problem, -3.0 * b, 30).deviation[:, 0]
    # b / (rho + b) = -1/2 with rho = -3 b.
    np.testing.assert_allclose(enough[-1] / enough[-2], 0.5, rtol=1e-4)
    too_little = path(problem, -1.5 * b, 30).deviation[:, 0]
    assert np.all(too_little > 0.1)


def test_single_precision_stays_single_and_reaches_what_the_defaults_ask_for():
    problem = Case(activation=jnp.tanh, dtype="float32").problem()
    reached = equilibrate(problem, MethodOfMultipliers(penalty=16.0)).require()
    assert {leaf.dtype.name for leaf in jax.tree.leaves((reached.errors, reached.deviation))} == {"float32"}


def test_a_penalty_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="rho = 0.0 given; it must be positive: try 1"):
        MethodOfMultipliers(penalty=0.0)
