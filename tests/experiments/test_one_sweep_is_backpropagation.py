"""The study of sweeps measures what it says, and its claims can fail."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from pcn_lib.claims.one_sweep_is_backpropagation import claims
from pcn_lib.energy import Problem
from pcn_lib.experiments.one_sweep_is_backpropagation import (
    Iteration,
    Record,
    Settings,
    contraction,
    measure,
    sweep,
    sweep_by_hand,
)
from pcn_lib.figures.one_sweep_is_backpropagation import accuracy
from pcn_lib.figures.one_sweep_is_backpropagation import contraction as picture
from pcn_lib.network import MLP, zero_errors
from pcn_lib.numerics import identity
from pcn_lib.parameterisation import mupc_skips, sp, sp_uniform
from pcn_lib.results import load, provenance, save

SMALL = Settings(inputs=3, samples=2, outputs=2, depth=3, widths=(48, 96), width=96, depths=(3,), seeds=2, sweeps=4)


def iteration(factor: float, *, sweeps: int = 4, first_curvature: float = 0.0) -> Iteration:
    """What a network with this contraction factor would give."""
    powers = factor ** np.arange(sweeps)
    samples = np.full(2, factor)
    return Iteration(
        samples, samples, np.full(2, first_curvature), powers, factor * powers, *map(np.array, (1e-16, 1e-16, 1e-12))
    )


@pytest.fixture(scope="module")
def record() -> Record:
    """As the theory would have it, with a factor of 1/N, and five times that for tanh."""

    def row(scale, curvature):
        cells = [[iteration(scale / n, first_curvature=curvature / n) for _ in range(2)] for n in (4, 8)]
        return stack(stack(cell) for cell in cells)

    def stack(parts):
        return jax.tree.map(lambda *arrays: np.stack(arrays), *parts)

    wide = stack((row(1.0, 0.0), row(3.0, 3.0)))
    wide = replace(wide, metric=np.stack([wide.metric[0]] * 2))
    made = provenance(SMALL, seconds=1.0)
    return Record(SMALL, made, sweep_by_hand(6), wide, iteration(7.0), iteration(8.0))


def test_sweeping_by_hand_halves_the_distance_and_changes_its_sign():
    np.testing.assert_allclose(sweep_by_hand(5), (0, 0.6, 0.3, 0.45, 0.375), atol=1e-14)


def test_the_contraction_factors_are_those_of_the_dense_derivative():
    keys = jax.random.split(jax.random.key(0), 4)
    network = MLP(3, 4, 3, 2, activation=jnp.tanh, skips=True).init(keys[0], mupc_skips(), "float64")
    x, y = jax.random.normal(keys[1], (1, 3), "float64"), jax.random.normal(keys[2], (1, 2), "float64")
    problem = Problem(network, x, y, output_precision=2.0)
    flat, unravel = ravel_pytree(zero_errors(network, x))
    errors = unravel(flat + 0.3)

    def output(e):
        return network.sample_forward(x[0], jax.tree.map(lambda leaf: leaf[0], unravel(e))).output

    derivative = jax.jacobian(lambda e: ravel_pytree(sweep(problem, unravel(e))[1])[0])(flat + 0.3)
    P = jax.jacobian(output)(flat + 0.3)
    whole, metric, rest = contraction(problem, errors, keys[3])
    np.testing.assert_allclose(whole, np.linalg.norm(derivative, 2), rtol=1e-3)
    np.testing.assert_allclose(metric, 2 * np.linalg.norm(P @ P.T, 2), rtol=1e-10)
    np.testing.assert_allclose(rest, np.linalg.norm(derivative + 2 * P.T @ P, 2), rtol=1e-3)


def test_a_linear_network_is_measured_as_the_theorem_says():
    found = measure(SMALL, (8, 3), identity, mupc_skips())
    np.testing.assert_allclose(found.contraction, found.metric, rtol=1e-3)
    assert found.first_sweep < 1e-14
    assert np.all(found.distance <= found.metric[0] ** np.arange(4) * (1 + 1e-10))


def test_the_claims_are_as_expected_and_the_record_survives_the_disk(record, tmp_path):
    save(record, tmp_path / "record", record.provenance)
    assert [c.name for c in claims(load(Record, tmp_path / "record")) if not c.as_expected] == []


def test_a_factor_that_is_a_tenth_off_fails_its_claim(record):
    wrong = replace(record, wide=replace(record.wide, contraction=1.1 * record.wide.contraction))
    assert [c.name for c in claims(wrong) if not c.as_expected] == ["contraction factor is ||lambda M||"]


def test_a_first_sweep_that_is_not_bp_fails_its_claim(record):
    wrong = replace(record, narrow=replace(record.narrow, first_sweep=np.array(1e-3)))
    assert [c.name for c in claims(wrong) if not c.as_expected] == ["the first sweep is BP"]


def test_narrow_networks_that_contracted_would_be_noticed(record):
    wrong = replace(record, narrow=iteration(0.5))
    assert [c.name for c in claims(wrong) if not c.as_expected] == ["narrow and deep networks contract"]


def test_the_pictures_and_the_table_show_every_width(record):
    assert "2 seeds" in picture(record).caption and "slope -k" in accuracy(record).caption
    assert len(record.tanh_parts.splitlines()) == 1 + len(SMALL.widths)


def test_in_sp_the_variance_of_the_draw_decides_whether_sweeps_contract():
    """||lambda M|| is about L - 1 for variance 1/N and below one half for 1/(3N), without skips and with one output."""
    one_output = replace(SMALL, outputs=1)
    size = (256, 4)
    textbook = measure(one_output, size, identity, sp(), skips=False).contraction.max()
    uniform = measure(one_output, size, identity, sp_uniform(), skips=False).contraction.max()
    assert textbook == pytest.approx(3, rel=0.4)
    assert uniform == pytest.approx((1 - 3.0**-3) / 2, rel=0.4) and uniform < 1


def test_a_minimum_on_a_kink_is_no_fixed_point_of_the_sweep():
    """Part 1 needs differentiable layers: relu(1/2 + e) with target -1 has its minimum at e = -1/2, on the kink."""
    network = MLP(1, 1, 2, 1, activation=jax.nn.relu).init(jax.random.key(0), sp(), "float64")
    leaves, tree = jax.tree.flatten(network)
    network = jax.tree.unflatten(tree, [jnp.ones_like(leaf) for leaf in leaves])
    problem = Problem(network, jnp.array([[0.5]]), jnp.array([[-1.0]]))
    grid = np.linspace(-2, 2, 4001)
    energies = grid**2 / 2 + (1 + np.maximum(0.5 + grid, 0)) ** 2 / 2
    assert grid[np.argmin(energies)] == pytest.approx(-0.5, abs=1e-3)
    for e in (-0.5 - 1e-9, -0.5, -0.5 + 1e-9):
        assert abs(sweep(problem, (jnp.array([[e]]),))[1][0].item() - e) > 0.4


def test_the_hessian_in_the_errors_is_at_least_one_for_linear_networks_only():
    """I + lambda P^T P has no eigenvalue below 1; with an activation they lie on both sides."""
    keys = jax.random.split(jax.random.key(0), 3)
    x, y = jax.random.normal(keys[1], (1, 3), "float64"), 3 * jax.random.normal(keys[2], (1, 2), "float64")
    ranges = []
    for activation in (identity, jnp.tanh):
        network = MLP(3, 6, 4, 2, activation=activation, skips=True).init(keys[0], mupc_skips(), "float64")
        problem = Problem(network, x, y)
        flat, unravel = ravel_pytree(zero_errors(network, x))
        rho = contraction(problem, unravel(flat), keys[1])[0].item()
        derivative = jax.jacobian(lambda e, p=problem, u=unravel: ravel_pytree(sweep(p, u(e))[1])[0])(flat)
        eigenvalues = np.linalg.eigvalsh(np.eye(len(flat)) - derivative)
        assert eigenvalues.max() <= 1 + rho * 1.001 and eigenvalues.min() >= 1 - rho * 1.001
        ranges.append(eigenvalues.min())
    assert ranges[0] >= 1 - 1e-12 and ranges[1] < 0.999
