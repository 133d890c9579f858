"""The equilibrated energy as a Moreau envelope: against a primal minimisation, inference and the closed form."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from pcn_lib import moreau
from pcn_lib.energy import Problem, cross_entropy, squared_error
from pcn_lib.gradients import compare, pc_gradient
from pcn_lib.inference import NewtonCG, equilibrate
from pcn_lib.moreau import ProximalExact
from pcn_lib.network import MLP, feedforward
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_skips, sp
from pcn_lib.rescaling import LinearExact, NotLinear, equilibrated_energy

K = 4
# Compiled once for each loss and shape.
proximal_point = jax.jit(moreau.proximal_point, static_argnames="loss")
proximal_points, moreau_energy, linearised_energy, sandwich = map(
    jax.jit, (moreau.proximal_points, moreau.moreau_energy, moreau.linearised_energy, moreau.sandwich)
)
draw = jax.jit(MLP.init, static_argnums=(0, 2, 3))
LOSSES = pytest.mark.parametrize("loss", [squared_error, cross_entropy])


def problem_of(loss, *, activation=None, precision=1.0, parameterisation=None) -> Problem:
    shape = dict(activation=activation) if activation else {}
    network = draw(MLP(6, 9, 4, K, skips=True, **shape), jax.random.key(1), parameterisation or sp(), "float64")
    x = jax.random.normal(jax.random.key(2), (5, 6), "float64")
    y = jax.nn.one_hot(jnp.arange(5) % K, K, dtype="float64")
    return Problem(network, x, y, loss, precision)


def softplus(u, y):
    return jnp.sum(jax.nn.softplus(-y * u))


def primal_minimum(loss, f, y, M, precision) -> float:
    """min_u by a general optimiser on u = f + V c, V a basis of the range of M, with M's pseudo-inverse."""
    values, vectors = np.linalg.eigh(M)
    basis = vectors[:, values > 1e-10]
    inverse = basis.T @ np.linalg.pinv(M, rcond=1e-10) @ basis
    f, y = jnp.asarray(f), jnp.asarray(y)

    def objective(c):
        return precision * loss(f + basis @ c, y) + c @ inverse @ c / 2

    start = np.zeros(basis.shape[1])
    return minimize(jax.jit(jax.value_and_grad(objective)), start, jac=True, method="BFGS", options={"gtol": 1e-9}).fun


@pytest.mark.parametrize("loss", [squared_error, cross_entropy, softplus])
@pytest.mark.parametrize("rank, precision", [(2, 1.0), (K, 1.0), (K, 30.0)])
def test_the_envelope_is_the_minimum_over_outputs_that_a_general_optimiser_finds(loss, rank, precision):
    rng = np.random.default_rng(rank)
    factor, f = rng.standard_normal((K, rank)), 3 * rng.standard_normal(K)
    y, M = jnp.eye(K)[1], factor @ factor.T
    point = proximal_point(loss, jnp.asarray(f), y, jnp.asarray(M), precision)
    assert point.converged
    assert point.energy == pytest.approx(primal_minimum(loss, f, y, M, precision), rel=1e-9)


def test_a_proximal_point_solved_by_hand():
    # Softplus has slope -1/2 at u = 0, so w = 1/2 and f = u - M w = -5/2.
    point = proximal_point(softplus, jnp.array([-2.5]), jnp.array([1.0]), jnp.array([[5.0]]))
    assert point.output == pytest.approx(0, abs=1e-12)
    assert point.delta == pytest.approx(0.5, rel=1e-12)
    assert point.energy == pytest.approx(np.log(2) + 5 / 8, rel=1e-12)


@pytest.mark.parametrize("loss, precision", [(squared_error, 1.0), (cross_entropy, 7.0)])
def test_iterative_inference_arrives_at_the_envelope_and_its_errors_are_deltas_at_the_proximal_point(loss, precision):
    problem = problem_of(loss, precision=precision)
    reached = equilibrate(problem, NewtonCG(tolerance=1e-12)).require()
    exact = equilibrate(problem, ProximalExact(tolerance=1e-12)).require()
    assert moreau_energy(problem) == pytest.approx(float(reached.energy), rel=1e-12)
    assert tree_norm(tree_subtract(reached.errors, exact.errors)) < 1e-10 * tree_norm(exact.errors)
    outputs = feedforward(problem.network, problem.x, reached.errors).output
    assert jnp.allclose(proximal_points(problem).output, outputs, atol=1e-10)


def test_with_the_squared_error_the_envelope_is_the_equilibrated_energy():
    problem = problem_of(squared_error, precision=3.0)
    assert moreau_energy(problem) == pytest.approx(float(equilibrated_energy(problem)), rel=1e-12)


@LOSSES
def test_the_energy_lies_between_its_bounds_and_touches_them_as_the_metric_vanishes(loss):
    problem = problem_of(loss)
    lower, upper = sandwich(problem)
    energies = proximal_points(problem).energy
    assert jnp.all(lower <= energies) and jnp.all(energies <= upper)
    small = replace(problem, output_precision=1e-6)
    gap = sandwich(small).upper - sandwich(small).lower
    drop = sandwich(small).upper - proximal_points(small).energy
    # lambda^2 g^T M g / 2 to first order in lambda ||M||, about 1e-4 here; both are of order lambda^2.
    np.testing.assert_allclose(drop, gap, rtol=1e-3, atol=0)


