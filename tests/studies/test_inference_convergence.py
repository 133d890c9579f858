"""Inference by gradient descent: the chapter's curvature against dense matrices, its descent against the library's."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

from pcn_lib.energy import energy, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import equilibrate, gradient_descent
from pcn_lib.rescaling import LinearExact
from pcn_lib.study import SettingsError
from tests.studies.chapters import defined

FAMILIES = ("SP", "muPC", "SP, no skips", "muPC, no skips")


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("inference_convergence", profile="smoke")


@pytest.mark.parametrize("family", FAMILIES)
def test_products_and_ends_are_those_of_the_dense_hessian(names, family: str):
    problem = names["problem_of"](family, 6, 4)
    one = replace(problem, x=problem.x[:1], y=problem.y[:1])
    flat, unravel = ravel_pytree(equilibrate(one, LinearExact()).activities)
    dense = np.asarray(jax.jit(jax.hessian(lambda z: energy(one, unravel(z))))(flat))
    product, back = (names[name](*names["matrices"](problem.network)) for name in ("hessian", "inverse_hessian"))
    rows = np.eye(24)
    np.testing.assert_allclose([product(row) for row in rows], dense, atol=1e-12)
    np.testing.assert_allclose([back(row) for row in rows], np.linalg.inv(dense), rtol=1e-8, atol=1e-9)
    found, values = names["ends"](family=family, width=6, hidden=4), np.linalg.eigvalsh(dense)
    np.testing.assert_allclose([found["smallest"], found["largest"]], values[[0, -1]], rtol=1e-5)


def test_following_inference_measures_what_the_librarys_descent_reaches(names):
    problem = names["problem_of"]("muPC", 6, 3)
    measured, apart = names["follow"](problem, 0.2, jnp.array([3, 40]))
    exact = equilibrate(problem, LinearExact())
    learnt = jax.jit(pc_gradient)
    bp, target = jax.jit(bp_gradient)(problem), learnt(problem, exact)
    for i, steps in enumerate((3, 40)):
        reached = equilibrate(problem, gradient_descent(0.2, steps))
        gradient = learnt(problem, reached)
        to_bp, to_exact = compare(gradient, bp).total, compare(gradient, target).total
        expected = dict(
            gap=(reached.energy - exact.energy) / (loss(problem) - exact.energy),
            from_bp=to_bp.one_minus_cosine, from_exact=to_exact.one_minus_cosine, norm_ratio=to_exact.norm_ratio,
        )  # fmt: skip
        for name, value in expected.items():
            np.testing.assert_allclose(measured[name][i], value, rtol=1e-6, atol=1e-12, err_msg=name)
        assert reached.residual.min() * 0.9 <= measured["residual"][i] <= reached.residual.max() * 1.1
    assert apart == pytest.approx(float(compare(target, bp).total.one_minus_cosine), rel=1e-9)


def test_the_bound_is_the_geometric_sum_and_random_networks_keep_to_it(names):
    sums = [names["least_condition"](family, 3) for family in FAMILIES]
    assert sums == pytest.approx([7, 1 + 1.25 + 1.25**2, 3, 3])
    for family, least in zip(FAMILIES, sums, strict=True):
        assert names["ends"](family=family, width=48, hidden=3)["smallest"] < 1 / least


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.35, 0.45])
def test_a_late_step_is_as_slow_as_the_slower_end_of_the_spectrum(names, rate: float):
    mu = np.array([0.3, 1.0, 4.0])
    gap = np.ones(3)
    norms = [np.linalg.norm(gap := gap * (1 - rate * mu)) for _ in range(400)]
    assert names["late_factor"](rate, mu[0], mu[-1]) == pytest.approx(norms[-1] / norms[-2], rel=1e-6)
    # The smallest eigenvalue decides only below 2 / (0.3 + 4) = 0.465.
    assert names["late_factor"](0.48, mu[0], mu[-1]) == pytest.approx(0.92) and 1 - 0.48 * 0.3 < 0.86


def test_a_decay_is_read_off_above_rounding_and_only_where_the_run_is_long_enough(names):
    hidden, steps = xr.DataArray([3, 5, 7], dims="hidden"), np.unique(np.geomspace(1, 1000, 40).astype(int))
    largest, decay = xr.full_like(hidden, 9.0, float), xr.DataArray([0.1, 0.02, 1e-3], dims="hidden")
    counts = xr.DataArray(steps, {"steps": steps}, "steps")
    # Twice the slowest mode's share at first, then it alone, and at the end rounding.
    residual = np.maximum(np.exp(-decay * counts) * (1 + np.exp(-counts)), 1e-15)
    smallest = (1 - np.exp(-decay)) * largest / names["SHARE"]
    run = xr.Dataset(dict(smallest=smallest, largest=largest, residual=residual), dict(hidden=hidden.to_numpy()))
    np.testing.assert_allclose(names["predicted_decay"](run), decay, rtol=1e-12)
    np.testing.assert_allclose(names["measured_decay"](run), [0.1, 0.02, np.nan], rtol=1e-6)


def test_a_single_width_leaves_nothing_to_compare_and_is_refused():
    with pytest.raises(SettingsError, match="at least two are needed"):
        defined("inference_convergence", profile="smoke", widths=(8,))
