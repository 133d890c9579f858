"""Any convex loss: the equilibrated energy is a Moreau envelope of the loss, and PC is BP at its proximal point.

For a deep linear network and a loss ell(., y) that is convex in the output,

    F* = min_u  lambda ell(u, y) + 1/2 (u - f)^T M^+ (u - f),      u - f in the range of M,
    e_l* = -lambda P_l^T grad ell(u*),

u* the proximal point of the output f in the metric M = sum_l P_l P_l^T.  Writing u = f + M w removes the
pseudo-inverse M^+: w* = -lambda grad ell(u*) is the only unknown, K numbers for each sample.

Source: derived here, see the chapter "Any convex loss: the energy is a Moreau envelope".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from pcn_lib.energy import Loss, Problem, check_precision
from pcn_lib.inference import Equilibrium
from pcn_lib.inference.sample import Answer, Point, Sample, solve_samples
from pcn_lib.network import feedforward
from pcn_lib.numerics import tolerance
from pcn_lib.rescaling import gram, linear_jacobians, sample_grams

#: Newton steps allowed; a handful is the rule.
MAX_STEPS = 50
#: Halvings of a Newton step.
MAX_HALVINGS = 30


class ProximalPoint(NamedTuple):
    """Where inference moves the output of a linear network, and what that costs.

    Attributes:
        output: u*, the output at the equilibrium.
        delta: w* = -lambda grad ell(u*), BP's delta at the output, taken at u* instead of at f.
        energy: lambda ell(u*, y) + 1/2 w*^T M w*, the envelope at f; NaN where Newton's method did not converge.
        residual: ||w + lambda grad ell(f + M w)||, the norm of the equation solved.
        steps: Newton steps.
        converged: the residual is at rounding.
    """

    output: Float[Array, "*outputs"]
    delta: Float[Array, "*outputs"]
    energy: Float[Array, ""]
    residual: Float[Array, ""]
    steps: Int[Array, ""]
    converged: Bool[Array, ""]


def proximal_point(
    loss: Loss,
    f: Float[Array, "*outputs"],
    y: Float[Array, "*outputs"],
    M: Float[Array, "K K"],
    output_precision: float | Float[Array, ""] = 1.0,
) -> ProximalPoint:
    """u* = argmin_u lambda ell(u, y) + 1/2 (u - f)^T M^+ (u - f), of one sample, by a damped Newton method.

    Solves w + lambda grad ell(f + M w) = 0, the stationarity of lambda ell(f + M w) + 1/2 w^T M w; its Newton step
    (I + lambda H M)^{-1} is a descent direction of that function, because M (I + lambda H M)^{-1} is positive.
    The energy is differentiable in f, M and (where ell is) y; its derivative holds w fixed, even where w has a kink
    (Danskin's theorem: ell need only be once continuously differentiable).

    Source: derived here, see the chapter "Any convex loss: the energy is a Moreau envelope".

    Args:
        loss: ell, convex, continuously differentiable and almost everywhere twice so in its first argument.
        f: output of the feedforward pass.
        y: target.
        M: metric, positive semidefinite, over the K raveled outputs; it may be singular.
        output_precision: lambda.

    Raises:
        ValueError: M is not K x K, or lambda not one positive number.
    """
    check_precision(output_precision)
    if M.shape != (f.size, f.size):
        raise ValueError(
            f"M of shape {M.shape} given for {f.size} outputs; {(f.size, f.size)} is needed: take it from gram"
        )

    def value(w: Array, f: Array, y: Array, M: Array) -> Array:
        return output_precision * loss(f + (M @ w).reshape(f.shape), y) + w @ (M @ w) / 2

    # What rounding of u does to lambda ell and, for a curvature of about 1, to its gradient.
    rounding = 8 * jnp.finfo(f.dtype).eps * output_precision * (jnp.linalg.norm(f) + jnp.linalg.norm(y))
    fixed = jax.lax.stop_gradient((f, y, M))
    w, residual, steps, converged = _newton(lambda u, y: output_precision * loss(u, y), value, fixed, rounding)
    energy = jnp.where(converged, value(w, f, y, M), jnp.nan)
    return ProximalPoint(f + (M @ w).reshape(f.shape), w.reshape(f.shape), energy, residual, steps, converged)


class _State(NamedTuple):
    w: Float[Array, " K"]
    equation: Float[Array, " K"]
    steps: Int[Array, ""]


def _newton(
    loss: Loss, value: Callable[..., Array], data: tuple[Array, Array, Array], rounding: Array
) -> tuple[Array, ...]:
    """w with w + grad loss(f + M w) = 0 for data f, y, M; its residual, the steps taken, and whether it converged."""
    f, y, M = data

    def gradient(u: Array) -> Array:
        return jax.grad(loss)(u.reshape(f.shape), y).ravel()

    def equation(w: Array) -> Array:
        return w + gradient(f.ravel() + M @ w)

    def body(state: _State) -> _State:
        H = jax.jacfwd(gradient)(f.ravel() + M @ state.w)
        direction = -jnp.linalg.solve(jnp.eye(f.size, dtype=f.dtype) + H @ M, state.equation)
        w = _backtrack(lambda w: value(w, f, y, M), state.w, direction, rounding)
        return _State(w, equation(w), state.steps + 1)

    start = equation(jnp.zeros(f.size, f.dtype))
    target = jnp.maximum(tolerance(f.dtype).exact * jnp.linalg.norm(start), rounding)

    def go_on(state: _State) -> Array:
        return (jnp.linalg.norm(state.equation) > target) & (state.steps < MAX_STEPS)

    last = jax.lax.while_loop(go_on, body, _State(jnp.zeros_like(start), start, jnp.array(0)))
    residual = jnp.linalg.norm(last.equation)
    # An overflow of f or y is no target.
    return last.w, residual, last.steps, (residual <= target) & jnp.isfinite(target)


def _backtrack(value: Callable[[Array], Array], w: Array, direction: Array, rounding: Array) -> Array:
    """w + t direction with the first t in 1, 1/2, 1/4, ... that does not raise the value, up to its rounding."""
    old = value(w)
    allowed = old + rounding + 8 * jnp.finfo(w.dtype).eps * jnp.abs(old)

    def go_on(state: tuple[Array, Array]) -> Array:
        t, halvings = state
        return ~(value(w + t * direction) <= allowed) & (halvings < MAX_HALVINGS)

    one = jnp.ones((), w.dtype)
    t, _ = jax.lax.while_loop(go_on, lambda state: (state[0] / 2, state[1] + 1), (one, jnp.array(0)))
    return w + t * direction


def proximal_points(problem: Problem) -> ProximalPoint:
    """The proximal point of every sample of a linear network, with a leading batch axis.

    Raises:
        NotLinear: the network has an activation that is not the identity.
    """
    M = gram(linear_jacobians(problem.network))
    return _proximal_points(problem, M, metric_axis=None)


def moreau_energy(problem: Problem) -> Float[Array, ""]:
    """F* of a deep linear network with a convex loss, the mean over the batch; differentiable in the weights.

        F* = (1/B) sum_i min_u [ lambda ell(u, y_i) + 1/2 (u - f_i)^T M^+ (u - f_i) ]

    Source: derived here, see the chapter "Any convex loss: the energy is a Moreau envelope".

    Raises:
        NotLinear: the network has an activation that is not the identity.

    Assumes: the loss is convex in the output. NaN where Newton's method does not converge.
    """
    return jnp.mean(proximal_points(problem).energy)


def linearised_energy(problem: Problem) -> Float[Array, ""]:
    """The envelope with M_i of each sample from its feedforward pass; any activation.

    Exact for linear networks; for others it keeps every term of F* of first order in L/N.

    Assumes: as :func:`moreau_energy`.
    """
    return jnp.mean(_proximal_points(problem, sample_grams(problem), metric_axis=0).energy)


def _proximal_points(problem: Problem, M: Array, metric_axis: int | None) -> ProximalPoint:
    def one(f, y, M):
        return proximal_point(problem.sample_loss, f, y, M, problem.output_precision)

    outputs = feedforward(problem.network, problem.x).output
    return jax.vmap(one, in_axes=(0, 0, metric_axis))(outputs, problem.y, M)


class Sandwich(NamedTuple):
    """Bounds on every sample's F*, axes [batch].

    Attributes:
        lower: lambda ell(f) - (lambda^2 / 2) g^T M g, g = grad ell(f); holds for a convex loss.
        upper: lambda ell(f), the energy of the feedforward pass; holds for any loss.
    """

    lower: Float[Array, " batch"]
    upper: Float[Array, " batch"]


def sandwich(problem: Problem) -> Sandwich:
    """Bounds on F* of a linear network without solving for the equilibrium.

    Source: derived here, see the chapter "Any convex loss: the energy is a Moreau envelope".

    Raises:
        NotLinear: the network has an activation that is not the identity.
    """
    M = gram(linear_jacobians(problem.network))

    def one(f: Array, y: Array) -> Sandwich:
        value, g = jax.value_and_grad(lambda u: problem.output_precision * problem.sample_loss(u, y))(f)
        return Sandwich(value - g.ravel() @ (M @ g.ravel()) / 2, value)

    return jax.vmap(one)(feedforward(problem.network, problem.x).output, problem.y)


@dataclass(frozen=True)
class ProximalExact:
    """The equilibrium of a deep linear network with a convex loss: e_l = -lambda P_l^T grad ell(u*) and one sweep.

    ``LinearExact`` for any convex loss.  A solver like the others: its certificate is measured, not assumed.

    Attributes:
        tolerance: relative norm of dF/dz that the certificate asks for.

    Source: derived here, see the chapter "Any convex loss: the energy is a Moreau envelope".
    """

    tolerance: float = 1e-6

    def __call__(self, problem: Problem) -> Equilibrium:
        jacobians = linear_jacobians(problem.network)
        M = gram(jacobians)

        def solve(sample: Sample, start: Point, scale: Array) -> Answer:
            f = problem.network.sample_forward(sample.x).output
            point = proximal_point(problem.sample_loss, f, sample.y, M, problem.output_precision)
            errors = jax.tree.map(lambda P: jnp.tensordot(point.delta.ravel(), P, axes=1), jacobians)
            reached = sample.at(errors)
            return Answer(reached, sample.residual(reached, scale), point.steps, jnp.array(False))

        return solve_samples(problem, self.tolerance, solve)
