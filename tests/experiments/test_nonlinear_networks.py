"""Nonlinear residual networks: certified trainings, the first order of the gap, and inference stopped by count."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import nonlinear_networks as claims
from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, cross_entropy, energy, loss
from pcn_lib.experiments import nonlinear_networks as study
from pcn_lib.experiments.kinked_equilibria import Below, Kinked, kinked_equilibria, search_below, search_sample
from pcn_lib.experiments.nonlinear_networks import Record, Settings
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, published_inference, skip_chain_residual
from pcn_lib.experiments.trainings import Curves, at_start, stopped_after
from pcn_lib.figures import nonlinear_networks as figures
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Criterion, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import provenance

SMALL = Settings(
    data_set="digits", widths=(4, 32), wide=(64,), published=(4,), kinked=(32,), searched=(4,), counts=(10, 100),
    depth=4, samples=3, steps=2,
)  # fmt: skip


def curves_of(widths: tuple[int, ...], steps: int) -> Curves:
    """Trainings just as theory has them: the gap is 1/N, one minus the cosine 1/N^2."""
    ones, N = np.ones((1, len(widths), steps)), np.array(widths)[None, :, None]
    angle = ones / (N + 3.0) ** 2
    layers = np.repeat(angle[..., None], SMALL.depth, axis=-1)
    return Curves(ones - ones / N, ones, ones, angle, ones, layers, 1e-7 * ones, ones > 0, ones.astype(int))


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    made = provenance(SMALL, seconds=1.0, data_set="images made for a test", dtype="float32")
    ones = np.ones((1, 1, 2))
    stopped = replace(curves_of(SMALL.published, 2), residual=ones, one_minus_cosine=ones / 10)
    trained, wide = curves_of(SMALL.widths, SMALL.steps), curves_of(SMALL.wide, 1)
    none, all_ = np.zeros((1, 1)), np.ones((1, 1))
    kinked = Kinked(by_gradient=none, standing=all_, residual=all_ / 5, gap=all_ / 32, one_minus_cosine=all_ / 20)
    below = Below(excess=all_ / 1000, still=all_ / 20, found=all_ / 20)
    return Record(SMALL, made, trained, wide, np.array([[1 / 64]]), stopped, None, kinked, below)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


@pytest.mark.parametrize(("hidden", "rate", "steps"), [(2, 0.3, 1), (5, 0.1, 7), (31, 0.3, 3100)])
def test_a_chain_of_skips_keeps_the_residual_that_descent_on_its_matrix_leaves(hidden, rate, steps):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    gradient = np.eye(hidden)[-1]
    for _ in range(steps):
        gradient = gradient - rate * chain.T @ (chain @ gradient)
    assert skip_chain_residual(hidden, rate, steps) == pytest.approx(np.linalg.norm(gradient), rel=1e-9)


def test_stopping_at_the_published_count_is_the_published_solver():
    problem = study.problem_of(SMALL, images("digits", Selection(3)), width=4, seed=0)
    stopped = stopped_after([[problem]], (7, 300), ACTIVITY_RATE)
    reached = equilibrate(problem, published_inference(hidden=3))
    likeness = jax.jit(lambda problem, z: compare(pc_gradient(problem, z), bp_gradient(problem)).total)(
        problem, reached
    )
    assert stopped.residual.shape == (1, 1, 2)
    assert stopped.residual[0, 0, 1] == pytest.approx(float(reached.residual.max()), rel=1e-4)
    assert stopped.gap[0, 0, 1] == pytest.approx(1 - float(reached.energy / jax.jit(loss)(problem)), rel=1e-4)
    assert stopped.one_minus_cosine[0, 0, 1] == pytest.approx(float(likeness.one_minus_cosine), rel=1e-4)


@pytest.mark.slow
def test_both_trainings_start_from_the_same_weights_and_every_energy_is_certified_and_below_the_loss():
    # Optax's Adam raises a Python float to an integer power, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        record = study.run(SMALL)
    curves = record.trained
    np.testing.assert_array_equal(curves.pc_loss[..., 0], curves.bp_loss[..., 0])
    data = images("digits", Selection(3))
    before = at_start([[study.problem_of(SMALL, data, N, 0) for N in SMALL.widths]], SMALL.certified)
    for field in fields(Curves):
        np.testing.assert_allclose(getattr(curves.first, field.name), getattr(before, field.name), rtol=1e-4, atol=1e-5)
    assert np.all(curves.pc_loss[..., 1] != curves.bp_loss[..., 1])
    assert curves.converged.all() and record.wide.converged.all()
    assert curves.residual.max() <= SMALL.tolerance
    assert np.all(curves.gap > 0)


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
    with pytest.raises(SettingsError, match="choose one not in widths"):
        replace(SMALL, wide=SMALL.widths)


def test_a_rate_is_not_claimed_from_a_single_width(ideal: Record):
    alone = replace(ideal, settings=replace(SMALL, widths=(2, 4), published=(2,)))
    names = {claim.name for claim in claims.claims(alone)}
    assert "the energy's gap to the loss" in names and "energies become losses as 1/N" not in names


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_energies_that_leave_the_predicted_gap_fail_the_claims(ideal: Record):
    wrong = replace(ideal, wide=replace(ideal.wide, energy=ideal.wide.energy * 0.9))
    assert failing(wrong) == {"the energy's gap to the loss", "energies become losses as 1/N"}


def test_an_equilibrium_without_certificate_fails_its_claim(ideal: Record):
    wrong = replace(ideal, trained=replace(ideal.trained, converged=ideal.trained.converged & False))
    assert failing(wrong) == {"certified equilibria"}


def test_a_narrow_network_with_the_cosine_of_a_wide_one_fails_its_claim(ideal: Record):
    angle = np.full_like(ideal.trained.one_minus_cosine, 1e-3)
    angle[:, 1] = ideal.trained.one_minus_cosine[:, 1]
    wrong = replace(ideal, trained=replace(ideal.trained, one_minus_cosine=angle))
    assert "a narrow network: one gradient" in failing(wrong)


@pytest.mark.parametrize("draw", [figures.training, figures.limit, figures.stopping])
def test_a_figure_names_the_data_set_really_used(ideal: Record, draw):
    assert "images made for a test" in draw(ideal).caption


def test_the_table_of_protocols_sets_the_stopped_beside_the_certified(ideal: Record):
    (row,) = figures.protocols(ideal).rows
    # 1 - cos is 1/10 where stopped and 1/49 at the equilibrium.
    assert row[0] == "N = 4" and row[3:8] == ("0.9000", "0.9796", "1.00e-01", "2.04e-02", "4.90")


def test_a_recorded_run_is_laid_beside_this_one_and_named(ideal: Record):
    kept = replace(ideal, provenance=replace(ideal.provenance, data_set="images of another run"))
    assert [row[0] for row in figures.protocols(ideal, kept).rows] == ["N = 4", "recorded, N = 4"]
    assert "images of another run" in figures.limit(ideal, kept).caption
    assert "images of another run" not in figures.limit(ideal).caption


def test_the_table_of_kinks_says_what_each_certificate_rests_on(ideal: Record):
    tanh, relu = figures.kinks(ideal).rows
    assert tanh[:4] == ("tanh, N = 32", "100%", "–", "0%") and relu[:4] == ("relu, N = 32", "0%", "100%", "0%")


@pytest.mark.slow
def test_relu_networks_stand_still_where_the_gradient_does_not_vanish():
    with_kinks = replace(SMALL, activation="relu", depth=8, samples=6)
    problem = study.problem_of(with_kinks, images("digits", Selection(6)), width=16, seed=0)
    found = kinked_equilibria([[problem]], SweepsThenNewton(1e-5, max_steps=30))
    reached = equilibrate(problem, SweepsThenNewton(1e-5, max_steps=30))
    assert found.by_gradient[0, 0] == pytest.approx(np.mean(reached.criterion == Criterion.GRADIENT))
    assert found.standing[0, 0] == pytest.approx(np.mean(reached.criterion == Criterion.STATIONARY))
    assert found.residual[0, 0] == pytest.approx(float(reached.residual.max()), rel=1e-2)
    assert found.by_gradient[0, 0] < 0.5


def test_a_search_finds_nothing_below_a_smooth_equilibrium_and_something_below_one_on_kinks():
    data, found = images("digits", Selection(3)), {}
    for activation in ("tanh", "relu"):
        problem = study.problem_of(replace(SMALL, activation=activation, depth=8), data, width=4, seed=0)
        found[activation] = search_below([[problem]], SweepsThenNewton(1e-8))
    smooth, kinked = found["tanh"], found["relu"]
    assert abs(smooth.excess) < 1e-10 and smooth.found == pytest.approx(smooth.still, rel=1e-6)
    assert 1e-6 < kinked.excess[0, 0] < 0.1 and kinked.found != kinked.still


def test_the_lowest_energy_found_is_that_of_the_errors_found():
    problem = study.problem_of(replace(SMALL, activation="relu", depth=8), images("digits", Selection(3)), 4, 0)
    problem = jax.tree.map(lambda leaf: leaf.astype("float64"), problem)
    still = equilibrate(problem, SweepsThenNewton(1e-8))
    drops = []
    for i in range(3):
        errors, lowest = search_sample(problem, still, i)
        alone = replace(problem, x=problem.x[i : i + 1], y=problem.y[i : i + 1])
        activities = feedforward(problem.network, alone.x, jax.tree.map(lambda leaf: leaf[None], errors)).activities
        assert energy(alone, activities) == pytest.approx(lowest, rel=1e-10)
        drops.append(float(still.energies[i]) - lowest)
    assert min(drops) >= 0 and max(drops) > 1e-6


def test_inference_that_stands_still_far_above_a_minimum_fails_the_claim_that_it_is_near(ideal: Record):
    wrong = replace(ideal, below=replace(ideal.below, excess=np.full((1, 1), 0.02)))
    assert failing(wrong) == {"ReLU: where inference stands still is near a minimum"}


def test_relu_equilibria_certified_by_the_gradient_fail_the_claim_that_they_are_not(ideal: Record):
    wrong = replace(ideal, kinked=replace(ideal.kinked, by_gradient=ideal.kinked.standing))
    assert failing(wrong) == {"ReLU: equilibria where dF/dz vanishes"}
