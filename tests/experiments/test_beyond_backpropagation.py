"""The study of predictive coding beyond backpropagation measures what it says, and its claims can fail."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.beyond_backpropagation import claims
from pcn_lib.data import toy_task
from pcn_lib.energy import loss
from pcn_lib.experiments.beyond_backpropagation import (
    EXPONENTS,
    Record,
    Settings,
    alignment_of,
    limiting_metric,
    limiting_one_minus_cosine,
    run,
    toy_problem,
)
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures.beyond_backpropagation import angle, training
from pcn_lib.gradients import bp_gradient, closed_form_gradient, compare
from pcn_lib.rescaling import gram, linear_jacobians
from pcn_lib.results import load, save

SMALL = Settings(depth=3, widths=(12, 24), steps=3, seeds=2)


@pytest.fixture(scope="module")
def record() -> Record:
    return run(SMALL)


def free_probability_one_minus_cosine(depth: int, q: float, mu: float, gamma_0: float) -> float:
    """The angle by another road: spectral moments of B_{l+1} = I + V_l B_l V_l^T, V and B asymptotically free."""
    g, growth = 1 / depth, 1 + 1 / depth
    first, second, hidden = 1.0, 1.0, 0.0
    for layer in range(2, depth):
        hidden += g * growth ** (2 * depth - 2 * layer - 1) * second
        first, second = 1 + growth * first, 1 + 2 * growth * first + growth**2 * second + (2 * g + g**2) * first**2
    kernel = 2 * growth ** (depth - 2) + (depth - 2) * g * growth ** (depth - 3)
    tan = gamma_0 * mu / (depth * (1 + mu * limiting_metric(depth))) * np.sqrt((second + hidden) / (kernel * q))
    return 1 - 1 / np.sqrt(1 + tan**2)


@pytest.mark.parametrize("depth", [3, 8, 20])
@pytest.mark.parametrize("strength, gamma_0", [(0.1, 1.0), (1.0, 1.0), (5.0, 0.5)])
def test_the_limiting_angle_is_that_of_free_random_matrices(depth, strength, gamma_0):
    limit = limiting_one_minus_cosine(depth, 0.05, strength=strength, gamma_0=gamma_0)
    assert limit == pytest.approx(free_probability_one_minus_cosine(depth, 0.05, strength, gamma_0), rel=1e-10)


def test_deep_networks_tend_to_the_constants_of_the_theorem():
    tan = np.sqrt(np.e / (3 * 0.05)) / np.e
    assert limiting_metric(10_000) == pytest.approx(np.e - 1, rel=1e-3)
    assert limiting_one_minus_cosine(2000, 0.05) == pytest.approx(1 - 1 / np.sqrt(1 + tan**2), rel=1e-2)


def test_the_alignment_is_the_squared_mean_of_the_signed_inputs():
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [-1.0]])
    assert alignment_of(x, y) == (1 + 1) / 2
    data = toy_task(0)
    assert alignment_of(data.x, data.y) == pytest.approx(1 / 20, rel=0.7)


def test_the_angle_is_that_of_the_closed_forms_gradient(record):
    i, width = EXPONENTS.index(1.0), SMALL.widths[1]
    problem = toy_problem(SMALL, width, 1, SMALL.precision(width))
    gap = jax.jit(lambda p: compare(closed_form_gradient(p), bp_gradient(p)).total.one_minus_cosine)(problem)
    assert record.one_minus_cosine[i, 1, 1] == pytest.approx(float(gap), rel=1e-9)
    assert record.different.one_minus_cosine[1, 1, 0] == pytest.approx(float(gap), rel=1e-8)


def test_both_trainings_start_from_one_network_and_only_the_precision_differs(record):
    np.testing.assert_allclose(record.different.loss[:, :, 0], record.bp_loss[:, :, 0], rtol=1e-12)
    ratio = record.different.metric[:, :, 0] / record.alike.metric[:, :, 0]
    np.testing.assert_allclose(ratio, np.array(SMALL.widths)[:, None] / SMALL.depth * np.ones((1, 2)), rtol=1e-10)
    np.testing.assert_allclose(record.different.metric[:, :, 0], record.metric, rtol=1e-10)


def test_the_smaller_rate_is_slower_and_nothing_moves_before_the_first_step(record):
    assert np.all(record.slow_bp_loss[:, :, -1] > record.bp_loss[:, :, -1])
    assert np.all(record.different.moved[:, :, 0] == 0) and np.all(record.different.moved[:, :, 1:] > 0)


def test_a_record_comes_back_from_disk_with_the_same_claims(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


@pytest.mark.parametrize(
    "change, failing",
    [
        (dict(residual=1.0), "every network is at its equilibrium"),
        (dict(metric=np.full((2, 2), 5.0)), "lambda M at initialisation"),
        (dict(one_minus_cosine=np.full((4, 2, 2), 0.1)), "rate at lambda = (N/L)^0"),
    ],
)
def test_a_measurement_that_contradicts_the_theory_fails_its_claim(record, change, failing):
    assert failing in {claim.name for claim in claims(replace(record, **change)) if not claim.as_expected}


def test_a_training_that_becomes_backpropagation_fails_the_claims_that_it_stays_apart(record):
    merged = record.bp_loss.copy()
    merged[0] += 0.1
    failed = {claim.name for claim in claims(replace(record, different=replace(record.different, loss=merged)))
              if not claim.as_expected}  # fmt: skip
    assert "loss curves stay apart" in failed


@pytest.mark.parametrize("picture", [angle, training])
def test_a_picture_says_what_it_shows(record, picture):
    assert "Data: toy task" in picture(record).caption


def test_a_network_without_hidden_to_hidden_layers_is_refused():
    with pytest.raises(SettingsError, match="depth"):
        Settings(depth=2)


def test_the_second_parts_direction_knows_no_data_and_its_length_knows_the_loss():
    problem = toy_problem(SMALL, 12, 0, SMALL.precision(12))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, problem.x.shape[1])), 3 * rng.standard_normal((5, 1))
    other = replace(problem, x=jnp.asarray(x), y=jnp.asarray(y))
    parts, losses = [], []
    for one in (problem, other):
        s = 1 + one.output_precision * float(gram(linear_jacobians(one.network))[0, 0])
        pc, bp = closed_form_gradient(one), bp_gradient(one)
        part = jax.tree.map(lambda a, b, s=s, one=one: a / one.output_precision - b / s, pc, bp)
        parts.append(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(part)]))
        losses.append(float(loss(one)))
    np.testing.assert_allclose(parts[0] / losses[0], parts[1] / losses[1], rtol=1e-8, atol=1e-12)
