"""The predicted gap between the two gradients is that of random matrices, and of networks."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem, loss
from pcn_lib.gap import Gap, alignment, predict, rounds_to, sweeps_to
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import MethodOfMultipliers, NewtonCG, Sweeps
from pcn_lib.network import MLP
from pcn_lib.numerics import tree_norm, tree_subtract
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact, rescaling
from tests.cases import Case


@pytest.mark.parametrize("precision", [1.0, 40.0])
def test_the_predicted_angle_is_that_of_explicit_random_matrices(precision):
    """grad s by explicit products of one wide network's matrices, against the sum over random products."""
    width, depth, q = 600, 5, 0.07
    rng = np.random.default_rng(0)
    jumps = [np.eye(width) + rng.standard_normal((width, width)) / np.sqrt(width * depth) for _ in range(depth - 2)]
    rows = [rng.standard_normal(width) / width]
    for jump in reversed(jumps):
        rows.append(rows[-1] @ jump)
    rows = rows[::-1]  # P_1 .. P_{L-1}
    norms = []
    for m in range(2, depth + 1):  # layer m reads z_{m-1}; what reaches its input from every P_l below
        carried = np.zeros(width)
        for place in range(m - 1):
            carried = (jumps[place - 1] @ carried if place else carried) + rows[place]
        above = np.sum(rows[m - 1] ** 2) / (width * depth) if m < depth else width**-2
        norms.append(4 * above * np.sum(carried**2))
    growth = 1 + 1 / depth
    loss = q / width * np.array([growth ** (depth - 3) / depth] * (depth - 2) + [growth ** (depth - 2)])
    s = 1 + precision * sum(np.sum(row**2) for row in rows)
    tan = precision * np.sqrt(norms / loss) / (2 * s)
    measured = 1 - 1 / np.sqrt(1 + tan**2)
    found = predict(width, depth, alignment=q, output_precision=precision)
    np.testing.assert_allclose(found.gap.rescaling, s - 1, rtol=5 * np.sqrt(2 / width))
    predicted = found.layers
    assert predicted[0] == 0
    # Squared norms of N Gaussian numbers scatter by sqrt(2/N).
    np.testing.assert_allclose(measured, predicted[1:], rtol=5 * np.sqrt(2 / width))


@pytest.mark.parametrize(("outputs", "gamma_0", "precision"), [(1, 0.5, 2.0), (5, 1.0, 8.0)])
def test_the_prediction_is_the_mean_gap_of_drawn_networks(outputs, gamma_0, precision):
    """Exact equilibria of networks of any K, gamma_0 and lambda; with x = y every alignment is that of its output."""
    width, depth, seeds = 256, 4, 12
    y = np.array([[1.0], [-1.0]]) if outputs == 1 else np.eye(outputs)
    x, y = jnp.asarray(y * outputs**0.5), jnp.asarray(y)
    mlp = MLP(outputs, width, depth, outputs, skips=True)
    draws = [mlp.init(jax.random.key(seed), mupc_skips(gamma_0), "float64") for seed in range(seeds)]

    @jax.jit
    def measured(network):
        problem = Problem(network, x, y, output_precision=precision)
        equilibrium = LinearExact()(problem)
        pc = jax.tree.map(lambda gradient: gradient / precision, pc_gradient(problem, equilibrium))
        found = compare(pc, bp_gradient(problem))
        energy = 1 - equilibrium.energy / precision / loss(problem)
        return energy, found.total.relative_error, found.total.one_minus_cosine, found.layers.one_minus_cosine

    energy, gradient, direction, layers = (np.mean(of, axis=0) for of in zip(*map(measured, draws), strict=True))
    sizes = dict(gamma_0=gamma_0, output_precision=precision, outputs=outputs)
    predicted = predict(width, depth, alignment=alignment(x, y), **sizes)
    # Corrections of order L/N and K/(gamma_0^2 N), and a scatter of the mean of (2 / (nu seeds))^1/2, twice in squares.
    np.testing.assert_allclose(energy, predicted.gap.energy, rtol=0.1)
    np.testing.assert_allclose(gradient, predicted.gap.gradient, rtol=0.1)
    np.testing.assert_allclose([direction, *layers], [predicted.gap.direction, *predicted.layers], rtol=0.2, atol=1e-15)


def test_sizes_and_settings_are_broadcast():
    widths, depths, gammas = np.array([8, 64]), np.array([[2], [5]]), np.array([[[0.5]], [[1.0]], [[2.0]]])
    found = predict(widths, depths, alignment=0.1, gamma_0=gammas, output_precision=3.0, outputs=2)
    assert found.gap.direction.shape == (3, 2, 2) and found.layers.shape == (3, 2, 2, 5)
    alone = predict(64, 2, alignment=0.1, gamma_0=2.0, output_precision=3.0, outputs=2)
    for name in ("rescaling", "energy", "gradient", "direction"):
        np.testing.assert_allclose(getattr(found.gap, name)[2, 0, 1], getattr(alone.gap, name), rtol=1e-15)
    np.testing.assert_array_equal(found.layers[2, 0, 1], [*alone.layers, np.nan, np.nan, np.nan])


