"""Activities relax to the equilibrium, and the gradient there is that of the equilibrated energy."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

from pcn_lib.claims.energy_and_inference import claims
from pcn_lib.energy import Problem, energy
from pcn_lib.experiments.energy_and_inference import Record, Settings, preset, run, tanh_problem
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures.energy_and_inference import convergence, relaxation
from pcn_lib.layers import Dense
from pcn_lib.network import Network, feedforward
from pcn_lib.parameterisation import Scales
from pcn_lib.results import load, save

SMALL = Settings(inputs=3, samples=2, width=4, depth=4, steps=(1, 2), directions=1, units=4)


@pytest.fixture(scope="module")
def record() -> Record:
    return run(SMALL)


def test_the_one_unit_network_is_solved_as_by_hand(record):
    found = record.by_hand
    np.testing.assert_allclose([found.activity, found.energy, found.descent], [7 / 5, 1 / 10, 13 / 10], rtol=1e-12)
    np.testing.assert_allclose(found.gradient, [-2 / 5, -7 / 25], rtol=1e-12)
    # Each step multiplies the distance by 1 - 5/2.
    np.testing.assert_allclose(found.runaway, 1.5**2, rtol=1e-12)


def test_the_target_travels_one_layer_in_each_inference_step(record):
    moved = np.abs(record.relaxation.activities).max(axis=2) > 0
    np.testing.assert_array_equal(moved, [[False] * 3, [False, False, True], [False, True, True]])


def test_layer_energies_are_recovered_from_explicit_matrices(record):
    """The tanh network written out with its weights, for the energy of the relaxed activities of one step."""
    problem, _ = tanh_problem(SMALL)
    first, stack, last = (np.asarray(w) for w in jax.tree.leaves(problem.network))
    x, y = np.asarray(problem.x), np.asarray(problem.y)
    h = [x @ first.T]
    for weight in stack:
        h.append(np.tanh(h[-1]) @ weight.T)
    residual = y - np.tanh(h[-1]) @ last.T
    np.testing.assert_allclose(record.loss, np.mean(residual**2) / 2, rtol=1e-12)
    # One step moves the top layer alone, along tanh' W_L^T r.
    step = SMALL.step_size * (1 - np.tanh(h[-1]) ** 2) * (residual @ last)
    np.testing.assert_allclose(record.relaxation.activities[1, -1], step[0], rtol=1e-10)
    moved = np.tanh(h[-1] + step) @ last.T
    expected = [0, 0, np.mean(np.sum(step**2, axis=1)) / 2, np.mean((y - moved) ** 2) / 2]
    np.testing.assert_allclose(record.relaxation.energies[1], expected, rtol=1e-10, atol=1e-20)


def test_the_equilibrium_is_below_every_activity_near_it(record):
    problem, _ = tanh_problem(SMALL)
    lowest = record.equilibrium.energies.sum()
    start = feedforward(problem.network, problem.x).activities
    for key in jax.random.split(jax.random.key(3), 5):
        moved = tuple(z + 0.3 * jax.random.normal(key, z.shape, z.dtype) for z in start)
        assert energy(problem, moved) > lowest
    assert np.all(record.neighbourhood.energy_gap > 0)


def test_a_gradient_of_another_length_fails_the_envelope_claim(record):
    longer = replace(record.differences, predicted=1.01 * record.differences.predicted)
    failed = {claim.name for claim in claims(replace(record, differences=longer)) if not claim.as_expected}
    assert "PC's gradient is that of F*" in failed


def test_the_claims_are_about_the_record_that_comes_back_from_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


@pytest.mark.parametrize("picture", [relaxation, convergence])
def test_a_picture_names_its_data(picture, record):
    assert "toy task" in picture(record).caption


def test_a_step_size_that_is_not_positive_is_refused_by_name():
    with pytest.raises(SettingsError, match="step_size"):
        preset("smoke", step_size=0.0)


def one_unit(activation, *, first: float, second: float, y: float = 1.0) -> Problem:
    """f(x) = w_2 phi(w_1 x), x = 1: one free activity."""
    plain = Scales(multiplier=1.0, variance=1.0, gd_rate=1.0, adam_rate=1.0)
    column = partial(jnp.full, (1, 1))
    readout = Dense(column(second), plain, activation=activation)
    return Problem(Network((Dense(column(first), plain),), readout, (1,)), x=column(1.0), y=column(y))


def energy_at(problem: Problem, z: Array) -> Array:
    return energy(problem, (jnp.reshape(z, (1, 1)),))


@pytest.mark.parametrize("power", [2.5, 3.0], ids=["two derivatives", "three derivatives"])
def test_a_cubic_remainder_needs_three_derivatives(power: float):
    """phi(z) = z + |z|^power, whose equilibrium lies at z = 0 with H = 2: F - F* - v^2 = O(|v|^power), no better."""
    problem = one_unit(lambda z: z + jnp.abs(z) ** power, first=-1.0, second=1.0)
    assert jax.grad(partial(energy_at, problem))(0.0) == 0
    distances = np.array([1e-2, 1e-3, 1e-4])
    remainders = [
        abs(float(energy_at(problem, jnp.array(v)) - energy_at(problem, jnp.array(0.0))) - v**2) for v in distances
    ]
    assert np.polyfit(np.log(distances), np.log(remainders), 1)[0] == pytest.approx(power, abs=0.02)


def test_the_envelope_theorem_is_about_a_branch_and_the_least_of_two_has_a_kink():
    """phi(z) = z^2: at w_1 = 0 there are two minima, z = +-1/sqrt 2, of equal energy 3/8."""

    def branch(first: float, side: float) -> tuple[float, Problem, Array]:
        problem = one_unit(jnp.square, first=first, second=1.0)
        z = jnp.array(side * 0.7)
        slope = jax.grad(partial(energy_at, problem))
        for _ in range(20):
            z = z - slope(z) / jax.grad(slope)(z)
        return float(energy_at(problem, z)), problem, z

    step, partials = 1e-4, {}
    for side in (1.0, -1.0):
        value, problem, z = branch(0.0, side)
        assert value == pytest.approx(3 / 8, rel=1e-12)
        gradient = jax.grad(lambda network, p=problem, z=z: energy_at(replace(p, network=network), z))(problem.network)
        partials[side] = float(jax.tree.leaves(gradient)[0].item())
        along = (branch(step, side)[0] - branch(-step, side)[0]) / (2 * step)
        assert partials[side] == pytest.approx(along, rel=1e-6)
    least = [min(branch(first, 1.0)[0], branch(first, -1.0)[0]) for first in (step, -step)]
    assert abs(least[0] - least[1]) / (2 * step) < 1e-6, "the least energy is symmetric in w_1"
    assert partials[1.0] == pytest.approx(-(0.5**0.5)) and partials[-1.0] == pytest.approx(0.5**0.5)
