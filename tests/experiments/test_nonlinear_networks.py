"""Nonlinear residual networks: certified trainings, the first order of the gap, and inference stopped by count."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims import nonlinear_networks as claims
from pcn_lib.data import Preparation, Selection, images
from pcn_lib.data.published import figure4
from pcn_lib.energy import Problem, cross_entropy, energy, loss
from pcn_lib.experiments import concurrently, published_mlp
from pcn_lib.experiments import nonlinear_networks as study
from pcn_lib.experiments.backpropagation_rates import Rated, changes, rated
from pcn_lib.experiments.kinked_equilibria import Below, Kinked, kinked_equilibria, search_below, search_sample
from pcn_lib.experiments.nonlinear_networks import Record, Settings
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, published_inference
from pcn_lib.experiments.trainings import Curves, at_start, stopped_after, trained
from pcn_lib.figures import nonlinear_networks as figures
from pcn_lib.figures import published_mlp as paper_figures
from pcn_lib.gap import first_order_gap
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Criterion, Sweeps, SweepsThenNewton, equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.results import provenance
from pcn_lib.spectrum import skip_chain_residual
from pcn_lib.training import Adam, Schedule

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
    rated = Rated(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2), bool))
    return Record(SMALL, made, trained, wide, np.array([[1 / 64]]), stopped, None, rated, "images", kinked, below)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


@pytest.mark.parametrize(("hidden", "rate", "steps"), [(2, 0.3, 1), (5, 0.1, 7), (31, 0.3, 3100)])
def test_a_chain_of_skips_keeps_the_residual_that_descent_on_its_matrix_leaves(hidden, rate, steps):
    chain = np.eye(hidden) - np.eye(hidden, k=-1)
    gradient = np.eye(hidden)[-1]
    for _ in range(steps):
        gradient = gradient - rate * chain.T @ (chain @ gradient)
    assert skip_chain_residual(hidden, rate, steps) == pytest.approx(np.linalg.norm(gradient), rel=1e-9)


def test_stopping_at_the_scripts_count_is_its_solver():
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
    ratio = float(gap / first_order_gap(problem))
    assert 1 - depth / width < ratio < 1


def test_a_study_without_the_scripts_count_or_with_an_unknown_activation_is_refused():
    with pytest.raises(SettingsError, match="add 100"):
        Settings(counts=(10,))
    with pytest.raises(SettingsError, match="tanh, relu"):
        study.preset("quick", activation="gelu")
    with pytest.raises(SettingsError, match="choose one not in widths"):
        replace(SMALL, wide=SMALL.widths)


def test_errors_and_activities_approach_those_of_backpropagation_as_one_over_the_width():
    """The relative errors from which the gradient's follows, and not from that of the energies."""
    x, depth, widths = jax.random.normal(jax.random.key(1), (4, 10)), 5, (64, 128, 256, 512)
    y = jnp.eye(3)[jnp.array([0, 1, 2, 0])]
    apart = []
    for width in widths:
        network = MLP(10, width, depth, 3, jnp.tanh, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
        problem = Problem(network, x, y)
        reached = equilibrate(problem, SweepsThenNewton(1e-10)).require()
        h = feedforward(network, x).activities
        # Backpropagation's deltas, layer by layer, by automatic differentiation of the loss in each layer's errors.
        zero = jax.tree.map(jnp.zeros_like, reached.errors)
        deltas = jax.grad(lambda e, network=network: -jnp.sum((feedforward(network, x, e).output - y) ** 2) / 2)(zero)
        pairs = ((reached.errors, deltas), (reached.activities, h))
        apart.append([_relative(ours, theirs) for ours, theirs in pairs])
    for place in range(2):
        slope = np.polyfit(np.log(widths), np.log(np.array(apart)[:, place]), 1)[0]
        assert slope == pytest.approx(-1, abs=0.25)


def _relative(ours, theirs) -> float:
    far, size = (sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(tree))
                 for tree in (jax.tree.map(jnp.subtract, ours, theirs), theirs))  # fmt: skip
    return (far / size) ** 0.5


