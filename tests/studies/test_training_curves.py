"""What the chapter on training curves writes out: the start, the constant of the direction, the limit in width."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.dmft import InfiniteWidth, learning_curve
from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc
from pcn_lib.rescaling import LinearExact, expected_rescaling
from pcn_lib.training import GradientDescent, Schedule, train
from tests.cases import Case
from tests.studies.chapters import defined


@pytest.mark.parametrize("depth", [2, 5, 16])
def test_the_start_is_the_expected_rescaling_of_the_library(depth):
    names = defined("training_curves", profile="smoke", depth=depth)
    for kind, (skips, table) in names["KINDS"].items():
        mlp = MLP(3, 24, depth, skips=skips)
        assert names["expected"](kind, 24) == pytest.approx(expected_rescaling(mlp, table), rel=1e-12)


def test_one_minus_cosine_over_the_loss_goes_to_its_constant_where_inputs_are_independent():
    """Weights held fixed, targets moved towards the outputs along one direction."""
    limiting_ratio = defined("training_curves", profile="smoke")["limiting_ratio"]
    problem = Case(batch=3, inputs=4, outputs=1, depth=3).problem()

    @jax.jit
    def ratio_and_constant(size):
        outputs = feedforward(problem.network, problem.x).output
        near = replace(problem, y=outputs + size * jnp.array([[0.6], [-0.64], [0.48]]))
        likeness = compare(pc_gradient(near, LinearExact()(near)), bp_gradient(near)).total
        return likeness.one_minus_cosine / loss(near), limiting_ratio(near)

    ratios, constants = np.array([ratio_and_constant(size) for size in (1e-2, 1e-3)]).T
    # The constant depends on the residuals' direction alone.
    assert constants[0] == pytest.approx(constants[1], rel=1e-9) and constants[1] > 0
    assert ratios[1] == pytest.approx(constants[1], rel=2e-2)
    assert abs(ratios[1] - constants[1]) < abs(ratios[0] - constants[0])


@pytest.mark.slow
def test_the_rescaling_of_wide_networks_follows_the_backpropagated_signals_of_infinite_width():
    """N (s - 1) gamma_0^2 -> sum_l G^l(t, t), without skips, after 0, 10, 20 and 30 steps."""
    rng, width, gamma = np.random.default_rng(0), 1024, 1.0
    x, y = rng.standard_normal((6, 10)), np.repeat([1.0, -1.0], 3)
    curve = learning_curve(x @ x.T / 10, y, InfiniteWidth(3, 0.3, 31, gamma)).require()
    limit = np.einsum("ltt->t", curve.gradients)[::10]
    found = []
    for seed in range(3):
        network = MLP(10, width, 3).init(jax.random.key(seed), mupc(gamma), jnp.float64)
        problem = Problem(network, jnp.asarray(x), jnp.asarray(y)[:, None])
        history = train(problem, GradientDescent(0.3), Schedule(31, LinearExact())).history
        found.append(width * (np.array(history.pc_loss / history.energy)[::10] - 1))
    assert limit[0] == pytest.approx(2) and limit[-1] > 1.5 * limit[0]
    # Squared norms of N Gaussian numbers scatter by (2/N)^1/2 each; three draws of two layers.
    np.testing.assert_allclose(np.mean(found, axis=0), limit, rtol=0.1)
