"""Depth: the constants of the theorem against slow computations of the same thing."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.claims.depth import claims
from pcn_lib.energy import Problem
from pcn_lib.equivalence import corrections, equivalent
from pcn_lib.experiments import depth
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import Exponents, abcd, mupc_skips
from pcn_lib.rescaling import LinearExact, expected_rescaling, linear_jacobians
from pcn_lib.training import GradientDescent, Schedule, train

SETTINGS = depth.Settings(
    inputs=4,
    samples=4,
    width=64,
    depths=(3, 6),
    alphas=(0.5, 1.0),
    seeds=3,
    correction_widths=(4, 8),
    correction_depths=(3,),
    correction_seeds=2,
)


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


@pytest.mark.parametrize("place", range(len(depth.CORRECTED)), ids=["muPC", "lazy"])
def test_corrections_are_those_of_two_small_steps(place: int):
    """Against actual steps in the network's own parameterisation, their size extrapolated to zero."""
    mlp, parameterisation, rate = MLP(4, 16, 5, skips=True), depth.CORRECTED[place], 1e-3
    base = depth.problem(SETTINGS, mlp, seed=1)
    found = float(corrections(base, equivalent(depth.CORRECTED, mlp))[place])
    network = mlp.init(jax.random.fold_in(jax.random.key(SETTINGS.seed), 1), parameterisation, jnp.float64)
    own = replace(base, network=network)
    before = feedforward(network, own.x).output
    s = 1 + float(jnp.sum(jnp.concatenate([P.reshape(-1) for P in linear_jacobians(network)]) ** 2))

    def slope(method: str) -> np.ndarray:
        def moved(step: float) -> np.ndarray:
            trained = getattr(train(own, GradientDescent(step), Schedule(1, LinearExact())), method)
            return np.asarray(feedforward(trained, own.x).output - before) / step

        return 2 * moved(rate / 2) - moved(rate)

    pc, bp = slope("pc"), slope("bp")
    slow = np.linalg.norm(s * pc - bp) / np.linalg.norm(bp)
    assert found == pytest.approx(slow, rel=1e-3)


def test_the_overlap_of_activities_and_jacobian_is_the_output():
    """The identity h_l . P_l = f behind the corrections' power 3/2: a sum of N products that is not of order N."""
    problem = depth.problem(SETTINGS, MLP(4, 8, 5, skips=True))
    (first, stack), output = feedforward(problem.network, problem.x)
    low, high = linear_jacobians(problem.network)
    assert np.allclose(first @ low[0], output[:, 0], rtol=1e-12)
    assert np.allclose(np.einsum("bln,ln->bl", stack, high[0]), output, rtol=1e-12)


@pytest.mark.parametrize("power, holds", [(-1.5, True), (-1.0, False)])
def test_corrections_that_fall_as_s_minus_one_fail_the_claim(power: float, holds: bool):
    settings = replace(SETTINGS, scatter_widths=(8,), scatter_depth=3, scatter_seeds=8)
    record = depth.run(settings)
    widths = np.array(settings.correction_widths, float)[None, None, :, None]
    made = replace(record, corrections=np.broadcast_to(widths**power, record.corrections.shape))
    verdicts = {claim.name: claim.holds for claim in claims(made)}
    assert verdicts["corrections to PC's update, muPC"] is holds


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
