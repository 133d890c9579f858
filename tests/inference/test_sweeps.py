"""e <- delta(e): the first sweep is backpropagation, and the rest contract at the rate of lambda M."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, cross_entropy, one_unit_problem, squared_error
from pcn_lib.gradients import bp_gradient
from pcn_lib.inference import Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP, feedforward, zero_errors
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import by_layer, dense_layers, feedforward_by_loops, flat, jacobian_products, relative_gap

ONE = Sweeps(tolerance=1e-15, max_steps=1)
CASES = [Case(output_precision=1.7), Case(activation=jnp.tanh, loss=cross_entropy, output_precision=1.7)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_first_sweep_is_the_delta_of_backpropagation(case):
    problem = case.problem()

    @jax.jit
    def bp_delta(errors):
        def summed_loss(errors):
            output = feedforward(problem.network, problem.x, errors).output
            return jnp.sum(jax.vmap(problem.loss)(output, problem.y))

        return jax.tree.map(lambda g: -1.7 * g, jax.grad(summed_loss)(errors))

    delta = bp_delta(zero_errors(problem.network, problem.x))
    assert relative_gap(equilibrate(problem, ONE).errors, delta) < 1e-13


def test_the_first_sweeps_errors_times_the_feedforward_activities_are_the_bp_weight_gradient():
    problem = Case().problem()
    errors = by_layer(equilibrate(problem, ONE).errors)
    below = [np.asarray(problem.x), *feedforward_by_loops(problem.network, problem.x)[0]]
    gradients = dense_layers(jax.jit(bp_gradient)(problem))[:-1]
    layers = dense_layers(problem.network)
    for layer, gradient, error, h in zip(layers, gradients, errors, below, strict=False):
        outer = -layer.scales.multiplier * sum(np.outer(e, z) for e, z in zip(error, h, strict=True)) / len(h)
        np.testing.assert_allclose(gradient.weight[...], outer, rtol=1e-11, atol=1e-14)


def test_each_sweep_of_a_linear_network_with_one_output_shrinks_the_gap_by_exactly_lambda_m():
    # e_{k+1} - e* = - lambda M (e_k - e*): with e_0 = 0 the second iterate is (1 - lambda M) times the first.
    problem = Case(outputs=1, output_precision=0.7).problem()
    M = sum(float(np.sum(P**2)) for P in jacobian_products(problem.network))
    first, second = (equilibrate(problem, replace(ONE, max_steps=k)).errors for k in (1, 2))
    np.testing.assert_allclose(flat(second), (1 - 0.7 * M) * flat(first), rtol=1e-12)


def test_sweeps_converge_where_lambda_m_is_below_one_and_say_so_where_they_do_not():
    wide, narrow = Case(width=64, depth=3).problem(), Case(output_precision=100.0).problem()
    assert equilibrate(wide, Sweeps(1e-10)).converged
    assert max(np.linalg.eigvalsh(sum(P @ P.T for P in jacobian_products(narrow.network)))) * 100 > 1
    assert not equilibrate(narrow, Sweeps(1e-10, max_steps=50)).converged


def test_a_barzilai_borwein_step_reaches_the_same_equilibrium_in_no_more_sweeps():
    problem = Case(width=64, depth=3).problem()
    plain, fast = equilibrate(problem, Sweeps(1e-10)), equilibrate(problem, Sweeps(1e-10, accelerate=True))
    assert fast.converged and np.all(fast.steps <= plain.steps)
    assert relative_gap(fast.activities, equilibrate(problem, LinearExact()).activities) < 1e-10


@pytest.mark.parametrize("loss", [squared_error, cross_entropy])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
def test_sweeps_end_certified_or_at_their_limit_though_they_watch_another_norm(loss, tolerance):
    """In narrow networks the two norms shrink apart: what meets the target is not always within tolerance."""
    mlp = MLP(10, 8, 4, 3, activation=jnp.tanh, skips=True)
    network = mlp.init(jax.random.key(0), mupc_skips(gamma_0=0.5), "float64")
    x, y = jax.random.normal(jax.random.key(1), (32, 10)), jax.nn.one_hot(jnp.arange(32) % 3, 3, dtype="float64")
    reached = equilibrate(Problem(network, x, y, loss), Sweeps(tolerance, max_steps=200, accelerate=True))
    assert reached.steps.max() < 200 and reached.residual.max() <= tolerance


def test_the_steps_taken_are_counted_sample_by_sample():
    problem = Case(width=64, depth=3).problem()
    # Nothing in and nothing asked for: this sample is fitted exactly, and no other is.
    silent = replace(problem, x=problem.x.at[0].set(0.0), y=problem.y.at[0].set(0.0))
    equilibrium = equilibrate(silent, Sweeps(1e-10))
    assert equilibrium.steps[0] == 0 and np.all(equilibrium.steps[1:] > 2)


#: With lambda = q every plain sweep multiplies dE/de, which is dF/dz here, by -q.
ONE_UNIT = one_unit_problem(weights=(1, 1), x=1, y=3)


def test_sweeps_end_with_the_first_that_is_within_tolerance():
    problem = replace(ONE_UNIT, output_precision=0.1)
    reached = jax.jit(lambda tolerance: Sweeps(tolerance)(problem))
    for k in range(7):
        answer = reached(2 * 10.0**-k)
        assert answer.steps == k
        np.testing.assert_allclose(answer.residual, 10.0**-k, rtol=1e-6)


@pytest.mark.parametrize("q, sweeps, left", [(0.3, 2, 0), (0.7, 1, 0.7), (1.5, 1, 1)])
def test_a_sweep_that_shrinks_too_little_is_the_last_and_undone_if_it_raises_the_energy(q, sweeps, left):
    problem = replace(ONE_UNIT, output_precision=q)
    swept = equilibrate(problem, SweepsThenNewton(1e-9, max_steps=0))
    # The step of the second sweep is the inverse curvature.
    assert swept.steps == sweeps
    np.testing.assert_allclose(swept.residual, left, rtol=1e-12, atol=1e-14)
    # What is left takes one step of Newton's.
    assert equilibrate(problem, SweepsThenNewton(1e-9)).require().steps == 2


def test_accelerated_sweeps_take_the_inverse_curvature_that_they_saw_and_1_where_it_was_negative():
    rng = np.random.default_rng(0)
    y = rng.uniform(-3, 3, (16, 2))
    wavy = lambda u, y: y[1] * jnp.cos(u[0] - y[0])  # noqa: E731
    problem = replace(ONE_UNIT, x=jnp.zeros((16, 1)), y=jnp.asarray(y), loss=wavy)
    gradient = lambda e: e - y[:, 1] * np.sin(e - y[:, 0])  # noqa: E731
    e, step, negative = np.zeros(16), np.ones(16), 0
    for _ in range(4):
        new = e - step * gradient(e)
        s, change = new - e, gradient(new) - gradient(e)
        step, e, negative = np.where(s * change > 0, s / change, 1), new, negative + np.sum(s * change < 0)
    assert negative
    found = equilibrate(problem, Sweeps(1e-15, max_steps=4, accelerate=True)).errors[0][:, 0]
    np.testing.assert_allclose(found, e, rtol=1e-8)
