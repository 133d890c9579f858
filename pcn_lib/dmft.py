"""The infinite-width learning curve of deep linear networks: gradient descent under muPC without skips, solved.

As N -> infinity the activities and the backpropagated signals of every unit become independent Gaussian
processes in time, h^l_mu(t) and g^l(t) = gamma_0 N df/dh^l(t), and only their covariances remain:

    H^l(t mu, s nu) = <h^l_mu(t) h^l_nu(s)>,    G^l(t, s) = <g^l(t) g^l(s)>,    H^0 = Kx = X X^T / D,   G^L = 1
    h^l_mu(t) = u^l_mu(t) + sum_{s<t} C^l(t mu, s) g^l(s),                       u^l ~ N(0, H^{l-1})
    g^l(t)    = r^l(t)    + sum_{s<t} d^l(t, s) sum_nu Delta_nu(s) h^l_nu(s),    r^l ~ N(0, G^{l+1})
    C^l(t mu, s) = dh^{l-1}_mu(t)/dr^{l-1}(s) + (eta gamma_0 / P) sum_nu H^{l-1}(t mu, s nu) Delta_nu(s)
    d^l(t, s) Delta_nu(s) = dg^{l+1}(t)/du^{l+1}_nu(s) + (eta gamma_0 / P) G^{l+1}(t, s) Delta_nu(s)
    Delta_mu(t)  = y_mu - f_mu(t),     f_mu(t) = <h^l_mu(t) g^l(t)> / gamma_0   whatever the layer l.

Everything at step t needs C, d and Delta at earlier steps only, so one march in time solves the equations:
there is no iteration to damp and no fixed point to miss.  Activities enter the signals only through
m^l(s) = sum_nu Delta_nu(s) h^l_nu(s), so no matrix over all pairs (t mu, s nu) is needed, only T P x T.
The steps are those of gradient descent itself, not of gradient flow: nothing of order eta is left out.

Source: Bordelon & Pehlevan 2022 (arXiv:2205.09653), deep linear networks; the march, its reduction to m and the
output in discrete time are derived here, see the chapter "Learning regimes".
"""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class NoLearningCurve(RuntimeError):
    """A learning curve was required where the equations gave none."""


