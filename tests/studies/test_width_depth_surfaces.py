"""The formulae of the chapter on width and depth: trainings written out by hand, padded inputs, the expected loss."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.data import Selection, images
from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient
from pcn_lib.network import MLP
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.study import SettingsError
from tests.studies.chapters import defined


@pytest.fixture
def names() -> dict:
    return defined("width_depth_surfaces", profile="smoke")


def by_hand(weights: list[np.ndarray], x: np.ndarray, y: np.ndarray, kind: str) -> jnp.ndarray:
    """Loss, or the energy at equilibrium, of a linear residual network under muPC, from its definition."""
    first, *middle, last = weights
    width, depth, outputs = first.shape[0], len(weights), len(last)
    steps = [jnp.eye(width) + w / (width * depth) ** 0.5 for w in middle]
    h = x @ first.T / x.shape[1] ** 0.5
    jacobians = [last / width]
    for step in reversed(steps):
        jacobians.append(jacobians[-1] @ step)
    for step in steps:
        h = h @ step.T
    r = y - h @ last.T / width
    s = jnp.eye(outputs) + (sum(p @ p.T for p in jacobians) if kind == "PC" else 0)
    return jnp.mean(jnp.sum(r * jnp.linalg.solve(s, r.T).T, axis=1)) / 2


def trained_by_hand(weights: list, x: np.ndarray, y: np.ndarray, kind: str, rate: float, steps: int) -> list:
    """Gradients before each update of Adam, each as one long vector."""
    slope = jax.jit(jax.grad(lambda w: by_hand(w, x, y, kind)))
    first = [np.zeros(w.shape) for w in weights]
    second, found = [np.zeros(w.shape) for w in weights], []
    for t in range(1, steps + 1):
        gradients = [np.asarray(g) for g in slope(weights)]
        found.append(np.concatenate([g.ravel() for g in gradients]))
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g**2 for v, g in zip(second, gradients, strict=True)]
        weights = [
            w - rate * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            for w, m, v in zip(weights, first, second, strict=True)
        ]
    return found


def test_every_pair_of_trainings_is_what_adam_written_out_gives_at_its_two_rates(names):
    data, depth, width, eta = images("digits", Selection(6)), 4, 5, 0.02
    mlp, key = MLP(64, width, depth, 10, skips=True), jax.random.key(3)
    first, middle, last = jax.tree.leaves(mlp.init(key, mupc_skips(), jnp.float64))
    weights = [np.asarray(w) for w in (first, *middle, last)]
    names["sizes"] = SimpleNamespace(rate=eta)
    # Optax multiplies integers and floats.
    with jax.numpy_dtype_promotion("standard"):
        measured = names["trained"](mlp, key, jnp.asarray(data.x), jnp.asarray(data.y), 4)["one_minus_cosine"]
        once = names["trained"](mlp, key, jnp.asarray(data.x), jnp.asarray(data.y), 1)["one_minus_cosine"]
    rates = eta / (width * depth) ** 0.5, eta / width**0.5
    ours = {
        (kind, i): trained_by_hand(weights, data.x, data.y, kind, rates[i], 4) for kind in ("PC", "BP") for i in (0, 1)
    }
    # 0 is eta (N L)^-1/2 and 1 is eta N^-1/2, predictive coding's before backpropagation's.
    pairs = {"equal": (0, 0), "BP faster": (0, 1), "both faster": (1, 1), "PC faster": (1, 0)}
    for name, (pc, bp) in pairs.items():
        both = zip(ours["PC", pc], ours["BP", bp], strict=True)
        expected = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in both]
        np.testing.assert_allclose(1 - measured[:, list(names["PAIRS"]).index(name)], expected, atol=1e-7)
    assert np.ptp(measured[-1]) > 0.01
    np.testing.assert_allclose(once[0], measured[0], atol=1e-12)


def test_a_network_with_padded_inputs_computes_and_learns_the_same(names):
    data = images("digits", Selection(4))
    network = MLP(90, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    plain = MLP(64, 5, 3, 10, skips=True).init(jax.random.key(0), mupc_skips(), jnp.float64)
    weights = jax.tree.leaves(network)
    plain = jax.tree.unflatten(jax.tree.structure(plain), [weights[0][:, :64], *weights[1:]])
    y, wider = jnp.asarray(data.y), jnp.asarray(names["padded"](data.x, 90))
    problems = [Problem(network, wider, y), Problem(plain, jnp.asarray(data.x), y)]
    losses = [float(jax.jit(loss)(problem)) for problem in problems]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    wide, narrow = (jax.tree.leaves(jax.jit(bp_gradient)(problem)) for problem in problems)
    np.testing.assert_allclose(wide[0][:, :64], narrow[0], atol=1e-12)
    assert not np.any(wide[0][:, 64:])


def test_the_expected_loss_is_the_mean_over_many_draws(names):
    data = images("digits", Selection(8))
    rng, depth, width = np.random.default_rng(0), 4, 6
    found = []
    for _ in range(4000):
        h = data.x @ rng.standard_normal((64, width)) / 8
        for _ in range(depth - 2):
            h = h + h @ rng.standard_normal((width, width)) / (width * depth) ** 0.5
        found.append(np.mean(np.sum((data.y - h @ rng.standard_normal((width, 10)) / width) ** 2, axis=1)) / 2)
    predicted = names["predicted"](width, depth, q=0.5, second_moment=np.mean(data.x**2))["pc_loss"]
    assert predicted == pytest.approx(np.mean(found), abs=4 * np.std(found) / 4000**0.5)


def test_sizes_that_leave_out_the_start_or_train_one_network_are_refused():
    for given in (dict(snapshots=(1, 2)), dict(widths=(8, 1024))):
        with pytest.raises(SettingsError, match="the first snapshot is 0, and two networks or more are trained"):
            defined("width_depth_surfaces", profile="smoke", **given)
