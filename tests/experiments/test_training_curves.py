"""Trainings of linear networks over widths: the shared study code, the rescaling at the start, and the claims."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pcn_lib.claims import training_curves as claims
from pcn_lib.data import toy_task
from pcn_lib.dmft import InfiniteWidth, learning_curve
from pcn_lib.energy import Problem, loss
from pcn_lib.experiments import training_curves as study
from pcn_lib.experiments.linear_trainings import Curves, Plan, draw, every_rate, together, train_cases
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.experiments.training_curves import Record, Settings
from pcn_lib.figures import training_curves as figures
from pcn_lib.gap import _squared_sums
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import equilibrate
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc, mupc_skips, ntp, sp, sp_uniform
from pcn_lib.rescaling import LinearExact, rescaling
from pcn_lib.results import provenance
from pcn_lib.training import GradientDescent, Schedule, train
from pcn_lib.wishart import effective_width, largest_over_mean, relative_scatter
from tests.cases import Case

SMALL = Settings(widths=(8, 64), steps=40, seeds=2)


def curves_of(settings: Settings, *, skips: bool) -> Curves:
    """Trainings just as theory has them: s - 1 grows tenfold from its expectation, 1 - cos is half the loss."""
    steps = settings.steps + 1
    ones = np.ones((len(settings.rates), len(settings.widths), settings.seeds, steps))
    start = np.array(study.expected(settings, skips=skips))[None, :, None, None]
    s = 1 + start * np.geomspace(1, 10, steps)
    loss = ones * np.geomspace(0.5, 1e-3, steps)
    angle = ones * np.array([2.0, 1.0])[None, :, None, None] * loss
    values = dict(energy=loss / s, pc_loss=loss, bp_loss=loss, rescaling=ones * (s - 1), same_weights=angle)
    blank = {field.name: 1e-12 * ones for field in fields(Curves)}
    return Curves(**(blank | values))


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made without any computation."""
    made = provenance(SMALL, seconds=1.0, data_set="data made for a test")
    no_skips = curves_of(SMALL, skips=False)
    diverged = no_skips.bp_loss.copy()
    diverged[-1, ..., -1] = np.nan
    no_skips = replace(no_skips, bp_loss=diverged, same_weights=2 * no_skips.same_weights + 0.3)
    return Record(SMALL, made, no_skips, curves_of(SMALL, skips=True))


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


def test_cases_trained_together_are_the_cases_trained_one_by_one_and_obey_the_closed_form():
    task = toy_task(0, inputs=3, samples=4)
    mlp, plan = MLP(3, 4, 3), Plan(GradientDescent, 3)
    parts = [every_rate(task, draw(mlp, p, (0, 1)), (0.1,)) for p in (sp(), sp_uniform())]
    both = train_cases(plan, together(parts))
    np.testing.assert_allclose(both.energy * (1 + both.rescaling), both.pc_loss, rtol=1e-12)
    np.testing.assert_array_equal(both.pc_loss[:, 0], both.bp_loss[:, 0])
    np.testing.assert_array_equal(both.rescaling, both.mean_rescaling)
    # By hand: the second draw's loss before training, from its weights.
    network = draw(mlp, sp_uniform(), (1,))
    first, *hidden, last = (np.asarray(w)[0] for w in jax.tree.leaves(network))
    outputs = task.x @ first.T @ np.asarray(hidden[0])[0].T @ last.T
    np.testing.assert_allclose(both.bp_loss[3, 0], np.mean((task.y - outputs) ** 2) / 2, rtol=1e-12)
    np.testing.assert_allclose(both.pc_output[3, 0], np.sqrt(np.mean(outputs**2)), rtol=1e-12)
    assert np.all(both.pc_moved[:, 0] == 0) and np.all(both.bp_moved[:, 2] > both.bp_moved[:, 1])


