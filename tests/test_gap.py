"""The predicted gap between the two gradients is that of random matrices."""

import itertools
import math

import jax
import numpy as np
import pytest

from pcn_lib.energy import loss
from pcn_lib.gap import Gap, predict, rounds_to, sweeps_to
from pcn_lib.gradients import bp_gradient, pc_gradient
from pcn_lib.inference import MethodOfMultipliers, NewtonCG, Sweeps
from pcn_lib.numerics import tree_norm, tree_subtract
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(gamma_0=0.0), "gamma_0 = 0.0 given"),
        (dict(gamma_0=-1.0), "gamma_0 = -1.0 given"),
        (dict(alignment=0.0), "choose alignment > 0"),
        (dict(output_precision=0.0), "choose output_precision > 0"),
        (dict(depth=1), "needs a hidden layer: choose depth >= 2"),
        (dict(width=0), "choose width >= 1"),
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
