"""ReLU networks at a true minimum: one-sided derivatives written out layer by layer, and no lower energy near."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from pcn_lib.energy import Problem
from pcn_lib.inference import Criterion, KinkNewton, SweepsThenNewton, equilibrate
from pcn_lib.layers import Dense
from pcn_lib.network import Network
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import Scales
from tests.cases import Case
from tests.oracles import by_layer, dense_layers

RELU = Case(activation=jax.nn.relu, width=16, depth=8, output_precision=10.0)


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
    answer = equilibrate(problem, KinkNewton(1e-8)).require()
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
    kinked, still = equilibrate(problem, KinkNewton(1e-8)), equilibrate(problem, SweepsThenNewton(1e-8))
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


def test_a_unit_that_crosses_its_kink_is_held_there_at_once():
    """F = 1/2 (z - 1)^2 + 1/2 (4 + relu(z))^2: from z = 1 Newton's step ends at -3/2, across the minimum F(0) = 8.5."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    hidden, readout = (Dense(jnp.ones((1, 1)), plain, activation=phi) for phi in (identity, jax.nn.relu))
    problem = Problem(Network((hidden,), readout, (1,)), x=jnp.ones((1, 1)), y=jnp.full((1, 1), -4.0))
    answer = equilibrate(problem, KinkNewton(1e-8, max_sweeps=0, smooth_steps=0))
    assert answer.activities[0] == 0 and answer.energies == 8.5
    assert answer.criterion == Criterion.KINK and answer.steps == 1


def test_where_nothing_has_a_kink_it_is_newtons_method():
    problem = Case(activation=jnp.tanh).problem()
    answers = [equilibrate(problem, solver(1e-8)) for solver in (KinkNewton, SweepsThenNewton)]
    assert np.all(answers[0].criterion == Criterion.GRADIENT)
    np.testing.assert_allclose(*(answer.energies for answer in answers), rtol=1e-12)
