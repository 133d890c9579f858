"""Lazy and rich learning: a training at several scales at once is each training by itself, and what moves is a norm."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from pcn_lib.dmft import InfiniteWidth, learning_curve
from pcn_lib.energy import Problem
from pcn_lib.equivalence import BASE, equivalent
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc, mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import GradientDescent, Schedule, train
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("learning_regimes", profile="smoke", steps=3, rate=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("table", [mupc, mupc_skips])
def test_trainings_at_several_scales_are_those_of_each_parameterisation_by_itself(names, table):
    """One compiled loop over gamma_0 against ordinary training under muPC at that gamma_0, from the same draw."""
    mlp, gammas, key = MLP(6, 8, 4, skips=table is mupc_skips), (0.5, 2.0), jax.random.key(5)
    x, y = jax.random.normal(jax.random.key(1), (4, 6), float), jax.numpy.array([[1.0], [1.0], [-1.0], [-1.0]])
    names |= {
        "schedule": Schedule(3, LinearExact(), lambda pc, _, bp: {"pc": names["top"](pc), "bp": names["top"](bp)})
    }
    plain = Problem(mlp.init(key, BASE, float), x, y)
    found = names["over_scales"](plain, equivalent([table(gamma_0) for gamma_0 in gammas], mlp), np.zeros((2, 3, 4)))
    for i, gamma_0 in enumerate(gammas):
        problem = replace(plain, network=mlp.init(key, table(gamma_0), float))

        def probe(pc, equilibrium, bp, start=problem.network):
            top, first = (feedforward(one, x).activities[-1][:, -1] for one in (bp.network, start))
            norm = jax.numpy.linalg.norm
            return feedforward(bp.network, x).output[:, 0], norm(top - first) / norm(first)

        history = train(problem, GradientDescent(0.2), Schedule(3, LinearExact(), probe)).history
        for name in ("energy", "pc_loss", "bp_loss"):
            np.testing.assert_allclose(found[name][i], getattr(history, name), rtol=1e-9)
        outputs, moved = history.probe
        np.testing.assert_allclose(found["bp_moved"][i], moved, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(found["bp_distance"][i], np.sqrt(np.mean(outputs**2, axis=1)), rtol=1e-9)


def test_features_move_as_the_trace_of_their_kernels_says(names):
    limit = InfiniteWidth(3, 0.2, 3, 2.0)
    curve = learning_curve(np.array([[1.0, 0.2], [0.2, 0.8]]), np.array([1.0, -1.0]), limit)
    expected = []
    for t in range(3):
        H, overlap, H0 = curve.features[1, t], curve.overlaps[1, t], curve.features[1, 0]
        squares = [H[i, i] - 2 * overlap[i, i] + H0[i, i] for i in range(2)]
        expected.append(np.sqrt(sum(squares) / (H0[0, 0] + H0[1, 1])))
    np.testing.assert_allclose(names["moved"](curve), expected, atol=1e-12)
    assert expected[2] > expected[1] > 0
