"""Narrow networks: escape times, censored ones included, the chapter's own trainings, and the laws of theory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from pcn_lib.energy import one_unit_problem
from pcn_lib.gradients import pc_gradient
from pcn_lib.inference import equilibrate
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import GradientDescent, Schedule, train
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("saddle_to_saddle", profile="smoke", rate=0.2)


def test_an_escape_is_the_first_step_below_the_level_and_a_run_that_stays_above_has_none(names):
    values = np.array([[0.5, 0.2, 0.3, 0.1], [0.5, 0.4, 0.4, 0.3], [0.1, 0.5, 0.5, 0.5], [np.nan] * 4])
    np.testing.assert_array_equal(names["escape"](values, 0.25), [1, np.inf, 0, np.inf])


def test_a_median_counts_runs_that_never_escape_as_later_than_all_others(names):
    times = np.array([[1.0, np.inf, 3.0], [np.inf, np.inf, 3.0], [2.0, 4.0, np.inf]])
    np.testing.assert_array_equal(names["median"](xr.DataArray(times, dims=("case", "seed"))), [3.0, np.inf, 4.0])


def chain_by_hand(weights: list[float], targets: float, rate: float, steps: int) -> list[tuple[float, float]]:
    """F* and Loss of a chain of three weights, x = 1: gradients of (y - abc)^2 / 2s, s = 1 + c^2 + (cb)^2, by hand."""
    a, b, c = weights
    found = []
    for _ in range(steps):
        s, r = 1 + c**2 + (c * b) ** 2, targets - a * b * c
        found.append((r**2 / 2 / s, r**2 / 2))
        pull = r**2 / 2 / s**2
        da, db, dc = -r * b * c / s, -r * a * c / s - pull * 2 * c**2 * b, -r * a * b / s - pull * 2 * c * (1 + b**2)
        a, b, c = a - rate * da, b - rate * db, c - rate * dc
    return found


def test_a_chain_of_units_trains_as_by_hand(names):
    """The chapter's own loop, at D = N = 1, against three numbers and their derivatives written out."""
    key, factor, mlp = jax.random.key(4), 0.3, MLP(1, 1, 3)
    names |= {"x": jnp.ones((1, 1)), "y": jnp.full((1, 1), 1.5), "keys": key[None]}
    run = names["trained"](mlp, jnp.asarray(factor), 25, names["probe"])
    start = [factor * float(w.item()) for w in jax.tree.leaves(mlp.init(key, mupc(), jnp.float64))]
    expected = np.array(chain_by_hand(start, 1.5, 0.2, 25))
    np.testing.assert_allclose(run["energy"][0], expected[:, 0], rtol=1e-9)
    np.testing.assert_allclose(run["pc_loss"][0], expected[:, 1], rtol=1e-9)
    assert float(run["residual"].max()) < 1e-9
    a, b, c = start
    s, r = 1 + c**2 + (c * b) ** 2, 1.5 - a * b * c
    along = c * (-r * a * b / s - r**2 / s**2 * c * (1 + b**2))
    np.testing.assert_allclose(run["probe"]["norms"][0, 0], np.abs(start), rtol=1e-12)
    assert float(run["probe"]["slope"][0, 0]) == pytest.approx(along, rel=1e-9)


@pytest.mark.parametrize("readout", [0.0, 0.01, 0.7, -2.0])
def test_where_the_output_is_zero_the_energy_is_stationary_only_if_the_readout_is_zero(readout: float):
    """W_1 = 0, the other weights of any size: -2 Loss (s - 1) / s^2 along the readout, by hand."""
    problem = one_unit_problem(weights=(0, 0.8, -1.5, readout), x=1, y=2)
    gradient = pc_gradient(problem, equilibrate(problem, LinearExact()).require())
    s = 1 + readout**2 * (1 + 1.5**2 * (1 + 0.8**2))
    slope = readout * gradient.readout.weight[...].item()
    assert slope == pytest.approx(-2 * 2.0 * (s - 1) / s**2, rel=1e-9, abs=1e-15)
    assert (slope == 0) == (readout == 0)


@pytest.mark.parametrize(("first", "leaves"), [(-0.5, False), (-0.4, True), (0.5, True)])
def test_backpropagation_from_minus_a_a_a_flows_into_the_saddle_and_from_beside_it_leaves(first: float, leaves: bool):
    """L = 3, one unit: w_i^2 - w_j^2 is conserved, so equal sizes shrink together, and unequal ones change sign."""
    problem = one_unit_problem(weights=(first, 0.5, 0.5), x=1, y=1)
    after = train(problem, GradientDescent(0.05), Schedule(3000, LinearExact()))
    loss, flat = after.history.bp_loss, 0.5
    assert (float(loss[-1]) < 0.01) == leaves
    if not leaves:
        # da/dt = -a^2: a(t) = a / (1 + a t), with 3000 steps of 0.05.
        a = after.bp.readout.weight[...].item()
        assert a == pytest.approx(0.5 / (1 + 0.5 * 150), rel=0.05) and float(loss[-1]) > flat
