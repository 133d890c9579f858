"""The infinite-width learning curve: against explicit sums, the lazy limit, wide networks, and where there is none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcn_lib.dmft import InfiniteWidth, NoLearningCurve, kernel_regression, learning_curve
from pcn_lib.energy import Problem
from pcn_lib.network import MLP, feedforward
from pcn_lib.parameterisation import mupc
from pcn_lib.rescaling import LinearExact
from pcn_lib.statistics import fit_slope
from pcn_lib.training import GradientDescent, Schedule, train

D, P = 7, 4
X = np.random.default_rng(3).standard_normal((P, D))
KX, Y = X @ X.T / D, np.array([1.0, 1.0, -1.0, -0.5])


def fixed_point(limit: InfiniteWidth) -> tuple[np.ndarray, ...]:
    """Delta, H(t, t), H(t, 0) and G by iterating the self-consistent equations over all pairs (t mu, s nu).

    Written from the general equations, which know nothing of the march or of the reduction to m^l.  Every sum over
    earlier steps is strictly causal, so the iteration stops moving after finitely many rounds.
    """
    T, hidden, push = limit.steps, limit.depth - 1, limit.rate * limit.gamma_0 / P
    n = T * P
    H = np.array([np.tile(KX, (T, T))] * (hidden + 1))  # l = 0..L-1, index t P + mu
    G = np.ones((hidden + 2, T, T))  # l = 1..L at their own index
    A, B = np.zeros((hidden + 2, n, T)), np.zeros((hidden + 2, T, n))
    Delta = np.tile(Y, (T, 1))
    for _ in range(3 * limit.depth * T):
        f = np.zeros((T, P))
        for layer in range(1, hidden + 1):
            C, Dm = A[layer - 1].copy(), B[layer].copy()
            for t in range(T):
                for s in range(t):
                    for mu in range(P):
                        Dm[t, s * P + mu] += push * G[layer + 1, t, s] * Delta[s, mu]
                        for nu in range(P):
                            C[t * P + mu, s] += push * H[layer - 1, t * P + mu, s * P + nu] * Delta[s, nu]
            R, Rg = np.linalg.inv(np.eye(n) - C @ Dm), np.linalg.inv(np.eye(T) - Dm @ C)
            u, r = H[layer - 1], G[layer + 1]
            H[layer] = R @ u @ R.T + R @ C @ r @ (R @ C).T
            G[layer] = Rg @ r @ Rg.T + Rg @ Dm @ u @ (Rg @ Dm).T
            A[layer], B[layer - 1] = R @ C, Rg @ Dm
            hg = R @ (u @ Dm.T + C @ r) @ Rg.T
            f = np.array([[hg[t * P + mu, t] for mu in range(P)] for t in range(T)]) / limit.gamma_0
        Delta = Y - f
    equal = np.array([[h[t * P : t * P + P, t * P : t * P + P] for t in range(T)] for h in H[1:]])
    first = np.array([[h[t * P : t * P + P, :P] for t in range(T)] for h in H[1:]])
    return Delta, equal, first, G[1:-1]


@pytest.mark.parametrize("limit", [InfiniteWidth(2, 0.3, 4, 1.5), InfiniteWidth(4, 0.2, 4, 2.0)], ids=["L2", "L4"])
def test_the_march_is_the_fixed_point_of_the_equations_over_all_pairs(limit):
    curve = learning_curve(KX, Y, limit).require()
    Delta, H, first, G = fixed_point(limit)
    np.testing.assert_allclose(curve.residuals, Delta, atol=1e-12)
    np.testing.assert_allclose(curve.loss, (Delta**2).sum(axis=1) / (2 * P), atol=1e-12)
    np.testing.assert_allclose(curve.features, H, atol=1e-12)
    np.testing.assert_allclose(curve.overlaps, first, atol=1e-12)
    np.testing.assert_allclose(curve.gradients, G, atol=1e-12)
    assert np.abs(H - H[:, :1]).max() > 0.1


def test_one_sample_one_hidden_layer_two_steps_by_hand():
    # h(1) = u + eta gamma k y r and g(1) = r + eta gamma y u with <u u> = k, <r r> = 1, so f(1) = 2 eta k y.
    k, y, eta, gamma = 0.7, 3.0, 0.1, 1.3
    curve = learning_curve(np.array([[k]]), np.array([y]), InfiniteWidth(2, eta, 2, gamma))
    c = eta * gamma * y
    assert curve.residuals[1, 0] == pytest.approx(y - 2 * eta * k * y, rel=1e-12)
    assert curve.features[0, 1, 0, 0] == pytest.approx(k + (c * k) ** 2, rel=1e-12)
    assert curve.overlaps[0, 1, 0, 0] == pytest.approx(k, rel=1e-12)
    assert curve.gradients[0, 1, 1] == pytest.approx(1 + c**2 * k, rel=1e-12)


def test_the_lazy_limit_is_kernel_regression_and_is_reached_as_gamma_squared():
    gaps = []
    for gamma in (0.02, 0.01):
        limit = InfiniteWidth(4, 0.3, 12, gamma)
        gaps.append(np.abs(learning_curve(KX, Y, limit).residuals - kernel_regression(KX, Y, limit)).max())
    assert gaps[1] < 1e-3
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.01)


def test_kernel_regression_is_the_power_of_one_matrix():
    limit = InfiniteWidth(3, 0.4, 6)
    step = np.eye(P) - 0.4 * 3 / P * KX
    np.testing.assert_allclose(kernel_regression(KX, Y, limit)[5], np.linalg.matrix_power(step, 5) @ Y, rtol=1e-12)


def test_the_tangent_kernel_starts_at_the_depth_times_the_input_kernel_and_moves_the_output():
    curve = learning_curve(KX, Y, InfiniteWidth(4, 1e-4, 12, 1.0))
    np.testing.assert_allclose(curve.tangent_kernel[0], 4 * KX, rtol=1e-12)
    euler = curve.residuals[1] - 1e-4 / P * curve.tangent_kernel[1] @ curve.residuals[1]
    np.testing.assert_allclose(curve.residuals[2], euler, atol=1e-7)


@pytest.mark.slow
def test_networks_come_nearer_to_the_curve_as_the_square_root_of_their_width():
    limit = InfiniteWidth(4, 0.1, 12, 1.5)
    expected = Y - learning_curve(KX, Y, limit).residuals
    x, y = jnp.asarray(X), jnp.asarray(Y[:, None])
    schedule = Schedule(limit.steps, LinearExact(), lambda pc, equilibrium, bp: feedforward(bp.network, bp.x).output)
    widths, gaps = (16, 64, 256), []
    for width in widths:
        squares = []
        for seed in range(8):
            network = MLP(D, width, limit.depth).init(jax.random.key(seed), mupc(limit.gamma_0), jnp.float64)
            outputs = train(Problem(network, x, y), GradientDescent(limit.rate), schedule).history.probe
            squares.append(np.mean((outputs[..., 0] - expected) ** 2))
        gaps.append(np.sqrt(np.mean(squares)))
    assert gaps[-1] < 0.2
    assert fit_slope(widths, gaps).slope == pytest.approx(-0.5, abs=0.15)


def test_a_rate_at_which_gradient_descent_diverges_is_refused():
    curve = learning_curve(KX, Y, InfiniteWidth(4, 3.0, 12, 3.0))
    assert not curve.converged
    with pytest.raises(NoLearningCurve, match="choose a smaller rate"):
        curve.require()


def test_kernels_targets_and_settings_that_do_not_fit_are_refused():
    limit = InfiniteWidth(3, 0.1, 2)
    with pytest.raises(ValueError, match="symmetric"):
        learning_curve(X[:, :P], Y, limit)
    with pytest.raises(ValueError, match="check y"):
        learning_curve(KX, Y * np.nan, limit)
    with pytest.raises(ValueError, match="depth"):
        InfiniteWidth(1, 0.1, 2)
    with pytest.raises(ValueError, match="kernel_regression"):
        InfiniteWidth(3, 0.1, 2, gamma_0=0.0)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_a_kernel_may_be_asymmetric_by_a_products_rounding_and_by_no_more(size: float):
    slanted = np.zeros_like(KX)
    slanted[0, 1] = size * abs(KX[0, 1])
    small = InfiniteWidth(depth=2, steps=1, rate=1e-6)
    learning_curve(size * KX + 1e-7 * slanted, Y, small)
    with pytest.raises(ValueError, match="symmetric"):
        learning_curve(size * KX + 1e-3 * slanted, Y, small)