def test_backpropagation_at_the_rate_of_predictive_coding_is_the_training_of_the_library(monkeypatch):
    # JAX's settings for a block of code hold in its own thread only.
    monkeypatch.setattr(concurrently.os, "cpu_count", lambda: 1)
    data = images("digits", Selection(3))
    problem = study.problem_of(SMALL, data, 8, 0)
    with jax.numpy_dtype_promotion("standard"):
        found = rated([[problem]], 1e-2, 3, SMALL.certified, (1.0, 2.0))
        curves = trained([[problem]], Adam(1e-2), Schedule(3, SMALL.certified))
    np.testing.assert_allclose(1 - found.cosine[..., 0], curves.one_minus_cosine, rtol=2e-3, atol=1e-6)
    assert found.converged.all() and found.cosine.shape == (1, 1, 3, 2)
    # The first gradients are of the same weights, whatever the rate; the later ones are not.
    assert found.cosine[0, 0, 0, 0] == found.cosine[0, 0, 0, 1] and found.cosine[0, 0, 2, 0] != found.cosine[0, 0, 2, 1]


# The published figure.

RATED = replace(SMALL, rated=(8, 32, 64, 128, 256, 512), batches=6, depth=32, steps=100, loss="squared error")


def hypotheses(shifts: dict[tuple[str, str, str], float]) -> published_mlp.Record:
    """Draws around the published values, moved by a number of standard deviations; 30 for those not named."""
    settings = published_mlp.PRESETS["full"]
    widths, rng = settings.widths, np.random.default_rng(0)
    scatter = 0.1 * np.array([0.7, 0.6, 0.3, 0.1, 0.03, 0.01])
    cosine = np.empty((2, 2, 2, settings.batches, len(widths)))
    for i, loss_ in enumerate(published_mlp.LOSSES):
        for j, inference in enumerate(published_mlp.INFERENCE):
            for k, prepared in enumerate(published_mlp.PREPARATIONS):
                shift = shifts.get((loss_, inference, prepared), 30.0)
                noise = rng.standard_normal((settings.batches, 1)) * 0.6 + rng.standard_normal(cosine.shape[3:]) * 0.8
                cosine[i, j, k] = published_mlp.published_start(widths) + scatter * (noise + shift)
    made = provenance(settings, seconds=1.0, data_set="images made for a test", dtype="float32")
    return published_mlp.Record(settings, made, "cifar10", cosine, np.zeros_like(cosine))


def published_trainings(ideal: Record, factor: int) -> Record:
    """Trainings whose cosines change as the published ones do with backpropagation's rate of one factor only."""
    rng, widths = np.random.default_rng(0), RATED.rated
    cosine = 0.002 * rng.standard_normal((6, len(widths), 100, 2))
    for place, width in enumerate(widths):
        curve = next(curve for curve in figure4("mlp") if curve.width == width)
        cosine[:, place, :, factor] += np.interp(np.arange(100), curve.steps, curve.cosine)
        cosine[:, place, :, 1 - factor] += curve.cosine[0]
    return replace(ideal, settings=RATED, data_name="cifar10", rated=Rated(cosine, cosine[..., 0] > -2))


def test_the_hypothesis_that_fits_is_found_and_the_nearest_other_one_excluded(ideal: Record):
    record = hypotheses({published_mlp.FITTING: 0.3})
    assert next(iter(published_mlp.agreements(record))) == published_mlp.FITTING
    known = {claim.name for claim in claims.claims(ideal)}
    mine = {claim.name: claim for claim in claims.claims(ideal, None, record) if claim.name not in known}
    assert len(mine) == 3 and all(claim.holds for claim in mine.values())


