"""Every comparison runs at a tiny size, and two sides that compute the same thing agree; no time is asserted."""

import os
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from benchmarks import authors, linear
from benchmarks.authors import Grid
from benchmarks.cases import Size, problem
from benchmarks.convolution import ImageSize
from benchmarks.nonlinear import extrapolated
from benchmarks.rows import Row, labelled
from benchmarks.suite import GROUPS, Settings, machine, run
from benchmarks.timing import Measured, alternate, middle
from benchmarks.transformer import TextSize
from pcn_lib.book.benchmarks import met, methods, ratios, rows, table
from pcn_lib.gradients import bp_gradient
from pcn_lib.numerics import tolerance
from pcn_lib.provenance import provenance
from pcn_lib.study import load, save
from tests.oracles import dense_equilibrium, jacobian_products, relative_gap

SMALL = Size(width=4, depth=4, outputs=3, inputs=5, batch=2)
TINY = Settings(
    rounds=1,
    processes=1,
    one_output=SMALL,
    ten_outputs=SMALL,
    hessian=SMALL,
    training=SMALL,
    equilibria=(replace(SMALL, width=64),),
    images=ImageSize(width=2, side=8, colours=1, outputs=3, batch=2, steps=4),
    text=TextSize(width=4, blocks=2, heads=2, vocabulary=3, length=3, batch=2, steps=4),
    memory=SMALL,
    memory_steps=(1, 2),
    shallow=replace(SMALL, depth=3),
    deep=SMALL,
    grid=Grid(widths=(2,), depths=(3,), steps=2),
    jpc=os.environ.get("PCN_JPC"),
)
#: Those that start no process of their own and compile no training.
HERE = ("linear", "hessian", "equilibrium")
APART = tuple(name for name in GROUPS if name not in HERE)


def check(record: xr.Dataset) -> None:
    assert (record.ours > 0).all() and (record.baseline > 0).all()
    # What is missing compares as false: two sides that do not compute the same have no disagreement.
    assert not (record.disagreement > 100 * tolerance("float64", "cpu").exact).any()


@pytest.fixture(scope="module")
def record() -> xr.Dataset:
    return tiny(HERE)


def tiny(groups: tuple[str, ...]) -> xr.Dataset:
    # Optax's Adam raises a Python float to an integer power, which strict promotion refuses.
    with jax.numpy_dtype_promotion("standard"):
        return run(TINY, groups, lambda text: None)


def test_every_comparison_has_positive_sides_and_equal_answers_where_both_compute_the_same(record: xr.Dataset):
    check(record)
    assert int(record.disagreement.notnull().sum()) == 5


@pytest.mark.slow
@pytest.mark.parametrize("group", APART)
def test_a_comparison_of_trainings_or_fresh_processes_has_positive_sides(group: str):
    if group == "authors" and TINY.jpc is None:
        pytest.skip("PCN_JPC names no Python that has the authors' library")
    check(made := tiny((group,)))
    assert len(made.row) > 0
    assert group != "training" or "converged: True" in made.how.item()


def test_the_grid_trains_at_exact_equilibria():
    assert authors.grid_cost(TINY.grid).residual <= tolerance("float64", "cpu").solve


def test_equilibria_say_that_they_are_certified(record: xr.Dataset):
    certified = [how for how in record.how.to_numpy() if "converged" in how]
    assert len(certified) == 2 and all("converged: True" in how for how in certified)


def test_the_full_products_are_those_of_the_layers_one_by_one():
    case = problem(SMALL)
    P = jacobian_products(case.network)
    S = np.eye(3) + sum(p @ p.T for p in P)
    r = np.asarray(case.y) - np.asarray(case.x) @ (P[0] @ np.asarray(input_matrix(case))).T
    expected = np.mean(np.sum(r.T * np.linalg.solve(S, r.T), axis=0)) / 2
    assert float(jax.jit(linear.energy_by_full_products)(case)) == pytest.approx(expected, rel=1e-12)


def input_matrix(case):
    first = case.network.blocks[0]
    return first.scales.multiplier * first.weight[...]


def test_the_dense_hessian_solves_for_the_activities_where_the_energy_is_stationary():
    case = replace(problem(SMALL), output_precision=2.5)
    found = linear.dense_equilibrium(case)
    shapes = (jnp.zeros((2, 4)), jnp.zeros((2, 2, 4)))
    flat = dense_equilibrium(case, shapes)
    expected = np.concatenate([flat[:8].reshape(2, 1, 4), flat[8:].reshape(2, 2, 4)], axis=1).reshape(2, 12).T
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_sides_take_turns():
    calls = []
    sides = [lambda name=name: calls.append(name) or jnp.zeros(()) for name in "ab"]
    alternate(sides, rounds=2)
    order = "".join(name for i, name in enumerate(calls) if i == 0 or calls[i - 1] != name)
    assert order == "ab" * 4  # once to compile, once to see how often to call, two rounds


def test_the_middle_of_costs_is_their_median_and_not_their_mean():
    assert middle([(1.0, 2.0), (5.0, 3.0), (100.0, 1.0)]) == (5.0, 2.0)


def test_the_extrapolation_of_a_cost_that_is_linear_in_the_steps_is_exact():
    few, many = (Measured(None, 2.0 + 0.5 * steps, 3.0 + 0.25 * steps) for steps in (31, 310))
    assert extrapolated((31, 310), [few, many], 3100) == pytest.approx((2 + 0.5 * 3100, 3 + 0.25 * 3100))


def test_noise_that_lets_more_steps_take_less_time_is_not_extrapolated():
    few, many = Measured(None, 2.0, 1.0), Measured(None, 1.5, 1.5)
    assert extrapolated((10, 20), [few, many], 40) == pytest.approx((1.5, 2.5))


ROW = Row("name", "what", "against", "ms", 2.0, 8.0, False, 3.0, None, None, "how")


def of(*given: Row) -> list:
    return rows(labelled(given, machine(), provenance(TINY, seconds=1.0)))


def test_a_speed_up_is_baseline_over_ours_and_a_cost_is_ours_over_baseline():
    fast, dear, aimless = of(ROW, replace(ROW, cost=True, goal=0.2), replace(ROW, goal=None))
    assert (fast.ratio, met(fast)) == (4.0, True)
    assert (dear.ratio, met(dear)) == (0.25, False)
    assert met(aimless) is None


def test_a_row_without_a_positive_time_is_refused():
    with pytest.raises(ValueError, match="0.0 and 8.0 ms given for 'what'"):
        replace(ROW, ours=0.0)


def test_a_record_comes_back_and_is_shown_with_the_machine(record: xr.Dataset, tmp_path):
    back = load(save(record, tmp_path / "benchmarks.nc"))
    xr.testing.assert_identical(back, record)
    assert machine().processor in str(table(back)) and machine().processor in ratios(back).caption
    for title, how in zip(record.title.to_numpy(), record.how.to_numpy(), strict=True):
        assert title in str(table(back)) and how in str(methods(back))


def test_backpropagation_is_not_what_the_full_products_differentiate():
    """The comparison would be empty if both sides' energies were the loss."""
    case = problem(SMALL)
    assert relative_gap(linear.full_products_gradient(case), jax.jit(bp_gradient)(case)) > 1e-3
