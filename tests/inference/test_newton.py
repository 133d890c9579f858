"""Newton's method in the errors: right where the answer is known, and where sweeps do not contract."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import one_unit_problem
from pcn_lib.inference import Criterion, KinkNewton, NewtonCG, SweepsThenNewton, equilibrate
from pcn_lib.inference.newton import MAX_HALVINGS, STILL_STEPS, conjugate_gradients
from pcn_lib.network import feedforward
from pcn_lib.rescaling import LinearExact
from tests.cases import Case
from tests.oracles import activity_gradient_norms, relative_gap


def near_fit(case: Case, gap: float):
    """The case's problem with targets moved to the feedforward outputs but for a share ``gap`` of the way."""
    problem = case.problem()
    output = jax.jit(feedforward)(problem.network, problem.x).output
    return replace(problem, y=output + gap * (problem.y - output))


def test_newton_finds_the_exact_equilibrium_of_a_linear_network():
    problem = Case(output_precision=30.0).problem()
    found, exact = equilibrate(problem, NewtonCG(1e-12)).require(), equilibrate(problem, LinearExact())
    assert relative_gap(found.activities, exact.activities) < 1e-10
    np.testing.assert_allclose(found.energies, exact.energies, rtol=1e-12)


def test_conjugate_gradients_see_no_more_than_the_outputs_and_need_few_newton_steps():
    # The Hessian of a linear network is I + lambda P^T P: K + 1 eigenvalues, one Newton step solves it.
    answer = equilibrate(Case(outputs=1, output_precision=30.0).problem(), NewtonCG(1e-6))
    assert np.all(answer.steps <= 3)


@pytest.mark.parametrize("solver", [NewtonCG(1e-8), SweepsThenNewton(1e-8)], ids=["NewtonCG", "SweepsThenNewton"])
def test_samples_that_are_almost_fitted_reach_the_tolerance_although_their_energy_is_all_rounding(solver):
    # E is of order 1e-10 and outputs of order 1: E is known to 1e-6 of itself, and no step to the tolerance lowers it
    # by as much.
    problem = near_fit(Case(activation=jnp.tanh, width=4, depth=16, batch=64), 1e-5)
    answer = equilibrate(problem, solver)
    assert np.all(answer.criterion == Criterion.GRADIENT)
    start = jax.jit(feedforward)(problem.network, problem.x)
    scale = activity_gradient_norms(problem, start.activities)
    # The oracle differentiates F itself, where z_l - f_l(z_{l-1}) cancels to about eps.
    assert np.all(activity_gradient_norms(problem, answer.activities) <= 1e-8 * scale + 1e-14)


def test_steps_across_a_kink_end_and_do_not_go_round_in_circles():
    case = Case(activation=jax.nn.relu, width=16, depth=8, batch=32, output_precision=10.0, dtype="float32")
    answer = equilibrate(near_fit(case, 0.1), NewtonCG(1e-5))
    assert np.any(answer.criterion == Criterion.STATIONARY)
    assert np.all(answer.criterion != Criterion.NONE)


@pytest.mark.parametrize("eigenvalues", [(20, 9, 5, 2, 1), (20, 9, 5, -0.1, -1), (-1, -2, -3, -4, -5)], ids=str)
def test_conjugate_gradients_end_near_enough_or_before_the_curvature_turns_negative(eigenvalues):
    """Their iterates are where the quadratic form is least in the spaces of g, H g, H^2 g, ..."""
    rng = np.random.default_rng(0)
    Q, g = np.linalg.qr(rng.standard_normal((5, 5)))[0], rng.standard_normal(5)
    H = Q * np.array(eigenvalues) @ Q.T

    def iterates():
        for k in range(1, 6):
            K = np.linalg.qr(np.stack([np.linalg.matrix_power(H, j) @ g for j in range(k)], axis=1))[0]
            if np.linalg.eigvalsh(K.T @ H @ K)[0] <= 0:
                return
            yield -K @ np.linalg.solve(K.T @ H @ K, K.T @ g)

    def image(p):
        return tuple(jnp.split(H @ jnp.concatenate(p), [2]))

    reached = [-g, *iterates()]
    for forcing in (0.9, 0.5, 0.1, 1e-6):
        enough = [p for p in reached[1:] if np.linalg.norm(H @ p + g) <= forcing * np.linalg.norm(g)]
        found = conjugate_gradients(image, tuple(jnp.split(jnp.asarray(g), [2])), jnp.asarray(forcing))
        np.testing.assert_allclose(np.concatenate(found), (enough or reached[-1:])[0], rtol=1e-8)