def test_the_alignment_is_the_share_of_the_inputs_that_targets_see():
    assert alignment([[1.0, 2.0]], [[2.0]]) == (2**2 * 5) / 2 / 4**2
    # One output and targets +-1: the squared mean of the signed inputs, (-1, -1, -2).
    assert alignment([[1.0, 2, 3], [3, 4, 7]], [[1.0], [-1.0]]) == (1 + 1 + 4) / 3
    # Two classes with an input each: the cross term is x/2 for each, C = I/2.
    assert alignment(np.array([[[3.0], [0.0]], [[0.0], [1.0]]]), np.eye(2)) == (9 + 1) / 4 / 2 / (2 / 4)


@pytest.mark.parametrize("y", [np.ones(3), np.ones((2, 1)), np.zeros((3, 1))])
def test_targets_without_outputs_or_of_nothing_have_no_alignment(y):
    with pytest.raises(ValueError, match=r"targets \[batch, outputs\] that are not all zero are needed"):
        alignment(np.ones((3, 2)), y)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(gamma_0=0.0), "gamma_0 = 0.0 given"),
        (dict(gamma_0=[1.0, -1.0]), "gamma_0 = -1.0 given; the prediction needs a positive number"),
        (dict(alignment=0.0), "choose alignment > 0"),
        (dict(alignment=np.inf), "alignment = inf given"),
        (dict(output_precision=-2.0), "output_precision = -2.0 given"),
        (dict(depth=1), "depth = 1 given; a network needs a whole number: choose depth >= 2"),
        (dict(depth=[[2], [2.5]]), "depth = 2.5 given; a network needs a whole number"),
        (dict(width=0), "choose width >= 1"),
        (dict(outputs=0), "choose outputs >= 1"),
    ],
)
def test_what_no_network_has_is_not_predicted(wrong, message):
    with pytest.raises(ValueError, match=message):
        predict(**{**dict(width=8, depth=2, alignment=0.1), **wrong})
    assert predict(width=8, depth=2, alignment=0.1).layers.shape == (2,)


ONE_OUTPUT = Case(outputs=1, output_precision=0.3)


def test_as_many_sweeps_as_foretold_bring_a_linear_network_to_its_equilibrium():
    problem = ONE_OUTPUT.problem()
    m = ONE_OUTPUT.output_precision * float(
        jax.jit(lambda network: rescaling(network, math.inf))(problem.network)[0, 0]
    )
    assert 0.3 < m < 1
    foretold = sweeps_to(Gap(m, *3 * [np.nan]), accuracy=1e-4)

    @jax.jit
    def distance(sweeps):
        exact, swept = LinearExact()(problem).errors, Sweeps(tolerance=0.0, max_steps=sweeps)(problem).errors
        return tree_norm(tree_subtract(swept, exact)) / tree_norm(exact)

    assert distance(foretold) <= 1e-4 < distance(foretold - 1)
    assert sweeps_to(Gap(1.0, *3 * [np.nan])) == math.inf


def test_a_rounds_weight_gradient_is_bps_less_a_share_that_shrinks():
    """(1 - t^k) lambda (grad Loss - t^(k-1) (Loss / s) grad s), exactly, in a narrow and deep network."""
    precision = ONE_OUTPUT.output_precision

    def errors(problem):
        s, slope = jax.value_and_grad(lambda network: precision * rescaling(network, precision)[0, 0])(problem.network)
        share, t, backward = loss(problem) / s, 1 - 1 / s, bp_gradient(problem)
        reached = MethodOfMultipliers(inner=NewtonCG(tolerance=1e-13)).path(problem, 5)
        for k in range(1, 6):
            found = pc_gradient(problem, jax.tree.map(lambda leaf, k=k: leaf[k - 1], reached))
            left, size = t ** (k - 1), (1 - t**k) * precision
            law = jax.tree.map(lambda b, ds, left=left, size=size: size * (b - left * share * ds), backward, slope)
            yield tree_norm(tree_subtract(found, law)) / tree_norm(law)

    assert max(jax.jit(lambda problem: list(errors(problem)))(ONE_OUTPUT.problem())) < 1e-9


@pytest.mark.parametrize("width, depth, precision", [(8, 32, 1.0), (64, 8, 1.0), (512, 2, 1.0), (32, 8, 100.0)])
def test_rounds_are_counted_as_by_following_the_angle(width, depth, precision):
    gap = predict(width, depth, alignment=0.02, output_precision=precision).gap
    np.testing.assert_allclose(1 / np.sqrt(1 + gap.tan**2), 1 - gap.direction, rtol=1e-12)
    t, tan = gap.rescaling / (1 + gap.rescaling), gap.tan
    cosines = (1 / np.hypot(1, tan * t**k) for k in itertools.count())
    assert rounds_to(gap) == next(k for k, cosine in enumerate(cosines, start=1) if cosine >= 0.99)
