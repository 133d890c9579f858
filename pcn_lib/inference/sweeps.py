"""The fixed point e <- delta(e): inference as backpropagation iterated to self-consistency."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.inference.equilibrium import Equilibrium
from pcn_lib.inference.sample import Answer, Point, Sample, solve_samples
from pcn_lib.numerics import tree_axpy, tree_dot, tree_norm, tree_subtract

#: Sweeps watch the shrinking of dE/de, the certificate that of dF/dz.  Both start from the same deltas and shrink
#: together; the margin covers what is between them, or nearly: what it does not cover is swept again.
GRADIENT_MARGIN = 0.8


@dataclass(frozen=True)
class Sweeps:
    """e <- e - step (e - delta(e)); with step 1 this is e <- delta(e), and the first sweep is BP.

    For linear networks with squared error the map is affine with contraction factor ||lambda M||, about
    (e - 1) L / N under muPC with skips: a solver for N >= 4 L.  Each sweep is one pass forward and one back.

    Attributes:
        tolerance: relative norm of dF/dz.
        max_steps: sweeps allowed.
        accelerate: choose the step by Barzilai and Borwein's rule, per sample, instead of 1.
    """

    tolerance: float | Array = 1e-6
    max_steps: int | Array = 100
    accelerate: bool = False

    def __call__(self, problem: Problem) -> Equilibrium:
        return solve_samples(problem, self.tolerance, self.solve)

    def solve(self, sample: Sample, start: Point, scale: Array) -> Answer:
        """One sample from a given point, to ``tolerance`` of a given scale of dF/dz."""
        return sweep(sample, start, scale, self.tolerance, self.max_steps, accelerate=self.accelerate)


class _State(NamedTuple):
    point: Point
    norm: Float[Array, ""]
    target: Float[Array, ""]
    residual: Float[Array, ""]
    step: Float[Array, ""]
    steps: Int[Array, ""]
    contracting: Array


def sweep(
    sample: Sample,
    start: Point,
    scale: Float[Array, ""],
    tolerance: float | Array,
    max_steps: int | Array,
    *,
    accelerate: bool,
    contraction: float = jnp.inf,
) -> Answer:
    """Sweep until ||dF/dz|| is ``tolerance`` of ``scale``, or a sweep fails to shrink ||dE/de|| by ``contraction``.

    A sweep that does not contract and raises the energy is undone, so that what follows
    starts from the best point.
    """

    norm = tree_norm(start.gradient)

    def go_on(state: _State) -> Array:
        return (state.norm > state.target) & (state.steps < max_steps) & state.contracting

    def body(state: _State) -> _State:
        old = state.point
        new = sample.at(tree_axpy(-state.step, old.gradient, old.errors))
        norm = tree_norm(new.gradient)
        contracting = norm <= contraction * state.norm
        kept = contracting | (new.energy <= old.energy)
        point = jax.tree.map(lambda n, o: jnp.where(kept, n, o), new, old)
        step = _barzilai_borwein(old, new) if accelerate else state.step
        norm = jnp.where(kept, norm, state.norm)
        return state._replace(point=point, norm=norm, step=step, steps=state.steps + 1, contracting=contracting)

    def to_target(state: _State) -> _State:
        # Ends at the target, and takes the next one from how far that was from the certificate.
        last = jax.lax.while_loop(go_on, body, state)
        residual = sample.residual(last.point, scale)
        return last._replace(residual=residual, target=GRADIENT_MARGIN * tolerance / residual * last.norm)

    def uncertified(state: _State) -> Array:
        # Sweeps that diverged to infinity have no next target.
        unfinished = (state.residual > tolerance) & jnp.isfinite(state.target)
        return unfinished & (state.steps < max_steps) & state.contracting

    # The feedforward pass is what residuals are relative to; NaN where it gives no scale.
    residual, step = jnp.where(norm > 0, 1, 0 * scale), jnp.ones_like(norm)
    target = GRADIENT_MARGIN * tolerance * norm
    first = _State(start, norm, target, residual, step, jnp.array(0), jnp.array(True))
    last = jax.lax.while_loop(uncertified, to_target, first)
    return Answer(last.point, last.residual, last.steps, jnp.array(False))


def _barzilai_borwein(old: Point, new: Point) -> Float[Array, ""]:
    """s.s / s.y, s the change of e and y that of dE/de: the inverse curvature along s; 1 where it is not positive."""
    s, y = tree_subtract(new.errors, old.errors), tree_subtract(new.gradient, old.gradient)
    curvature = tree_dot(s, y)
    safe = jnp.where(curvature > 0, curvature, 1)
    return jnp.where(curvature > 0, tree_dot(s, s) / safe, 1)
