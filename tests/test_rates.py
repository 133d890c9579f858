"""Predictive coding approaches backpropagation at the predicted rate, not merely at one size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact

WIDTHS = (64, 128, 256)
D, B, L, SEEDS = 40, 20, 4, 3


@pytest.fixture(scope="module")
def gaps() -> np.ndarray:
    """Relative gradient error and 1 - cos, axes [width, quantity]: geometric means over networks."""

    @jax.jit
    def measure(problem):
        equilibrium = LinearExact()(problem)
        record = compare(pc_gradient(problem, equilibrium), bp_gradient(problem)).total
        return record.relative_error, record.one_minus_cosine

    x = jnp.asarray(np.random.default_rng(0).normal(size=(B, D)))
    y = jnp.asarray(np.repeat([1.0, -1.0], B // 2)[:, None])

    def one(width, seed):
        network = MLP(D, width, L, skips=True).init(jax.random.key(seed), mupc_skips(), "float64")
        return measure(Problem(network, x, y))

    return np.exp([np.mean(np.log([one(width, seed) for seed in range(SEEDS)]), axis=0) for width in WIDTHS])


@pytest.mark.parametrize("quantity, slope, within", [(0, -1, 0.1), (1, -2, 0.2)], ids=["gradient error", "1 - cos"])
def test_the_gap_to_backpropagation_closes_at_the_predicted_power_of_the_width(gaps, quantity, slope, within):
    fitted = np.polyfit(np.log(WIDTHS), np.log(gaps[:, quantity]), 1)[0]
    assert abs(fitted - slope) < within
