"""The scales and exponents that the study predicts are those of explicit matrices and of the table."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.parameterisations import claims
from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.experiments.parameterisations import (
    KINDS,
    Record,
    Settings,
    after,
    fitted_exponents,
    initial_scales,
    preset,
    run,
    step_exponents,
    update_exponents,
)
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.figures.parameterisations import coordinate_check, initial, training
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Exponents, abcd
from pcn_lib.rescaling import LinearExact
from pcn_lib.results import load, save
from pcn_lib.training import GradientDescent, Schedule, train

SMALL = Settings(inputs=3, samples=4, widths=(4, 8), depth=4, depths=(2, 4), seeds=2, steps=2)


@pytest.fixture(scope="module")
def record() -> Record:
    return run(SMALL)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_moves_as_a_training_in_its_own_parameterisation(kind, record):
    """The study trains all kinds as one network with other scales; here each is drawn and trained as itself."""
    width, depth = SMALL.widths[0], SMALL.depth
    task = toy_task(SMALL.seed, inputs=SMALL.inputs, samples=SMALL.samples)
    key = jax.random.split(jax.random.key(SMALL.seed), SMALL.seeds)[1]
    network = MLP(SMALL.inputs, width, depth, skips=kind.skips).init(key, kind.parameterisation, jnp.float64)
    problem = Problem(network, jnp.asarray(task.x), jnp.asarray(task.y))

    trained = train(problem, GradientDescent(SMALL.rate), Schedule(SMALL.steps, LinearExact()))
    start = feedforward(network, problem.x)
    for moved, final in ((record.pc, trained.pc), (record.bp, trained.bp)):
        end = feedforward(final, problem.x)
        changes = [jnp.linalg.norm(end.activities[0] - start.activities[0]) / jnp.linalg.norm(start.activities[0])]
        for before, now in zip(start.activities[1].swapaxes(0, 1), end.activities[1].swapaxes(0, 1), strict=True):
            changes.append(jnp.linalg.norm(now - before) / jnp.linalg.norm(before))
        changes.append(jnp.sqrt(jnp.mean((end.output - start.output) ** 2)))
        found = after(moved, SMALL.steps)[KINDS.index(kind), 0, 1]
        # The study draws unit weights in float32 and scales them in float64; here the scaled draw is rounded once more.
        np.testing.assert_allclose(found, np.array(changes), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_initial_scales_are_the_mean_over_many_explicit_matrices(kind):
    width, depth, inputs, draws = 3, 4, 5, 40_000
    rng = np.random.default_rng(0)
    x = rng.standard_normal(inputs)
    rows = [kind.parameterisation.input, *[kind.parameterisation.hidden] * (depth - 2), kind.parameterisation.output]
    fan_ins = [inputs, width, width, width]
    shapes = [(width, inputs), (width, width), (width, width), (1, width)]
    weights = [
        row.multiplier(n, width, depth) * np.sqrt(row.variance(n, width, depth)) * rng.standard_normal((draws, *shape))
        for row, n, shape in zip(rows, fan_ins, shapes, strict=True)
    ]
    hidden = [weight + kind.skips * np.eye(width) for weight in weights[1:3]]
    top = np.mean((hidden[1] @ (hidden[0] @ (weights[0] @ x)[..., None])) ** 2, axis=(1, 2))
    jacobian = np.sum((weights[3] @ hidden[1] @ hidden[0]) ** 2, axis=(1, 2))
    predicted = initial_scales(kind, (width, depth), inputs=inputs, input_square=float(np.mean(x**2)))
    for found, expected in zip((top, jacobian), predicted, strict=True):
        assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(draws)


def test_update_exponents_are_those_of_the_phase_diagram():
    """In the abcd family with b = 0, c = -2 d: hidden layers move by N^(d - 1/2) and the output by order 1."""
    for d in (0.0, 0.25, 0.5, 0.75):
        np.testing.assert_allclose(update_exponents(abcd(Exponents(d=d, c=-2 * d)), depth=5), [d - 0.5] * 4 + [0])


def test_update_exponents_of_the_standard_parameterisation_explode():
    np.testing.assert_allclose(update_exponents(KINDS[0].parameterisation, depth=4), [-0.5, 0.5, 0.5, 1])


@pytest.mark.parametrize("rate, output", [(1e-9, 1.5), (1.0, None)], ids=["first order", "a step that is not small"])
def test_the_exponents_are_those_of_a_small_step_where_activities_grow(rate, output):
    """NTP at a rate of N^1.5: to first order the output moves by N^1.5; at a finite rate products of changes lead."""
    settings = Settings(widths=(64, 256), depth=4, depths=(2, 4), seeds=6, steps=1, rate=rate)
    fast = abcd(Exponents(d=0.0, c=-1.5))
    predicted = update_exponents(fast, depth=4)
    np.testing.assert_allclose(predicted, [1.0, 1.0, 1.0, 1.5])
    found = step_exponents(settings, fast)
    if output is not None:
        np.testing.assert_allclose(found, np.stack([predicted] * 2), atol=0.15)
    else:
        assert np.all(found[:, -1] > predicted[-1] + 0.4)


def test_fitted_exponents_recover_a_power_law(record):
    widths = np.array(SMALL.widths, float)
    hidden = np.broadcast_to(widths[None, :, None, None, None] ** 0.5, record.pc.hidden.shape)
    output = np.broadcast_to(widths[None, :, None, None] ** -2, record.pc.output.shape)
    exponents = fitted_exponents(SMALL, replace(record.pc, hidden=hidden, output=output))
    np.testing.assert_allclose(exponents, [[0.5, 0.5, 0.5, -2.0]] * len(KINDS))


def test_a_bp_that_moves_with_another_exponent_fails_the_comparison(record):
    widths = np.array(SMALL.widths, float)[None, :, None, None]
    other = replace(record, bp=replace(record.bp, output=record.bp.output * widths))
    failed = {claim.name for claim in claims(other) if not claim.as_expected}
    assert "PC's exponents are BP's" in failed


def test_the_claims_are_about_the_record_that_comes_back_from_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert claims(load(Record, tmp_path / "record")) == claims(record)


@pytest.mark.parametrize("picture", [initial, coordinate_check, training])
def test_a_picture_names_its_data(picture, record):
    assert "toy task" in picture(record).caption


def test_one_width_is_refused_because_it_has_no_exponent():
    with pytest.raises(SettingsError, match="two different"):
        preset("smoke", widths=(32,))