def test_networks_with_different_multipliers_are_not_trained_together():
    task, mlp = toy_task(0, inputs=3, samples=4), MLP(3, 4, 3)
    with pytest.raises(ValueError, match="train them apart"):
        together([every_rate(task, draw(mlp, p, (0,)), (0.1,)) for p in (sp(), ntp())])


@pytest.mark.parametrize("depth", [2, 3, 7, 32])
def test_the_effective_width_agrees_with_the_sums_of_the_chapter_on_gradients(depth):
    # There ||sum_k H_k u||^2 is derived another way, by adding pairs of layers.
    *_, squared = [1.0, *_squared_sums(depth)]
    first = sum((1 + 1 / depth) ** k for k in range(depth - 1))
    mlp = MLP(5, 64, depth, skips=True)
    assert effective_width(mlp, mupc_skips()) == pytest.approx(64 * first**2 / squared, rel=1e-12)


@pytest.mark.parametrize(("outputs", "skips", "depth"), [(10, True, 4), (10, True, 12), (1, False, 12), (10, False, 3)])
def test_sampled_rescalings_scatter_and_have_the_norm_that_the_wishart_matrix_has(outputs, skips, depth):
    rng, width, parameterisation = np.random.default_rng(0), 64, mupc_skips() if skips else mupc()
    multiplier = (width * depth) ** -0.5 if skips else width**-0.5
    traces, norms = [], []
    for _ in range(300):
        P = rng.standard_normal((outputs, width)) / width
        M = P @ P.T
        for _ in range(depth - 2):
            P = float(skips) * P + multiplier * P @ rng.standard_normal((width, width))
            M = M + P @ P.T
        traces.append(np.trace(M) / outputs)
        norms.append(np.linalg.eigvalsh(M)[-1])
    mlp = MLP(5, width, depth, outputs, skips=skips)
    # 300 draws know a standard deviation to 4 %; the rest is the next order in 1/N.
    assert relative_scatter(mlp, parameterisation) == pytest.approx(np.std(traces) / np.mean(traces), rel=0.25)
    if outputs > 1:
        assert largest_over_mean(mlp, parameterisation) == pytest.approx(np.mean(norms) / np.mean(traces), rel=0.06)


def test_a_network_too_narrow_for_the_largest_eigenvalue_is_refused():
    with pytest.raises(ValueError, match="wider network"):
        largest_over_mean(MLP(5, 2, 8, 10, skips=True), mupc_skips())


def test_settings_that_do_not_ascend_are_refused():
    with pytest.raises(SettingsError, match="ascending"):
        Settings(widths=(32, 8))


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()


def test_the_start_is_the_exact_sum_and_not_its_limit_in_depth():
    # (L/N) [(1 + 1/L)^(L-1) - 1]: 1.483 at L = 16, where the limit has e - 1.
    first, last = (N * value / 16 for N, value in zip(SMALL.widths, study.expected(SMALL, skips=True), strict=True))
    assert first == pytest.approx((17 / 16) ** 15 - 1, rel=1e-12) == last
    assert round(first, 3) == 1.483


def test_one_minus_cosine_over_the_loss_goes_to_its_constant_where_inputs_are_independent():
    """Weights held fixed, targets moved towards the outputs: B |grad s off the span of grad f_i|^2 / 4 s^2 r.Gr."""
    case = Case(batch=3, inputs=4, outputs=1, depth=3)
    problem = case.problem()
    flat, unravel = ravel_pytree(problem.network)
    outputs = lambda w: feedforward(unravel(w), problem.x).output[:, 0]  # noqa: E731
    s_of = lambda w: rescaling(unravel(w))[0, 0]  # noqa: E731
    J, slope, s = jax.jacobian(outputs)(flat), jax.grad(s_of)(flat), s_of(flat)
    direction = jnp.array([0.6, -0.64, 0.48])
    away = J.T @ direction
    off = slope - away * (slope @ away) / (away @ away)
    constant = float(3 * (off @ off) / (4 * s**2 * (away @ away)))
    # The part off the whole span is not zero either: no residual's direction makes the constant vanish.
    assert float(jnp.linalg.norm(slope - J.T @ jnp.linalg.lstsq(J.T, slope)[0])) > 1e-3 * float(jnp.linalg.norm(slope))
    ratios = []
    for size in (1e-2, 1e-3):
        near = replace(problem, y=problem.y * 0 + (outputs(flat) + size * direction)[:, None])
        likeness = compare(pc_gradient(near, equilibrate(near, LinearExact())), bp_gradient(near)).total
        ratios.append(float(likeness.one_minus_cosine / loss(near)))
    assert ratios[1] == pytest.approx(constant, rel=2e-2)
    assert abs(ratios[1] - constant) < abs(ratios[0] - constant)