@dataclass(frozen=True)
class InfiniteWidth:
    """A deep linear network of infinite width and how it is trained: full batch, rate eta gamma_0^2 N, no skips.

    Attributes:
        depth: L, the number of weight layers.
        rate: eta.
        steps: T, measured before each of as many updates.
        gamma_0: output scale.
        tolerance: disagreement between layers about the output, relative to the targets, that counts as a solution.

    Raises:
        ValueError: a size too small, or a number that is not positive.
    """

    depth: int
    rate: float
    steps: int
    gamma_0: float = 1.0
    tolerance: float = 1e-8

    def __post_init__(self):
        for name, least in (("depth", 2), ("steps", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} = {getattr(self, name)} given; the limit needs {name} >= {least}")
        for name in ("rate", "gamma_0", "tolerance"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(
                    f"{name} = {getattr(self, name)} given; a positive finite number is needed: for the lazy limit "
                    "take gamma_0 = 0.01, or kernel_regression"
                )


@dataclass(frozen=True)
class LearningCurve:
    """The solution, with its certificate; axes t, s over steps, mu, nu over samples, l = 1..L-1.

    Attributes:
        limit: what was solved.
        Kx: input kernel.
        residuals: Delta_mu(t) = y_mu - f_mu(t).
        features: H^l(t mu, t nu).
        overlaps: H^l(t mu, 0 nu), with the features before the first update.
        gradients: G^l(t, s).
        disagreement: largest difference between two layers' f_mu(t), relative to the largest |y_mu|; zero in theory.
    """

    limit: InfiniteWidth
    Kx: Float[np.ndarray, "samples samples"]
    residuals: Float[np.ndarray, "steps samples"]
    features: Float[np.ndarray, "layers steps samples samples"]
    overlaps: Float[np.ndarray, "layers steps samples samples"]
    gradients: Float[np.ndarray, "layers steps steps"]
    disagreement: float

    @property
    def loss(self) -> Float[np.ndarray, " steps"]:
        """Loss(t) = (1/2P) sum_mu Delta_mu(t)^2."""
        with np.errstate(over="ignore"):
            return np.mean(self.residuals**2, axis=1) / 2

    @property
    def converged(self) -> bool:
        """Every residual is finite and all layers agree about the output; NaN never does."""
        return bool(np.all(np.isfinite(self.residuals))) and self.disagreement <= self.limit.tolerance

    @property
    def tangent_kernel(self) -> Float[np.ndarray, "steps samples samples"]:
        """NTK(t) = G^1(t,t) Kx + sum_l H^l(t,t) G^{l+1}(t,t), with G^L = 1; it starts at L Kx."""
        H = np.concatenate([np.broadcast_to(self.Kx, self.features[:1].shape), self.features])
        G = np.concatenate([np.einsum("ltt->lt", self.gradients), np.ones((1, self.limit.steps))])
        return np.einsum("ltmn,lt->tmn", H, G)

    def require(self) -> "LearningCurve":
        """This curve, if it solves the equations.

        Raises:
            NoLearningCurve: gradient descent itself diverges at this rate, or rounding has spoilt the march.
        """
        if self.converged:
            return self
        finite = np.all(np.isfinite(self.residuals), axis=1)
        place = f"infinite from step {int(np.argmin(finite))} on" if not finite.all() else "finite, and inaccurate"
        raise NoLearningCurve(
            f"no learning curve at gamma_0 = {self.limit.gamma_0:g}, eta = {self.limit.rate:g}: residuals are {place}; "
            f"layers disagree about the output by {self.disagreement:.1e} where {self.limit.tolerance:.0e} is allowed. "
            "Gradient descent itself is unstable there, or rounding too coarse: choose a smaller rate or fewer steps, "
            "and in float32 call pcn_lib.numerics.use_float64() first"
        )


def learning_curve(
    Kx: Float[Array | np.ndarray, "P P"], y: Float[Array | np.ndarray, " P"], limit: InfiniteWidth
) -> LearningCurve:
    """Solve for the learning curve at infinite width; ``.require()`` it.

    Time and memory: O(L P T^3) operations, O(L P T^2) numbers.

    Args:
        Kx: x_mu . x_nu / D.
        y: one target for each sample (K = 1).
        limit: depth, rate, steps and output scale.

    Raises:
        ValueError: Kx and y do not fit each other, Kx is not symmetric, or a number is not finite.
    """
    Kx, y = jnp.asarray(Kx), jnp.asarray(y)
    if Kx.shape != (y.size, y.size) or not np.allclose(Kx, Kx.T, atol=1e-6, rtol=1e-6):
        raise ValueError(
            f"Kx of shape {Kx.shape} given for {y.size} targets; a symmetric {y.size} x {y.size} kernel of finite "
            "numbers is needed: take x @ x.T / D and one target for each sample"
        )
    if not np.all(np.isfinite(y)):
        raise ValueError("targets that are not finite given; a learning curve needs numbers: check y")
    found = jax.device_get(_march(Kx, y, limit.rate, limit.gamma_0, (limit.depth - 1, limit.steps)))
    with np.errstate(over="ignore", invalid="ignore"):
        disagreement = np.max(np.ptp(found.outputs, axis=1)) / max(float(jnp.max(jnp.abs(y))), np.finfo(y.dtype).tiny)
    gradients = np.stack(found.G[:-1])
    return LearningCurve(
        limit, np.asarray(Kx), found.Delta, found.equal[1:], found.overlap[1:], gradients, float(disagreement)
    )


class _March(NamedTuple):
    """What is known up to a step; later entries are zero.

    With n = sum_nu Delta_nu u_nu and m = sum_nu Delta_nu h_nu, in each layer

        h_mu(t) = u_mu(t) + sum_s alpha(t mu, s) n(s) + beta(t mu, s) r(s),      m = E n + B r,      g = a r + b n:

    beta and b are the responses that the next layers' C and d ask for.  Tuples are over layers.
    """

    Delta: Array  # t mu
    outputs: Array  # t l mu: f as every layer has it
    un: tuple[Array, ...]  # <u^l_mu(t) n^l(s)>: t mu s
    nn: tuple[Array, ...]  # <n^l(t) n^l(s)>: t s
    alpha: tuple[Array, ...]  # t mu s
    beta: tuple[Array, ...]  # t mu s
    E: tuple[Array, ...]  # t s
    B: tuple[Array, ...]  # t s
    a: tuple[Array, ...]  # t s
    b: tuple[Array, ...]  # t s
    G: tuple[Array, ...]  # l = 1..L: t s
    equal: Array  # H^l(t mu, t nu), l = 0..L-1
    overlap: Array  # H^l(t mu, 0 nu), l = 0..L-1


@partial(jax.jit, static_argnames="sizes")
def _march(Kx: Array, y: Array, rate: Array, gamma_0: Array, sizes: tuple[int, int]) -> _March:
    hidden, T = sizes
    P = y.size

    def zeros(*shape: int) -> tuple[Array, ...]:
        return tuple(jnp.zeros(shape, Kx.dtype) for _ in range(hidden))

    square, tall = zeros(T, T), zeros(T, P, T)
    start = _March(
        Delta=jnp.zeros((T, P), Kx.dtype),
        outputs=jnp.zeros((T, hidden, P), Kx.dtype),
        un=tall,
        nn=square,
        alpha=tall,
        beta=tall,
        E=square,
        B=square,
        a=square,
        b=square,
        G=(*square, jnp.ones((T, T), Kx.dtype)),
        equal=jnp.zeros((hidden + 1, T, P, P), Kx.dtype).at[0].set(Kx[None]),
        overlap=jnp.zeros((hidden + 1, T, P, P), Kx.dtype).at[0].set(Kx[None]),
    )

    def step(t: Array, known: _March) -> _March:
        push = jnp.where(jnp.arange(T) < t, rate * gamma_0 / P, jnp.zeros((), Kx.dtype))
        known = _backward(t, _forward(t, known, push), push, gamma_0)
        return _weigh(t, known._replace(Delta=known.Delta.at[t].set(y - known.outputs[t, -1])), Kx)

    return jax.lax.fori_loop(0, T, step, start)


def _forward(t: Array, known: _March, push: Array) -> _March:
    """Step t of alpha, beta, <u n> and of the kernels, layer by layer upwards."""
    un, alpha, beta, equal, overlap = list(known.un), list(known.alpha), list(known.beta), known.equal, known.overlap
    C = jnp.zeros_like(un[0][0])
    for k, (b, a, nn, E, B, G) in enumerate(
        zip(known.b, known.a, known.nn, known.E, known.B, known.G[1:], strict=True)
    ):
        C = C + un[k][t] * push[None]
        alpha_t, beta_t = C @ b, C @ a
        alpha[k], beta[k] = alpha[k].at[t].set(alpha_t), beta[k].at[t].set(beta_t)
        hn, hr = un[k][t] + alpha_t @ nn, beta_t @ G
        if k + 1 < len(un):
            un[k + 1] = un[k + 1].at[t].set(hn @ E.T + hr @ B.T)
        cross = hn @ alpha_t.T + hr @ beta_t.T + alpha_t @ un[k][t].T
        equal = equal.at[k + 1, t].set(equal[k, t] + cross)
        overlap = overlap.at[k + 1, t].set(overlap[k, t] + alpha_t @ un[k][0].T)
        C = beta_t
    return known._replace(un=tuple(un), alpha=tuple(alpha), beta=tuple(beta), equal=equal, overlap=overlap)


def _backward(t: Array, known: _March, push: Array, gamma_0: Array) -> _March:
    """Step t of a, b and G, layer by layer downwards; and f(t) as every layer has it."""
    a, b, G, outputs = list(known.a), list(known.b), list(known.G), known.outputs
    d = jnp.zeros_like(push)
    for k in reversed(range(len(a))):
        d = d + push * G[k + 1][t]
        a_t, b_t = (d @ known.B[k]).at[t].add(1), d @ known.E[k]
        a[k], b[k] = a[k].at[t].set(a_t), b[k].at[t].set(b_t)
        gn, gr = known.nn[k] @ b_t, G[k + 1] @ a_t
        row = a[k] @ gr + b[k] @ gn
        G[k] = G[k].at[t].set(row).at[:, t].set(row)
        f = (known.un[k][t] @ b_t + known.alpha[k][t] @ gn + known.beta[k][t] @ gr) / gamma_0
        outputs = outputs.at[t, k].set(f)
        d = b_t
    return known._replace(a=tuple(a), b=tuple(b), G=tuple(G), outputs=outputs)


def _weigh(t: Array, known: _March, Kx: Array) -> _March:
    """Step t of n and m, once Delta(t) is known, and their covariances with everything up to t."""
    un, nn, E, B = (list(layers) for layers in (known.un, known.nn, known.E, known.B))
    Delta = known.Delta[t]
    column = jnp.broadcast_to((Kx @ Delta)[None], known.Delta.shape)
    for k, (alpha, beta, G) in enumerate(zip(known.alpha, known.beta, known.G[1:], strict=True)):
        un[k] = un[k].at[:, :, t].set(column)
        row = Delta @ un[k][t]
        nn[k] = nn[k].at[t].set(row).at[:, t].set(row)
        E_t, B_t = (Delta @ alpha[t]).at[t].add(1), Delta @ beta[t]
        E[k], B[k] = E[k].at[t].set(E_t), B[k].at[t].set(B_t)
        column = un[k] @ E_t + alpha @ (nn[k] @ E_t) + beta @ (G @ B_t)
    return known._replace(un=tuple(un), nn=tuple(nn), E=tuple(E), B=tuple(B))


def kernel_regression(
    Kx: Float[np.ndarray, "P P"], y: Float[np.ndarray, " P"], limit: InfiniteWidth
) -> Float[np.ndarray, "steps P"]:
    """Delta(t) of the lazy limit gamma_0 -> 0, where the tangent kernel stays at L Kx:  (I - (eta L / P) Kx)^t y.

    Source: Bordelon & Pehlevan 2022; the factor is derived here, see the chapter "Learning regimes".
    """
    step = np.eye(y.size) - limit.rate * limit.depth / y.size * np.asarray(Kx)
    Delta = [np.asarray(y)]
    for _ in range(limit.steps - 1):
        Delta.append(step @ Delta[-1])
    return np.array(Delta)
