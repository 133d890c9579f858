"""Newton's method in the prediction errors, and the default solver that ends in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.inference.equilibrium import Equilibrium
from pcn_lib.inference.sample import Answer, Point, Sample, solve_samples
from pcn_lib.inference.sweeps import sweep
from pcn_lib.network import Activities
from pcn_lib.numerics import tree_axpy, tree_dot, tree_norm, tree_subtract

#: Armijo's sufficient decrease, as everywhere.
DECREASE = 1e-4
#: Halvings of a Newton step before it counts as no step at all.
MAX_HALVINGS = 30
#: Conjugate-gradient iterations for one Newton step.
MAX_CG = 100


@dataclass(frozen=True)
class NewtonCG:
    """Truncated Newton on E(e): conjugate gradients on Hessian-vector products, then backtracking.

    The Hessian is the identity plus a term of rank at most K per sample plus the curvature of the
    activations, so conjugate gradients need few iterations.  A direction of negative curvature ends
    them with what they have, a descent direction.

    Attributes:
        tolerance: relative norm of dF/dz.
        max_steps: Newton steps allowed.
    """

    tolerance: float | Array = 1e-6
    max_steps: int | Array = 200

    def __call__(self, problem: Problem) -> Equilibrium:
        return solve_samples(problem, self.tolerance, self.solve)

    def solve(self, sample: Sample, start: Point, scale: Array) -> Answer:
        """One sample from a given point, to ``tolerance`` of a given scale of dF/dz."""
        first = Answer(start, sample.residual(start, scale), jnp.array(0), jnp.array(False))
        return newton(sample, first, scale, self.tolerance, self.max_steps)


@dataclass(frozen=True)
class SweepsThenNewton:
    """The default: accelerated sweeps while they shrink the gradient enough, then Newton-CG.

    Wide networks never reach the second stage; narrow and deep ones leave the first after a sweep or two.  A Newton
    step costs about as much as twenty sweeps, and all samples of a batch wait for it: at loose tolerances it pays to
    be patient, with ``contraction`` above 1, since accelerated sweeps do not shrink the gradient every time.

    Attributes:
        tolerance: relative norm of dF/dz.
        max_sweeps: sweeps allowed.
        max_steps: Newton steps allowed.
        contraction: the largest factor on the norm of dE/de with which a sweep is followed by another.
    """

    tolerance: float | Array = 1e-6
    max_sweeps: int | Array = 50
    max_steps: int | Array = 200
    contraction: float = 0.5

    def __call__(self, problem: Problem) -> Equilibrium:
        return solve_samples(problem, self.tolerance, self.solve)

    def solve(self, sample: Sample, start: Point, scale: Array) -> Answer:
        """One sample from a given point, to ``tolerance`` of a given scale of dF/dz."""
        swept = sweep(
            sample, start, scale, self.tolerance, self.max_sweeps, accelerate=True, contraction=self.contraction
        )
        return newton(sample, swept, scale, self.tolerance, self.max_steps)


class _State(NamedTuple):
    answer: Answer
    newton_steps: Int[Array, ""]
    still: Int[Array, ""]


#: Newton steps without progress after which a sample counts as stationary.
STILL_STEPS = 3


def newton(
    sample: Sample, start: Answer, scale: Float[Array, ""], tolerance: float | Array, max_steps: int | Array
) -> Answer:
    """Newton steps until the relative norm of dF/dz is within tolerance, or nothing moves any more."""
    # Relative to what rounding can do to E: a few units in its last place.
    noise = float(8 * jnp.finfo(start.point.energy.dtype).eps)

    def go_on(state: _State) -> Array:
        return (state.answer.residual > tolerance) & (state.newton_steps < max_steps) & ~state.answer.stationary

    def body(state: _State) -> _State:
        old = state.answer.point
        gradient, hessian = jax.linearize(lambda e: sample.at(e).gradient, old.errors)
        # Forcing term: solve loosely far away, superlinearly near.
        forcing = jnp.minimum(0.5, jnp.sqrt(state.answer.residual))
        direction = conjugate_gradients(hessian, gradient, forcing)
        new = _backtrack(sample, old, direction, noise)
        still = jnp.where(_unmoved(old, new, noise), state.still + 1, 0)
        answer = Answer(new, sample.residual(new, scale), state.answer.steps + 1, still >= STILL_STEPS)
        return _State(answer, state.newton_steps + 1, still)

    first = _State(start, jnp.array(0), jnp.array(0))
    return jax.lax.while_loop(go_on, body, first).answer


def _unmoved(old: Point, new: Point, noise: float) -> Array:
    """Whether E changed within its rounding, and e (hence the PC gradient) by no more than E's rounding can tell.

    E grows by at least about 1/2 ||s||^2 over a step s away from its minimum.
    """
    rounding = noise * jnp.abs(old.energy)
    step = tree_subtract(new.errors, old.errors)
    return (jnp.abs(new.energy - old.energy) <= rounding) & (tree_dot(step, step) / 2 <= 4 * rounding)


class _Search(NamedTuple):
    solution: Activities
    remainder: Activities
    direction: Activities
    square: Float[Array, ""]
    steps: Int[Array, ""]
    curved: Array


def conjugate_gradients(
    hessian: Callable[[Activities], Activities], gradient: Activities, forcing: Float[Array, ""]
) -> Activities:
    """p with ||H p + g|| <= forcing ||g||, or the last descent direction before negative curvature."""
    downhill = jax.tree.map(jnp.negative, gradient)
    square = tree_dot(gradient, gradient)
    target = forcing**2 * square

    def go_on(s: _Search) -> Array:
        return (s.square > target) & (s.steps < MAX_CG) & s.curved

    def body(s: _Search) -> _Search:
        image = hessian(s.direction)
        curvature = tree_dot(s.direction, image)
        curved = curvature > 0
        step = jnp.where(curved, s.square / jnp.where(curved, curvature, 1), 0)
        solution = tree_axpy(step, s.direction, s.solution)
        remainder = tree_axpy(-step, image, s.remainder)
        square = jnp.where(curved, tree_dot(remainder, remainder), s.square)
        direction = tree_axpy(square / s.square, s.direction, remainder)
        return _Search(solution, remainder, direction, square, s.steps + 1, curved)

    zero = jax.tree.map(jnp.zeros_like, gradient)
    first = _Search(zero, downhill, downhill, square, jnp.array(0), jnp.array(True))
    last = jax.lax.while_loop(go_on, body, first)
    # Negative curvature at the very first direction leaves the steepest descent.
    none = tree_dot(last.solution, last.solution) == 0
    return jax.tree.map(lambda p, d: jnp.where(none, d, p), last.solution, downhill)


class _Trial(NamedTuple):
    point: Point
    t: Float[Array, ""]
    rises: Array


def _backtrack(sample: Sample, old: Point, direction: Activities, noise: float) -> Point:
    """The point at e + t p with the first t in 1, 1/2, 1/4, ... that lowers E enough, up to its rounding; else at e.

    Near a minimum the change of E drowns in its rounding, which for a sample that is almost fitted is far above
    ``noise``.  So the full step also counts if it halves the gradient, in the spirit of the approximate Wolfe
    conditions of Hager and Zhang (2005); shorter ones do not, or steps across a kink would go round in circles.
    """
    slope, size = tree_dot(old.gradient, direction), jnp.abs(old.energy)

    def go_on(trial: _Trial) -> Array:
        return trial.rises & (trial.t > 2.0**-MAX_HALVINGS)

    def halve(trial: _Trial) -> _Trial:
        t = trial.t / 2
        new = sample.at(tree_axpy(t, direction, old.errors))
        # A NaN energy is below nothing, so that it counts as rising.
        lower = new.energy <= old.energy + DECREASE * t * slope + noise * size
        halved = (tree_norm(new.gradient) <= tree_norm(old.gradient) / 2) & (
            new.energy <= old.energy + noise**0.5 * size
        )
        return _Trial(new, t, ~(lower | halved & (t == 1)))

    # Starting from twice the full step, one body evaluates all of them: half of what there was to compile.
    last = jax.lax.while_loop(go_on, halve, _Trial(old, 2 * jnp.ones_like(slope), jnp.array(True)))
    return jax.tree.map(lambda new, old: jnp.where(last.rises, old, new), last.point, old)