#: Where |t - y_0| is rounded off.
DELTA = 1e-15


def rough(u, y):
    """y_1 |t - y_0|, a valley that Newton's step passes by; a hill that is level at its top, t = 1; a constant."""
    t = u[0] - 1
    return y[1] * (DELTA**2 + (t - y[0]) ** 2) ** 0.5 + y[2] * (4 * t**3 - 3 * t**4 - t) + y[3]


#: Valleys at a distance d, where E(1) - E(0) = 3/2 - 2 d; the last three about the fall asked for, 1e-4 of the slope.
VALLEYS = (0.95, 0.6, 1e-3, 1e-6, 0.75 * 2.0**-MAX_HALVINGS, 0.75 * 2.0 ** -(MAX_HALVINGS + 1))
VALLEYS += tuple(0.75 + 0.5e-4 * share for share in (-0.5, 0.5, 1.5))
ROUGH = [(d, 1, 0, 0) for d in VALLEYS] + [(0.6, 1, 0, 1e13), (0.6, 1, 0, 1e15), (0, 0, 1, 1e3), (0, 0, 1, 1e8)]


def searched(y: np.ndarray, halves: bool) -> float:
    """The first of 1, 1/2, 1/4, ... of Newton's step from e = 0 that lowers E enough, written out; or nothing."""
    energy = lambda e: e**2 / 2 + rough(np.array([1 + e]), y)  # noqa: E731
    slope = -y[1] * y[0] / np.hypot(DELTA, y[0]) - y[2]
    step = -slope / (1 + y[1] * DELTA**2 / np.hypot(DELTA, y[0]) ** 3)
    start, noise = energy(0), 8 * np.finfo(float).eps
    # The whole step doubles the gradient of a valley, and ends on the hill where there is none.
    if halves and y[2] and energy(step) <= start + noise**0.5 * abs(start):
        return step
    for t in 0.5 ** np.arange(MAX_HALVINGS + 1):
        if energy(t * step) <= start + 1e-4 * t * slope * step + noise * abs(start):
            return t * step
    return 0.0


@pytest.mark.parametrize("kind", [NewtonCG, KinkNewton])
def test_a_step_is_halved_until_the_energy_falls_enough_or_counts_as_none(kind):
    y = jnp.array(ROUGH, "float64")
    problem = replace(one_unit_problem(weights=(1, 1), x=1, y=0), x=jnp.ones((len(y), 1)), y=y, loss=rough)
    only = {} if kind is NewtonCG else dict(max_sweeps=0, smooth_steps=0)
    after = jax.jit(lambda steps: kind(max_steps=steps, **only)(problem))
    expected = [searched(row, halves=kind is NewtonCG) for row in np.asarray(y)]
    answer = after(1)
    assert np.all(answer.steps == 1) and len(set(expected[:6])) > 4 and expected[5] == 0
    np.testing.assert_allclose(answer.errors[0][:, 0], expected, rtol=1e-6)
    # Steps that are none are not tried for ever.
    assert after(200).steps[5] == (STILL_STEPS if kind is NewtonCG else 1)


@pytest.mark.parametrize("kind", [NewtonCG, KinkNewton])
def test_a_sample_that_ends_just_at_its_tolerance_is_certified_and_goes_no_further(kind):
    problem = replace(one_unit_problem(weights=(1, 1), x=1, y=3), loss=lambda u, y: jnp.sum((u - y) ** 4))
    only = {} if kind is NewtonCG else dict(max_sweeps=0, smooth_steps=0)
    solved = jax.jit(lambda tolerance, steps: kind(tolerance, max_steps=steps, **only)(problem))
    reached = solved(0.0, 2)
    assert reached.residual > 0 and not reached.converged
    at_once = solved(reached.residual[0], 100)
    assert at_once.steps == 2 and at_once.criterion == Criterion.GRADIENT
