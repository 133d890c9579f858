"""The scales and exponents that the chapter predicts are those of explicit matrices, of the table and of training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.data import toy_task
from pcn_lib.energy import Problem
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Exponents, abcd
from pcn_lib.rescaling import LinearExact
from pcn_lib.study import Sizes
from pcn_lib.training import GradientDescent, Schedule, train
from tests.studies.chapters import defined

INPUTS, WIDTH, DEPTH, STEPS, RATE = 5, 4, 4, 2, 0.05
KINDS = ("SP", "NTP", "muPC", "SP with skips", "muPC with skips")


@pytest.fixture(scope="module")
def names() -> dict:
    found = defined("parameterisations", profile="smoke")
    task = toy_task(0, inputs=INPUTS, samples=4)
    found["sizes"] = Sizes("test", dict(found["sizes"]) | dict(inputs=INPUTS, depth=DEPTH))
    return found | dict(x=jnp.asarray(task.x), y=jnp.asarray(task.y))


@pytest.fixture
def run(names):
    """The chapter's functions see the small data set in place of their own."""

    def call(name, *arguments):
        function = names[name]
        function.__globals__.update({key: names[key] for key in ("sizes", "x", "y")})
        return function(*arguments)

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_moves_as_a_training_in_its_own_parameterisation(kind, names, run):
    """The chapter trains all kinds as one network with other scales; here each is drawn and trained as itself."""
    key, (table, skips) = jax.random.key(3), names["KINDS"][kind]
    problem = Problem(MLP(INPUTS, WIDTH, DEPTH, skips=skips).init(key, table, jnp.float64), names["x"], names["y"])
    trained = train(problem, GradientDescent(RATE), Schedule(STEPS, LinearExact()))
    start = feedforward(problem.network, problem.x)
    _, change = run("changes", {kind: (table, skips)}, WIDTH, key, RATE, STEPS)["change"]
    for found, final in zip(change[:, 0, -1], (trained.pc, trained.bp), strict=True):
        end = feedforward(final, problem.x)
        before, now = (
            [one.activities[0], *one.activities[1].swapaxes(0, 1)] for one in (start, end)
        )  # fmt: skip
        moved = [jnp.linalg.norm(b - a) / jnp.linalg.norm(a) for a, b in zip(before, now, strict=True)]
        moved.append(jnp.sqrt(jnp.mean((end.output - start.output) ** 2)))
        # The chapter draws unit weights in float32 and scales them in float64; here the scaled draw is rounded again.
        np.testing.assert_allclose(found, np.array(moved), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_initial_scales_are_the_mean_over_many_explicit_matrices(kind, names, run):
    draws, rng, (table, skips) = 40_000, np.random.default_rng(0), names["KINDS"][kind]
    x, width = np.asarray(names["x"]), 3
    rows = [table.input, *[table.hidden] * (DEPTH - 2), table.output]
    shapes = [(width, INPUTS), (width, width), (width, width), (1, width)]
    weights = [
        row.multiplier(n, width, DEPTH) * np.sqrt(row.variance(n, width, DEPTH)) * rng.standard_normal((draws, m, n))
        for row, (m, n) in zip(rows, shapes, strict=True)
    ]
    hidden = [weight + skips * np.eye(width) for weight in weights[1:3]]
    top = np.mean((hidden[1] @ hidden[0] @ weights[0] @ x.T) ** 2, axis=(1, 2))
    jacobian = np.sum((weights[3] @ hidden[1] @ hidden[0]) ** 2, axis=(1, 2))
    for found, expected in zip((top, jacobian), run("expected", table, skips, width, DEPTH), strict=True):
        assert abs(found.mean() - expected) < 5 * found.std() / np.sqrt(draws)


def test_exponents_are_those_of_the_phase_diagram_and_of_sp(names):
    """In the abcd family with b = 0, c = -2 d: hidden layers move by N^(d - 1/2) and the output by order 1."""
    for d in (0.0, 0.25, 0.5, 0.75):
        np.testing.assert_allclose(names["exponents"](abcd(Exponents(d=d, c=-2 * d)), 5), [d - 0.5] * 4 + [0])
    np.testing.assert_allclose(names["exponents"](names["KINDS"]["SP"][0], 4), [-0.5, 0.5, 0.5, 1])


def test_a_power_law_is_fitted(names):
    width, seed, step = (xr.DataArray(values, dims=name) for name, values in (
        ("width", [4.0, 8.0, 32.0]), ("seed", [1.0, 1.0]), ("step", [1.0, 1.0])))  # fmt: skip
    change = (width**-0.5 * seed * step).assign_coords(width=width, step=[1, 2])
    assert float(names["fitted"](change)) == pytest.approx(-0.5)


@pytest.mark.parametrize("rate, leads", [(1e-9, False), (1.0, True)], ids=["first order", "a step that is not small"])
def test_the_exponents_are_those_of_a_small_step_where_activities_grow(rate, leads, names, run):
    """NTP at a rate of N^1.5: to first order the output moves by N^1.5; at a finite rate products of changes lead."""
    fast = abcd(Exponents(d=0.0, c=-1.5))
    predicted = names["exponents"](fast, DEPTH)
    np.testing.assert_allclose(predicted, [1.0, 1.0, 1.0, 1.5])
    keys = jax.random.split(jax.random.key(0), 6)
    change = np.array(
        [[run("changes", {"fast": (fast, False)}, width, key, rate, 1)["change"][1] for key in keys]
         for width in (64, 256)]
    )  # fmt: skip
    size = np.sqrt(np.mean(change[:, :, :, 0, 0] ** 2, axis=1))  # [width, rule, layer]
    found = np.log(size[1] / size[0]) / np.log(4)
    if leads:
        assert np.all(found[:, -1] > predicted[-1] + 0.4)
    else:
        np.testing.assert_allclose(found, np.stack([predicted] * 2), atol=0.15)
