"""Activities relax to the equilibrium, and the gradient there is that of the equilibrated energy."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pcn_lib.claims.energy_and_inference import claims
from pcn_lib.energy import energy
from pcn_lib.experiments.energy_and_inference import Record, Settings, preset, run, tanh_problem
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures.energy_and_inference import convergence, relaxation
from pcn_lib.network import feedforward
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
