"""Minima on the kinks of a ReLU: a certificate of one-sided derivatives, and Newton's method that ends there.

E is smooth in the activities but where one is zero, and there its directional derivatives separate by unit:

    E'(z; v) = sum_i  v_i D_i^+  (v_i > 0)   or   v_i D_i^-  (v_i < 0),

so that z is stationary in every direction exactly if dE/dz_i = 0 where z_i is not 0, and D_i^- <= 0 <= D_i^+ where it
is.  Units at such a kink are held at zero and all others move in the errors, in which the Hessian is the identity plus
a term of rank K plus the number of kinks; units that change sign in a step are held, and units whose derivatives say
so are let go.  On each side of the kinks E is a quadratic function for the squared error.

Source: derived here; the choice of sides is that of Andrew and Gao (2007), orthant-wise quasi-Newton.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem, sample_energy
from pcn_lib.inference.equilibrium import Criterion, Equilibrium, relative_residual
from pcn_lib.inference.newton import DECREASE, MAX_HALVINGS, conjugate_gradients, newton
from pcn_lib.inference.sample import Answer, Point, Sample, solve_samples
from pcn_lib.inference.sweeps import sweep
from pcn_lib.network import Activities, Stack
from pcn_lib.numerics import tree_axpy, tree_dot, tree_norm

#: Units within this share of the residual from zero whose derivative points there are held before a step.
NEAR = 1e-2


@dataclass(frozen=True)
class KinkNewton:
    """Sweeps, a few Newton steps, and then steps that hold units at the kinks; for activations with a kink at zero.

    Attributes:
        tolerance: relative norm of the violation of D^- <= 0 <= D^+, that of dF/dz where no unit is at zero.
        max_sweeps: sweeps allowed.
        smooth_steps: Newton steps that take no notice of kinks.
        max_steps: Newton steps that do.
    """

    tolerance: float | Array = 1e-6
    max_sweeps: int | Array = 50
    smooth_steps: int | Array = 5
    max_steps: int | Array = 100

    def __call__(self, problem: Problem) -> Equilibrium:
        def solve(sample: Sample, start: Point, scale: Array) -> Answer:
            swept = sweep(sample, start, scale, self.tolerance, self.max_sweeps, accelerate=True, contraction=0.5)
            smooth = newton(sample, swept, scale, self.tolerance, self.smooth_steps)
            return _at_kinks(sample, smooth, scale, self.tolerance, self.max_steps)

        reached = solve_samples(problem, self.tolerance, solve)
        kinked = jax.vmap(lambda z: reduce(jnp.logical_or, [jnp.any(kept == 0) for kept in z]))(reached.activities)
        kink = jnp.where(kinked & (reached.criterion == Criterion.GRADIENT), Criterion.KINK, reached.criterion)
        return replace(reached, criterion=kink)


class _State(NamedTuple):
    point: Point
    violation: Activities
    residual: Float[Array, ""]
    steps: Int[Array, ""]
    stuck: Array


def _at_kinks(sample: Sample, start: Answer, scale: Array, tolerance: float | Array, max_steps: int | Array) -> Answer:
    """Steps until every directional derivative is that of a minimum, within tolerance, or none lowers E."""

    def state(point: Point, steps: Array, stuck: Array) -> _State:
        violation = _violation(sample, point)
        residual = relative_residual(tree_norm(violation), scale, point.errors)
        return _State(point, violation, residual, steps, stuck)

    def go_on(s: _State) -> Array:
        return (s.residual > tolerance) & (s.steps < max_steps) & ~s.stuck

    def body(s: _State) -> _State:
        near = NEAR * s.residual

        def choose(z: Array, g: Array) -> Array:
            # A unit at zero goes where its derivative points, or stays: side 0.  So does one that would cross at once.
            side = jnp.where(z == 0, -jnp.sign(g), jnp.sign(z))
            return jnp.where((jnp.abs(z) <= near) & (z * g > 0), 0, side)

        side = jax.tree.map(choose, s.point.activities, s.violation)
        new, stuck = _step(sample, s.point, side, s.residual)
        return state(new, s.steps + 1, stuck)

    last = jax.lax.while_loop(go_on, body, state(start.point, jnp.array(0), jnp.array(False)))
    return Answer(last.point, last.residual, start.steps + last.steps, start.stationary & (last.steps == 0))


def _violation(sample: Sample, point: Point) -> Activities:
    """dF/dz, and at a kink what is missing to D^- <= 0 <= D^+: min(D^+, 0) + max(D^-, 0)."""
    left, right = (_one_sided(sample, point, side) for side in (-1, 1))
    return jax.tree.map(
        lambda z, a, b: jnp.where(z == 0, jnp.minimum(b, 0) + jnp.maximum(a, 0), b), point.activities, left, right
    )


def _one_sided(sample: Sample, point: Point, side: int) -> Activities:
    """dF/dz_l = e_l - J_{l+1}^T e_{l+1} with units at zero taken from one side."""
    z = jax.tree.map(lambda z: jnp.where(z == 0, side * jnp.finfo(z.dtype).tiny, z), point.activities)
    predicted, pull_back = jax.vjp(lambda z: sample.problem.network.sample_predict(sample.x, z), z)
    slope = sample.problem.output_precision * jax.grad(sample.problem.loss)(predicted.output, sample.y)
    below = jax.tree.map(jnp.negative, point.errors)
    return tree_axpy(1, point.errors, pull_back(type(predicted)(below, slope))[0])


def _step(sample: Sample, old: Point, side: Activities, residual: Array) -> tuple[Point, Array]:
    """The first of 1, 1/2, 1/4, ... of a Newton step that lowers E, units that change sides held at zero."""

    def energy(errors: Activities) -> Array:
        return _held(sample, errors, side, onto_side=True).energy

    gradient, hessian = jax.linearize(jax.grad(energy), old.errors)
    direction = conjugate_gradients(hessian, gradient, jnp.minimum(0.1, jnp.sqrt(residual)))
    slope = tree_dot(gradient, direction)
    noise = float(8 * jnp.finfo(slope.dtype).eps)

    def tried(t: Array) -> Point:
        errors = tree_axpy(t, direction, old.errors)
        free = _held(sample, errors, side, onto_side=False)
        crossed = jax.tree.map(lambda z, s: jnp.where(z * s < 0, 0, s), free.activities, side)
        return _held(sample, errors, crossed, onto_side=False)

    def rises(point: Point, t: Array) -> Array:
        return ~(point.energy <= old.energy + DECREASE * t * slope + noise * jnp.abs(old.energy))

    def go_on(state: tuple[Array, Array, Point]) -> Array:
        t, halvings, point = state
        return rises(point, t) & (halvings < MAX_HALVINGS)

    def halve(state: tuple[Array, Array, Point]) -> tuple[Array, Array, Point]:
        t, halvings, _ = state
        return t / 2, halvings + 1, tried(t / 2)

    one = jnp.ones_like(slope)
    t, _, point = jax.lax.while_loop(go_on, halve, (one, jnp.array(0), tried(one)))
    stuck = rises(point, t)
    return jax.tree.map(lambda n, o: jnp.where(stuck, o, n), point, old), stuck


def _held(sample: Sample, errors: Activities, side: Activities, *, onto_side: bool) -> Point:
    """The forward pass with units of side 0 held at zero, e = -f there; the gradient is left out.

    Args:
        sample: the network and one sample.
        errors: of all other units.
        side: -1, 0 or 1 for every unit.
        onto_side: whether units that are not on their side are moved just there, to have that side's slope.
    """

    def layer(z: Array, given: tuple) -> tuple[Array, tuple[Array, Array]]:
        each, error, where = given
        f = each.forward(z, None)[0]
        z = jnp.where(where == 0, 0, f + error)
        if onto_side:
            shift = jnp.where(z * where <= 0, where * jnp.finfo(z.dtype).tiny - z, 0)
            z = z + jax.lax.stop_gradient(shift)
        return z, (z, jnp.where(where == 0, -f, error))

    z, kept = sample.x, []
    for block, error, where in zip(sample.problem.network.blocks, errors, side, strict=True):
        if isinstance(block, Stack):
            z, both = jax.lax.scan(layer, z, (block.layers, error, where))
        else:
            z, both = layer(z, (block, error, where))
        kept.append(both)
    activities, reached = (tuple(part) for part in zip(*kept, strict=True))
    energy = sample_energy(reached, sample.problem.network.readout(z), sample.y, sample.problem)
    return Point(reached, activities, energy, reached)
