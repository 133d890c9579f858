"""Nonlinear residual networks: certified trainings, the first order of the gap, and inference stopped by count."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import nonlinear_networks as claims
from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, cross_entropy, loss
from pcn_lib.experiments import nonlinear_networks as study
from pcn_lib.experiments.nonlinear_networks import Record, Settings
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.published_inference import published_inference, skip_chain_residual, stop_after
from pcn_lib.figures import nonlinear_networks as figures
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Sweeps, equilibrate
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips

SMALL = Settings(
    data_set="digits", widths=(4, 32), wide=(64,), published=(4,), counts=(10, 100), depth=4, samples=3, steps=2
)


@pytest.fixture(scope="module")
def record() -> Record:
    return study.run(SMALL)


@pytest.mark.parametrize(("hidden", "rate", "steps"), [(2, 0.3, 1), (5, 0.1, 7), (31, 0.3, 3100)])
def test_a_chain_of_skips_keeps_the_residual_that_descent_on_its_matrix_leaves(hidden, rate, steps):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    gradient = np.eye(hidden)[-1]
    for _ in range(steps):
        gradient = gradient - rate * chain.T @ (chain @ gradient)
    assert skip_chain_residual(hidden, rate, steps) == pytest.approx(np.linalg.norm(gradient), rel=1e-9)


def test_stopping_at_the_published_count_is_the_published_solver():
    problem = study.problem_of(SMALL, images("digits", Selection(3)), width=4, seed=0)
    stopped = stop_after([[problem]], (7, 300))
    reached = equilibrate(problem, published_inference(hidden=3))
    likeness = jax.jit(lambda problem, z: compare(pc_gradient(problem, z), bp_gradient(problem)).total)(
        problem, reached
    )
    assert stopped.residual.shape == (1, 1, 2)
    assert stopped.residual[0, 0, 1] == pytest.approx(float(reached.residual.max()), rel=1e-4)
    assert stopped.gap[0, 0, 1] == pytest.approx(1 - float(reached.energy / jax.jit(loss)(problem)), rel=1e-4)
    assert stopped.one_minus_cosine[0, 0, 1] == pytest.approx(float(likeness.one_minus_cosine), rel=1e-4)


def test_both_trainings_start_from_the_same_weights(record: Record):
    curves = record.trained
    np.testing.assert_array_equal(curves.pc_loss[..., 0], curves.bp_loss[..., 0])
    np.testing.assert_allclose(curves.same_weights[..., 0], curves.one_minus_cosine[..., 0], rtol=1e-4)
    assert np.all(curves.pc_loss[..., 1] != curves.bp_loss[..., 1])


def test_every_energy_is_at_a_certified_equilibrium_and_below_the_loss(record: Record):
    assert record.trained.converged.all() and record.wide.converged.all()
    assert record.trained.residual.max() <= SMALL.tolerance
    assert np.all(record.trained.gap > 0)


def test_the_first_order_bounds_the_gap_of_a_wide_linear_network_and_nearly_meets_it():
    x = jax.random.normal(jax.random.key(1), (5, 7))
    y = jnp.eye(3)[jnp.array([0, 1, 2, 0, 1])]
    depth, width = 4, 128
    network = MLP(7, width, depth, 3, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    problem = Problem(network, x, y, cross_entropy)
    gap = 1 - equilibrate(problem, Sweeps(tolerance=1e-9)).require().energy / jax.jit(loss)(problem)
    ratio = float(gap / study.first_order_gap(problem))
    assert 1 - depth / width < ratio < 1


def test_a_study_without_the_published_count_or_with_an_unknown_activation_is_refused():
    with pytest.raises(SettingsError, match="add 100"):
        Settings(counts=(10,))
    with pytest.raises(SettingsError, match="tanh, relu"):
        study.preset("quick", activation="gelu")


def test_energies_that_leave_the_predicted_gap_fail_the_claims(record: Record):
    names = {claim.name for claim in claims.claims(record) if not claim.holds}
    wrong = replace(record, wide=replace(record.wide, energy=record.wide.energy * 0.9))
    fails = {claim.name for claim in claims.claims(wrong) if not claim.holds}
    assert fails - names == {"the energy's gap to the loss", "energies become losses as 1/N"}


def test_an_equilibrium_without_certificate_fails_the_claims(record: Record):
    wrong = replace(record, trained=replace(record.trained, converged=record.trained.converged & False))
    assert "certified equilibria" in {claim.name for claim in claims.claims(wrong) if not claim.holds}


@pytest.mark.parametrize("draw", [figures.training, figures.limit, figures.stopping])
def test_a_figure_names_the_data_set_really_used(record: Record, draw):
    assert record.provenance.data_set in draw(record).caption


def test_the_table_of_protocols_sets_the_stopped_beside_the_certified(record: Record):
    names = [row[0] for row in figures.protocols(record).rows]
    assert names == ["N = 4, stopped", "N = 4, certified"]
