"""Inference by gradient descent: curvature against dense matrices, descent against the library's solver."""

from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from pcn_lib.claims import inference_convergence as claims
from pcn_lib.data import toy_task
from pcn_lib.energy import loss
from pcn_lib.experiments import inference_convergence as study
from pcn_lib.experiments.activity_curvature import curvature
from pcn_lib.experiments.inference_convergence import FAMILIES, RATE_SHARE, Descent, Record, Settings
from pcn_lib.experiments.published_inference import ACTIVITY_RATE
from pcn_lib.figures import inference_convergence as figures
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import ActivityDescent, equilibrate
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, NotLinear
from pcn_lib.results import provenance
from tests.cases import Case

SMALL = Settings(width=16, widths=(16, 32), hidden=(1, 3, 7), steps=3000, points=30)
HIDDEN = np.array(SMALL.hidden)
COUNTS = np.unique(np.geomspace(1, SMALL.steps, SMALL.points).round().astype(int))


@pytest.fixture
def ideal() -> Record:
    """A record of which every claim holds, made by theory: one slowest mode, curvature at the bounds."""
    smallest = np.array([[[1.0, 0.03, 6e-4]] * 2, [[1.0, 0.08, 0.013]] * 2] + [[[1.0, 0.07, 0.009]] * 2] * 2)
    largest = np.full_like(smallest, 9.0)
    low, high = smallest[:2, 0], largest[:2, 0]
    factor = np.maximum(np.abs(1 - RATE_SHARE / high * low), abs(1 - RATE_SHARE))
    factor[:, HIDDEN == 1] = abs(1 - RATE_SHARE)
    residual = factor[..., None] ** COUNTS
    angle = np.full_like(residual, 0.01)
    descent = Descent(residual**2, residual, angle, 0.1 * residual**2, np.ones_like(residual))
    published = np.abs(1 - ACTIVITY_RATE * high)[..., None] ** np.arange(1, len(COUNTS) + 1)
    made = provenance(SMALL, seconds=1.0, data_set="data made for a test")
    return Record(SMALL, made, COUNTS, descent, published, angle[..., -1], smallest, largest, low, high)


def failing(record: Record) -> set[str]:
    return {claim.name for claim in claims.claims(record) if not claim.as_expected}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_products_and_extremes_are_those_of_the_dense_hessian(family):
    task = toy_task(0, inputs=5, samples=2)
    problem = study.problem_of(replace(SMALL, inputs=5), task, family, (6, 4))
    one = replace(problem, x=problem.x[:1], y=problem.y[:1])
    flat, unravel = ravel_pytree(equilibrate(one, LinearExact()).activities)
    dense = np.asarray(jax.jit(jax.hessian(lambda z: study.energy(one, unravel(z))))(flat))
    found = curvature(problem.network)
    rows = np.eye(24)
    np.testing.assert_allclose([found.product(row) for row in rows], dense, atol=1e-12)
    np.testing.assert_allclose([found.inverse_product(row) for row in rows], np.linalg.inv(dense), rtol=1e-8, atol=1e-9)
    values, ends = np.linalg.eigvalsh(dense), found.extremes()
    np.testing.assert_allclose([ends.smallest, ends.largest], values[[0, -1]], rtol=1e-5)


def test_the_curvature_of_a_nonlinear_network_is_refused():
    with pytest.raises(NotLinear, match="activity_spectrum"):
        curvature(Case(activation=jnp.tanh).problem().network)


def test_following_inference_measures_what_the_librarys_descent_reaches():
    task = toy_task(0, inputs=5, samples=4)
    problem = study.problem_of(replace(SMALL, inputs=5, samples=4), task, FAMILIES[1], (6, 3))
    measured, apart = study.follow(problem, 0.2, jnp.array([3, 40]))
    exact = equilibrate(problem, LinearExact())
    reference, target = bp_gradient(problem), pc_gradient(problem, exact)
    value = loss(problem)
    for row, steps in zip(np.asarray(measured), (3, 40), strict=True):
        reached = equilibrate(problem, ActivityDescent(optax.sgd(0.2), steps))
        gradient = pc_gradient(problem, reached)
        to_bp, to_exact = compare(gradient, reference).total, compare(gradient, target).total
        expected = [
            (reached.energy - exact.energy) / (value - exact.energy),
            to_bp.one_minus_cosine, to_exact.one_minus_cosine, to_exact.norm_ratio,
        ]  # fmt: skip
        np.testing.assert_allclose(row[[0, 2, 3, 4]], np.array(expected), rtol=1e-6, atol=1e-12)
        assert reached.residual.min() * 0.9 <= row[1] <= reached.residual.max() * 1.1
    assert apart == pytest.approx(float(compare(target, reference).total.one_minus_cosine), rel=1e-9)