def test_the_derivative_of_the_envelope_is_the_gradient_of_predictive_coding():
    @jax.jit
    def both(problem):
        derivative = jax.grad(lambda network: moreau.moreau_energy(replace(problem, network=network)))(problem.network)
        return compare(pc_gradient(problem, ProximalExact()(problem)), derivative)

    assert both(problem_of(cross_entropy, precision=2.0)).total.relative_error < 1e-10


def test_the_linearisation_is_exact_for_linear_networks_and_close_for_wide_ones():
    linear = problem_of(cross_entropy)
    assert linearised_energy(linear) == pytest.approx(float(moreau_energy(linear)), rel=1e-12)
    tanh = problem_of(cross_entropy, activation=jnp.tanh, parameterisation=mupc_skips())
    reached = float(equilibrate(tanh, NewtonCG(tolerance=1e-10)).require().energy)
    assert linearised_energy(tanh) == pytest.approx(reached, rel=1e-2)
    assert linearised_energy(tanh) != pytest.approx(reached, rel=1e-9)


def test_a_sample_that_is_fitted_exactly_stays_where_it_is():
    f = jnp.array([1.0, -2.0])
    point = proximal_point(squared_error, f, f, jnp.eye(2))
    assert point.converged and point.steps == 0 and point.energy == 0


def test_far_out_on_a_flat_loss_the_damped_newton_method_still_converges():
    point = proximal_point(softplus, jnp.array([-80.0]), jnp.array([1.0]), jnp.array([[300.0]]))
    assert point.converged
    assert point.delta == pytest.approx(float(jax.nn.sigmoid(-point.output[0])), rel=1e-10)


def test_outputs_with_several_axes_are_one_vector_to_the_metric():
    f, y = jnp.arange(4.0).reshape(2, 2), jnp.ones((2, 2))
    M = jnp.diag(jnp.arange(1.0, 5.0))
    flat, folded = (proximal_point(squared_error, a.reshape(s), y.reshape(s), M) for a, s in ((f, (4,)), (f, (2, 2))))
    assert jnp.array_equal(flat.output, folded.output.ravel())


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """f, y and a metric of full rank."""
    rng = np.random.default_rng(7)
    factor = rng.standard_normal((K, K))
    return rng.standard_normal(K), rng.standard_normal(K), factor @ factor.T


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_the_squared_errors_proximal_point_scales_with_output_and_target_and_takes_one_step(scale):
    f, y, M = drawn()
    one, scaled = (proximal_point(squared_error, jnp.asarray(c * f), jnp.asarray(c * y), M, 2.0) for c in (1, scale))
    assert one.converged and scaled.converged and one.steps == scaled.steps == 1
    np.testing.assert_allclose(scaled.output, scale * one.output, rtol=1e-12)
    np.testing.assert_allclose(scaled.delta, scale * one.delta, rtol=1e-12)
    np.testing.assert_allclose(scaled.energy, scale**2 * one.energy, rtol=1e-12)


def lifted(u, y):
    return cross_entropy(u, y) + 1e8


def test_a_constant_in_the_loss_is_one_in_the_energy_and_moves_nothing():
    f, _, M = drawn()
    plain, high = (proximal_point(loss, jnp.asarray(f), jnp.eye(K)[2], M, 2.0) for loss in (cross_entropy, lifted))
    assert high.converged and high.energy - plain.energy == pytest.approx(2e8, rel=1e-12)
    np.testing.assert_allclose(high.output, plain.output, rtol=1e-12)


@pytest.mark.parametrize("solver", [ProximalExact, LinearExact])
def test_a_closed_form_beyond_rounding_is_not_certified_and_least_of_all_as_stationary(solver):
    assert not np.any(equilibrate(problem_of(squared_error), solver(tolerance=1e-20)).criterion)


def test_a_loss_without_a_proximal_point_gives_nan_and_not_a_number():
    point = proximal_point(lambda u, y: -jnp.sum(u**4), jnp.array([1.0]), jnp.array([0.0]), jnp.array([[1.0]]))
    assert not point.converged and jnp.isnan(point.energy)


def test_a_metric_of_another_size_is_refused():
    with pytest.raises(ValueError, match="take it from gram"):
        proximal_point(squared_error, jnp.zeros(3), jnp.zeros(3), jnp.eye(2))


def test_a_nonlinear_network_is_refused():
    problem = problem_of(cross_entropy, activation=jnp.tanh)
    for closed_form in (moreau_energy, sandwich, ProximalExact()):
        with pytest.raises(NotLinear):
            closed_form(problem)


def test_the_envelopes_gradient_needs_one_derivative_of_the_loss_only():
    """Huber's loss at its joint: w(f) has a kink at f = -6, and F* has the derivative -w there all the same."""

    def huber(u, y):
        d = jnp.abs(u - y)
        return jnp.sum(jnp.where(d <= 1, d**2 / 2, d - 0.5))

    def at(f):
        return proximal_point(huber, jnp.array([f]), jnp.array([0.0]), jnp.array([[5.0]]))

    h = 1e-4
    below, joint, above = (at(-6.0 + step) for step in (-h, 0.0, h))
    slopes = [(joint.delta - below.delta).item() / h, (above.delta - joint.delta).item() / h]
    np.testing.assert_allclose(slopes, (0, -1 / 6), atol=1e-6)
    assert (above.energy - below.energy).item() / (2 * h) == pytest.approx(-joint.delta.item(), abs=h)
