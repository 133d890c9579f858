"""The formulae that the chapter on the two gradients writes out, against independent computations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.energy import Problem
from pcn_lib.gap import predict
from pcn_lib.gradients import bp_gradient, closed_form_gradient, compare
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import rescaling
from tests.oracles import relative_gap
from tests.studies.chapters import defined


@pytest.fixture(scope="module")
def names() -> dict:
    return defined("pc_computes_bp_gradients", profile="smoke")


def test_predictions_tend_to_the_joint_limit_at_rate_one_over_depth(names):
    limit = names["limit"](1 / 8, 0.05, gamma_0=1.5)
    for name in names["LABELS"]:
        found = [getattr(predict(8 * depth, depth, alignment=0.05, gamma_0=1.5).gap, name) for depth in (100, 200, 400)]
        errors = np.array(found) / limit[name] - 1
        np.testing.assert_allclose(errors[:-1] / errors[1:], 2, rtol=0.05)


@pytest.mark.parametrize("width, depth", [(128, 8), (40, 3)])
def test_the_predicted_angle_is_largest_at_the_gamma_0_that_is_said(names, width, depth):
    gammas = np.geomspace(0.02, 5, 4001)
    angles = [predict(width, depth, alignment=0.05, gamma_0=g).gap.direction for g in gammas]
    assert gammas[np.argmax(angles)] == pytest.approx(names["turning_gamma"](width, depth), rel=2e-3)


def test_the_exact_formula_and_the_rank_one_factors_give_the_librarys_gradients(names):
    size, rng = 6, np.random.default_rng(1)
    x, y = rng.standard_normal((5, names["sizes"].inputs)), rng.standard_normal((5, 1))
    first, hidden, last = names["draw_square"](size, 0)
    network = MLP(x.shape[1], size, size, skips=True).init(jax.random.key(0), mupc_skips(), "float64")
    leaves, tree = jax.tree.flatten(network)
    weights = [first, hidden, last[None]]
    assert [leaf.shape for leaf in leaves] == [w.shape for w in weights]
    problem = Problem(jax.tree.unflatten(tree, [jnp.asarray(w) for w in weights]), *map(jnp.asarray, (x, y)))
    descended = jax.jit(closed_form_gradient)(problem)
    expected = jax.jit(lambda problem, g: compare(g, bp_gradient(problem)).total.cosine)(problem, descended)
    assert names["square_cosine"](first, hidden, last, x, y) == pytest.approx(float(expected), rel=1e-10)
    assert relative_gap(jax.jit(names["exact_formula"])(problem), descended) < 1e-12


def test_turning_the_readouts_sign_turns_every_blocks_product_and_both_parities_differ_in_the_readout():
    """With r = y: grad s is even and grad Loss odd in W_L, but for W_L's own block, where it is the other way round."""
    rng = np.random.default_rng(2)
    x, y = map(jnp.asarray, (rng.standard_normal((5, 3)), rng.standard_normal((5, 1))))
    network = MLP(3, 4, 4, skips=True).init(jax.random.key(1), mupc_skips(), "float64")
    leaves, tree = jax.tree.flatten(network)
    flipped = jax.tree.unflatten(tree, [*leaves[:-1], -leaves[-1]])

    @jax.jit
    def gradients(net):
        of_s = jax.grad(lambda n: rescaling(n)[0, 0])(net)
        of_loss = jax.grad(lambda n: -jnp.mean(y * feedforward(n, x).output))(net)
        return jax.tree.leaves(of_s), jax.tree.leaves(of_loss)

    (s, loss), (s_flipped, loss_flipped) = gradients(network), gradients(flipped)
    for i in range(len(leaves)):
        parity = -1 if i == len(leaves) - 1 else 1
        np.testing.assert_allclose(s_flipped[i], parity * s[i], atol=1e-15)
        np.testing.assert_allclose(loss_flipped[i], -parity * loss[i], atol=1e-15)
