"""ReLU networks at a true minimum: one-sided derivatives written out layer by layer, and no lower energy near."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from pcn_lib.energy import Problem
from pcn_lib.inference import Criterion, KinkNewton, SweepsThenNewton, equilibrate
from pcn_lib.layers import Dense
from pcn_lib.network import Network, feedforward
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Scales
from tests.cases import Case
from tests.oracles import activity_gradient_norms, by_layer, dense_layers

RELU = Case(activation=jax.nn.relu, width=16, depth=8, output_precision=10.0)


@jax.jit
def solved(problem, *settings):
    """With the tolerance and the three limits of a solver, in one program for all of them."""
    return KinkNewton(*settings)(problem)


DEFAULTS = 1e-8, 50, 5, 100


def one_sided(problem, answer, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z, D^- and D^+ of one sample: e_l - e_{l+1} - 1[z_l > 0] (a W)^T e_{l+1}, with 1[0 > 0] as 0 and as 1."""
    *hidden, readout = dense_layers(problem.network)
    weights = [layer.scales.multiplier * np.asarray(layer.weight[...]) for layer in (*hidden[1:], readout)]
    z, e = (np.stack(by_layer(part))[:, i] for part in (answer.activities, answer.errors))
    r = np.asarray(problem.y[i]) - weights[-1] @ np.maximum(z[-1], 0)
    above, skipped = [*e[1:], problem.output_precision * r], [*e[1:], 0 * e[0]]
    through = np.stack([W.T @ a for W, a in zip(weights, above, strict=True)])
    plain = e - np.stack(skipped)
    return z, plain - (z > 0) * through, plain - (z >= 0) * through


def test_every_directional_derivative_is_that_of_a_minimum():
    problem = RELU.problem()
    answer = solved(problem, *DEFAULTS).require()
    assert np.any(answer.criterion == Criterion.KINK)
    for i in range(RELU.batch):
        z, left, right = one_sided(problem, answer, i)
        at_kink = z == 0
        assert np.any(at_kink) == (answer.criterion[i] == Criterion.KINK)
        scale = np.abs(left).max() + np.abs(np.stack(by_layer(answer.errors))[:, i]).max()
        assert np.abs(right[~at_kink]).max() < 1e-6 * scale
        assert np.all(left[at_kink] <= 1e-6 * scale) and np.all(right[at_kink] >= -1e-6 * scale)


def test_no_lower_energy_is_near_and_standing_still_was_above_it():
    problem = RELU.problem()
    kinked, still = solved(problem, *DEFAULTS), equilibrate(problem, SweepsThenNewton(1e-8))
    assert np.all(kinked.energies <= still.energies * (1 + 1e-12)) and np.any(still.criterion == Criterion.STATIONARY)
    assert np.max(still.energies / kinked.energies - 1) > 1e-6
    *hidden, readout = dense_layers(problem.network)
    weights = [layer.scales.multiplier * np.asarray(layer.weight[...]) for layer in (*hidden, readout)]

    def energy(z: np.ndarray) -> float:
        """Of the first sample."""
        z = z.reshape(len(hidden), -1)
        below = [weights[0] @ np.asarray(problem.x[0])]
        below += [h + W @ np.maximum(h, 0) for W, h in zip(weights[1:-1], z[:-1], strict=True)]
        r = np.asarray(problem.y[0]) - weights[-1] @ np.maximum(z[-1], 0)
        return sum(np.sum((z - h) ** 2) for z, h in zip(z, below, strict=True)) / 2 + 10 * np.sum(r**2) / 2

    z = np.stack(by_layer(kinked.activities))[:, 0].ravel()
    assert energy(z) == pytest.approx(float(kinked.energies[0]), rel=1e-10)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-3, 1e-5):
        assert all(energy(z + size * rng.standard_normal(z.size)) > energy(z) for _ in range(100))
    for unit in np.flatnonzero(z == 0):
        line = np.eye(z.size)[unit]
        found = scipy.optimize.minimize_scalar(
            lambda t, line=line: energy(z + t * line), bounds=(-1, 1), method="bounded"
        )
        assert found.fun >= energy(z) * (1 - 1e-12)


def test_the_residual_is_what_is_missing_to_a_minimum_wherever_the_steps_end():
    problem = RELU.problem()
    scale = activity_gradient_norms(problem, jax.jit(feedforward)(problem.network, problem.x).activities)
    for steps in (1, 2, 3):
        answer = solved(problem, 1e-12, 1, 1, steps)
        for i in range(RELU.batch):
            z, left, right = one_sided(problem, answer, i)
            at_kink = z == 0
            assert np.any(left[at_kink] > 0) or np.any(right[at_kink] < 0)
            missing = np.where(at_kink, np.minimum(right, 0) + np.maximum(left, 0), right)
            np.testing.assert_allclose(answer.residual[i] * scale[i], np.linalg.norm(missing), rtol=1e-6)


@pytest.mark.parametrize("kinked", [jax.nn.relu, jax.nn.leaky_relu])
def test_one_unit_leaves_its_kink_passes_it_by_or_is_held_there_in_one_step(kinked):
    """F = 1/2 (z - x)^2 + 1/2 (y - phi(z))^2: to (x + y) / 2 above 0, and 0 where x > 0 and that is below."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    hidden, readout = (Dense(jnp.ones((1, 1)), plain, activation=phi) for phi in (identity, kinked))
    x, y = jnp.array([[0.0], [0.005], [1.0], [1.0]]), jnp.array([[3.0], [3.0], [3.0], [-4.0]])
    answer = equilibrate(Problem(Network((hidden,), readout, (1,)), x, y), KinkNewton(1e-8, 0, 0))
    assert np.all(answer.steps == 1)
    np.testing.assert_allclose(answer.activities[0][:, 0], [1.5, 1.5025, 2, 0], rtol=1e-12)
    assert answer.energies[3] == 8.5 and list(answer.criterion) == 3 * [Criterion.GRADIENT] + [Criterion.KINK]


def test_where_nothing_has_a_kink_it_is_newtons_method():
    problem = Case(activation=jnp.tanh, depth=2).problem()
    answers = [equilibrate(problem, solver(1e-8)) for solver in (KinkNewton, SweepsThenNewton)]
    assert np.all(answers[0].criterion == Criterion.GRADIENT)
    np.testing.assert_allclose(*(answer.energies for answer in answers), rtol=1e-12)
