"""Depth: the constants of the theorem against slow computations of the same thing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.experiments import depth
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.network import MLP
from pcn_lib.parameterisation import Exponents, abcd, mupc_skips
from pcn_lib.rescaling import expected_rescaling

SETTINGS = depth.Settings(inputs=4, samples=4, width=64, depths=(3, 6), alphas=(0.5, 1.0), seeds=3)


def test_the_predicted_rescaling_is_the_exact_expectation():
    mlp = MLP(4, 64, 6, skips=True)
    assert depth.predict(0.5, 6, 64).rescaling == pytest.approx(expected_rescaling(mlp, mupc_skips()), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_predicted_update_is_the_tangent_kernel_of_a_wide_network(alpha: float):
    width, layers = 400, 5
    mlp = MLP(2, width, layers, skips=True)
    network = mlp.init(jax.random.key(0), abcd(Exponents(alpha=alpha)), jnp.float64)
    x = jnp.array([[1.0, 1.0]])  # ||x||^2 / D = 1

    def output(network):
        return Problem(network, x, jnp.zeros((1, 1))).network.sample_forward(x[0]).output[0]

    gradient = jax.grad(output)(network)
    squares = [width * float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient)]  # rate eta N; input, stack, readout
    theory = depth.predict(alpha, layers, width)
    assert squares[1] == pytest.approx(theory.hidden, rel=0.25)
    assert sum(squares) == pytest.approx(theory.output, rel=0.25)


def test_hidden_only_leaves_input_and_readout_where_they_are():
    frozen = depth.hidden_only(mupc_skips(), depth_power=1.0)
    network = MLP(4, 8, 5, skips=True).init(jax.random.key(0), frozen, jnp.float64)
    first, hidden, readout = jax.tree.leaves(network.rates(lambda scales: scales.gd_rate))
    assert (first, hidden, readout) == (0.0, 8.0 * 5, 0.0)


def test_scatter_without_skips_is_that_of_a_product_of_chi_squares():
    settings = replace(SETTINGS, scatter_widths=(10,), scatter_depth=5)
    draws = np.random.default_rng(0).chisquare(10, size=(200_000, 4))
    slow = np.log(draws).sum(axis=1).var()
    assert depth.predicted_scatter(settings, skips=False)[0, -1] == pytest.approx(slow, rel=0.02)


def test_scatter_with_skips_is_that_of_a_chain_of_random_steps():
    settings = replace(SETTINGS, scatter_widths=(200,), scatter_depth=16)
    draws = np.random.default_rng(0).standard_normal((4_000, 200))
    rng, h = np.random.default_rng(1), draws
    for _ in range(14):
        size = np.linalg.norm(h, axis=1, keepdims=True) / np.sqrt(200)
        h = h + size * rng.standard_normal(h.shape) / np.sqrt(16)
    slow = np.log((h**2).sum(axis=1)).var()
    assert depth.predicted_scatter(settings, skips=True)[0, -1] == pytest.approx(slow, rel=0.1)


def test_every_axis_of_a_step_has_its_length():
    step = depth.measure(SETTINGS, [mupc_skips(), depth.hidden_only(mupc_skips())], (6,), skips=True)
    assert step.scale.shape == (2, 1, 3)
    assert step.output.shape == step.features.shape == (2, 2, 1, 3)
    assert step.layers.shape == (2, 2, 5, 3)
    assert np.all(step.layers[:, 1, 0] == 0), "the frozen input layer moved"


def test_depths_that_do_not_increase_are_refused():
    with pytest.raises(SettingsError, match="each larger than the one before"):
        replace(SETTINGS, depths=(8, 4))