@pytest.mark.slow
def test_the_rescaling_of_wide_networks_follows_the_backpropagated_signals_of_infinite_width():
    """N (s - 1) gamma_0^2 -> sum_l G^l(t, t), without skips, after 0, 10, 20 and 30 steps."""
    rng, width, gamma = np.random.default_rng(0), 1024, 1.0
    x, y = rng.standard_normal((6, 10)), np.repeat([1.0, -1.0], 3)
    curve = learning_curve(x @ x.T / 10, y, InfiniteWidth(3, 0.3, 31, gamma)).require()
    limit = np.einsum("ltt->t", curve.gradients)[::10]
    found = []
    for seed in range(3):
        network = MLP(10, width, 3).init(jax.random.key(seed), mupc(gamma), jnp.float64)
        problem = Problem(network, jnp.asarray(x), jnp.asarray(y)[:, None])
        history = train(problem, GradientDescent(0.3), Schedule(31, LinearExact())).history
        found.append(width * (np.array(history.pc_loss / history.energy)[::10] - 1))
    assert limit[0] == pytest.approx(2) and limit[-1] > 1.5 * limit[0]
    # Squared norms of N Gaussian numbers scatter by (2/N)^1/2 each; three draws of two layers.
    np.testing.assert_allclose(np.mean(found, axis=0), limit, rtol=0.1)


def test_energies_that_are_not_the_loss_over_s_fail_their_claim(ideal: Record):
    wrong = replace(ideal, skips=replace(ideal.skips, energy=ideal.skips.energy * 1.001))
    assert "F* = Loss / s throughout training" in failing(wrong)


def test_a_rescaling_that_training_leaves_alone_fails_its_claim(ideal: Record):
    still = np.broadcast_to(ideal.skips.rescaling[..., :1], ideal.skips.rescaling.shape)
    wrong = replace(ideal, skips=replace(ideal.skips, rescaling=still, energy=ideal.skips.pc_loss / (1 + still)))
    assert "learning multiplies the rescaling" in failing(wrong)


@pytest.mark.parametrize("power", [0.5, 0.7, 1.3, 2.0])
def test_an_angle_that_falls_slower_or_faster_than_the_loss_fails_its_claim(ideal: Record, power: float):
    wrong = replace(ideal, skips=replace(ideal.skips, same_weights=ideal.skips.same_weights**power))
    assert "the direction returns as the loss vanishes" in failing(wrong)


def test_figures_name_the_data_draw_trainings_that_diverge_and_a_recorded_run(ideal: Record):
    rate = SMALL.rates[-1]
    pictures = [
        figures.curves(ideal, rate),
        figures.rescaling(ideal),
        figures.late(ideal),
        figures.widths(ideal, ideal),
    ]
    assert all("data made for a test" in picture.caption for picture in pictures)
    with pytest.raises(ValueError, match="choose one of these"):
        figures.curves(ideal, 0.3)
    assert jnp.isnan(figures._visible(np.array([[1.0, 1e4, 1.0]]))).tolist() == [[False, True, True]]