@pytest.mark.parametrize(
    "shifts, wrong",
    [
        ({published_mlp.FITTING: 6.0}, "Figure 4a before training, width by width"),
        (
            {published_mlp.FITTING: 0.3, ("cross-entropy", "equilibrium", "authors"): 0.3},
            "other losses and 100 H steps are excluded",
        ),
    ],
)
def test_published_values_that_fit_badly_or_fit_two_hypotheses_fail_their_claims(ideal: Record, shifts, wrong: str):
    failed = {claim.name for claim in claims.claims(ideal, None, hypotheses(shifts)) if not claim.as_expected}
    assert wrong in failed


def test_hypotheses_of_other_images_are_held_against_nothing(ideal: Record):
    record = replace(hypotheses({published_mlp.FITTING: 0.3}), data_name="digits")
    assert not any("Figure 4a" in claim.name for claim in claims.claims(ideal, None, record))


@pytest.mark.parametrize("factor, expected", [(1, True), (0, False)])
def test_the_rate_at_which_published_curves_bend_is_told_from_the_other(ideal: Record, factor: int, expected: bool):
    made = claims.claims(ideal, published_trainings(ideal, factor))
    over = [claim for claim in made if claim.name.startswith("Figure 4a over training")]
    assert len(over) == 2 and all(claim.as_expected is expected for claim in over)


def test_a_change_is_that_of_the_published_curve_since_its_first_point():
    cosine = np.random.default_rng(0).standard_normal((5, 2, 100))
    published, found = changes(cosine, (8, 512))
    lines = {(8, 1): 0.032, (8, 50): -0.003, (8, 55): -0.006, (512, 1): 0.992, (512, 50): 0.991, (512, 98): 0.979}
    expected = [[lines[8, t] - lines[8, 1] for t in (50, 55)], [lines[512, t] - lines[512, 1] for t in (50, 98)]]
    np.testing.assert_allclose(published, expected, atol=1e-12)
    ours = [cosine[:, 0, 50] - cosine[:, 0, 1], cosine[:, 0, 55] - cosine[:, 0, 1],
            cosine[:, 1, 50] - cosine[:, 1, 1], cosine[:, 1, 98] - cosine[:, 1, 1]]  # fmt: skip
    np.testing.assert_allclose(found.mean, np.mean(ours, axis=1))


def test_pictures_of_the_published_figure_name_its_values_and_ours(ideal: Record):
    record, trainings = hypotheses({published_mlp.FITTING: 0.3}), published_trainings(ideal, 1)
    table = paper_figures.hypotheses(record)
    assert table.rows[0][1:7] == ("0.032", "0.474", "0.761", "0.902", "0.969", "0.992")
    assert table.rows[1][0] == ", ".join(published_mlp.FITTING) and len(table.rows) == 9
    assert "images made for a test" in paper_figures.published(trainings, record).caption
    rows = {row[0]: row[1] for row in paper_figures.over_training(trainings).rows}
    assert rows["N = 64, t = 98"] == "+0.047"


@pytest.mark.slow
def test_every_hypothesis_is_measured_with_its_own_loss_images_and_inference():
    settings = published_mlp.Settings(widths=(6,), depth=4, samples=5, batches=2)
    found = published_mlp.run(settings)
    for i, loss_ in enumerate(published_mlp.LOSSES.values()):
        for j, solver in enumerate(settings.solvers):
            for k, prepared in enumerate(published_mlp.PREPARATIONS):
                data = images("digits", Selection(5, 1), preparation=Preparation.named(prepared))
                x, y = jnp.asarray(data.x, "float32"), jnp.asarray(data.y, "float32")
                mlp = MLP(64, 6, 4, 10, activation=jnp.tanh, skips=True)
                problem = Problem(mlp.init(jax.random.key(1), mupc_skips(), "float32"), x, y, loss_)
                reached = equilibrate(problem, solver)
                alike = jax.jit(lambda p, z: compare(pc_gradient(p, z), bp_gradient(p)).total.cosine)(problem, reached)
                assert found.cosine[i, j, k, 1, 0] == pytest.approx(float(alike), abs=2e-4)


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