def test_the_bound_is_the_geometric_sum_and_random_networks_keep_below_it():
    sp, mupc = (study.slowest_possible(3, family) for family in FAMILIES[:2])
    assert sp == pytest.approx(1 / 7) and mupc == pytest.approx(1 / (1 + 1.25 + 1.25**2))
    task = toy_task(0)
    for family in FAMILIES:
        ends = curvature(study.problem_of(SMALL, task, family, (48, 3)).network).extremes()
        assert ends.smallest < study.slowest_possible(3, family)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.35, 0.45])
def test_a_late_step_is_as_slow_as_the_slower_end_of_the_spectrum(rate: float):
    mu = np.array([0.3, 1.0, 4.0])
    gap = np.ones(3)
    norms = [np.linalg.norm(gap := gap * (1 - rate * mu)) for _ in range(400)]
    assert study.late_factor(rate, mu[0], mu[-1]) == pytest.approx(norms[-1] / norms[-2], rel=1e-6)
    # The smallest eigenvalue decides only below 2 / (0.3 + 4) = 0.465.
    assert study.late_factor(0.48, mu[0], mu[-1]) == pytest.approx(0.92) and 1 - 0.48 * 0.3 < 0.86


def test_what_theory_predicts_passes_every_claim(ideal: Record):
    assert failing(ideal) == set()
    assert {"late rate, muPC, H = 7", "late rate, SP, H = 3"} <= {claim.name for claim in claims.claims(ideal)}
    assert "late rate, SP, H = 7" not in {claim.name for claim in claims.claims(ideal)}


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda r: {"descent": replace(r.descent, residual=r.descent.residual**1.3)}, {"late rate, muPC, H = 7"}),
        (lambda r: {"smallest": 20 * r.smallest}, {"SP: the smallest curvature"}),
        (lambda r: {"smallest": np.full_like(r.smallest, 5e-4)}, {"SP is conditioned worse than muPC"}),
        (lambda r: {"largest": 10 * r.smallest}, {"the condition number is at least the bound"}),
        (lambda r: {"published": r.published[..., ::-1]}, {"the script's rate is not stable under SP"}),
        (
            lambda r: {"descent": replace(r.descent, from_exact=r.descent.from_exact[::-1])},
            {"muPC reaches the exact gradient", "SP reaches the exact gradient"},
        ),
    ],
)
def test_a_record_that_leaves_the_theory_fails_its_claim(ideal: Record, change, names):
    assert names <= failing(replace(ideal, **change(ideal)))


@pytest.mark.parametrize("draw", [figures.convergence, figures.directions, figures.conditioning])
def test_a_figure_names_its_data_and_lays_a_recorded_run_beside(ideal: Record, draw):
    kept = replace(ideal, settings=replace(SMALL, width=2048))
    assert "data made for a test" in draw(ideal).caption and "recorded" not in draw(ideal).caption
    assert "recorded" in draw(ideal, kept).caption


def test_the_table_of_speeds_says_what_was_not_reached(ideal: Record):
    rows = {row[0]: row for row in figures.speeds(ideal).rows}
    assert rows["SP, H = 7"][5] == "not reached" and rows["muPC, H = 7"][5] != "not reached"
    assert rows["SP, H = 7"][3] == "15,000"


@pytest.mark.slow
def test_a_small_study_runs_and_keeps_its_shapes():
    settings = Settings(width=8, widths=(8, 12), hidden=(1, 3), steps=100, points=10, inputs=5, samples=4)
    record = study.run(settings)
    assert record.condition.shape == (4, 2, 2) and record.published.shape == (2, 2, len(record.counts))
    for field in fields(Descent):
        assert np.all(np.isfinite(getattr(record.descent, field.name)))
    np.testing.assert_allclose(record.followed_smallest, record.smallest[:2, 0], rtol=1e-12)


def test_a_single_width_leaves_nothing_to_compare_and_is_refused():
    with pytest.raises(study.SettingsError, match="at least two are needed"):
        Settings(widths=(8,))
    assert mupc_skips().name in {family.parameterisation().name for family in FAMILIES}
