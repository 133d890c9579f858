"""One sample's energy in the prediction errors, and its certificate.

z <-> e is a bijection with unit Jacobian, and in the errors

    E(e) = sum_l 1/2 ||e_l||^2 + lambda ell(f(e), y),      dE/de_l = e_l - delta_l(e),

where f(e) is the forward pass with e_l added after layer l and delta_l is plain backpropagation
through it: the equilibrium is the fixed point e = delta(e).  Solvers are written for one sample and
mapped over the batch, so every sample takes its own decisions and a batch equals its samples one by one.

Source: error variables, Goemaere et al. 2025 (arXiv:2505.20137); fixed point and certificate derived
here, see the chapter "One sweep is backpropagation".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.inference.equilibrium import Equilibrium, criterion, relative_residual
from pcn_lib.network import Activities, zero_errors
from pcn_lib.numerics import tree_axpy, tree_dot, tree_norm, tree_subtract


class Point(NamedTuple):
    """Where a solver stands: errors e, the activities they give, E(e) and dE/de = e - delta(e)."""

    errors: Activities
    activities: Activities
    energy: Float[Array, ""]
    gradient: Activities


class Answer(NamedTuple):
    """Where a solver stopped, the residual there, after how many steps, and whether nothing moved any more."""

    point: Point
    residual: Float[Array, ""]
    steps: Int[Array, ""]
    stationary: Array


class Sample(NamedTuple):
    """One sample (x, y) of a problem, no batch axis anywhere.

    For the method of multipliers, E(e) has lambda / rho in place of lambda, rho the penalty, and v . e in addition,
    v the shift: up to a constant, the energy of the errors e + v.
    """

    problem: Problem
    x: Array
    y: Array
    penalty: float | Array = 1.0
    shift: Activities | None = None

    @property
    def precision(self) -> float | Array:
        """lambda / rho."""
        return self.problem.output_precision / self.penalty

    def shifted(self, errors: Activities) -> Activities:
        """e + v."""
        return errors if self.shift is None else tree_axpy(1, self.shift, errors)

    def energy(self, errors: Activities) -> Float[Array, ""]:
        """E(e): one pass forward."""
        return self._energy(errors, self.problem.network.sample_forward(self.x, errors).output)

    def _energy(self, errors: Activities, output: Array) -> Float[Array, ""]:
        energy = tree_dot(errors, errors) / 2 + self.precision * self.problem.sample_loss(output, self.y)
        return energy if self.shift is None else energy + tree_dot(self.shift, errors)

    def at(self, errors: Activities) -> Point:
        """The point at e: one pass forward, one back."""
        network = self.problem.network
        activities, output = network.sample_forward(self.x, errors)
        slope = jax.grad(self.problem.sample_loss)(output, self.y)
        # -delta_l = lambda (d f/d z_l)^T grad ell
        minus_delta = network.sample_backward(self.x, activities, self.precision * slope)
        gradient = tree_axpy(1, self.shifted(errors), minus_delta)
        return Point(errors, activities, self._energy(errors, output), gradient)

    def scale(self, feedforward: Point) -> Float[Array, ""]:
        """||dF/dz|| on the feedforward pass, where only the top layer feels the loss; NaN where that means nothing.

        It means nothing where E overflows, and where saturated activations hide the loss: the slope 1 - tanh^2 rounds
        to zero, and a residual may be so large that the exact slope would move the activities all the same.
        """
        network, top = self.problem.network, self.problem.network.top(feedforward.activities)
        scale = tree_norm(network.top(feedforward.gradient))
        slope = jax.grad(self.problem.loss)(network.readout(top), self.y)
        _, pull_back = jax.vjp(network.readout, jnp.zeros_like(top))
        unsaturated = self.precision * tree_norm(pull_back(slope)[0])
        hidden = (jnp.finfo(scale.dtype).eps * unsaturated >= scale) & (unsaturated > tree_norm(top))
        return jnp.where(jnp.isfinite(feedforward.energy) & ~hidden, scale, jnp.nan)

    def residual(self, point: Point, scale: Float[Array, ""]) -> Float[Array, ""]:
        """:func:`relative_residual`, for ``scale`` on the feedforward pass.

        dF/dz_l = dE/de_l - J_{l+1}^T dE/de_{l+1}: written in the gradient of E it is free of the
        cancellation in z_l - f_l(z_{l-1}), which floors near 1e-4 in float32.
        """
        network = self.problem.network
        _, pull_back = jax.vjp(lambda z: network.sample_predict(self.x, z).activities, point.activities)
        norm = tree_norm(tree_subtract(point.gradient, pull_back(point.gradient)[0]))
        return relative_residual(norm, scale, self.shifted(point.errors))


def solve_samples(
    problem: Problem, tolerance: float | Array, solve: Callable[[Sample, Point, Array], Answer]
) -> Equilibrium:
    """Map a one-sample solver over the batch, from the feedforward pass, and certify what it returns.

    Args:
        problem: network, batch and objective.
        tolerance: relative norm of dF/dz that the certificate asks for.
        solve: (sample, feedforward point, scale of dF/dz) -> answer.
    """

    def one(x, y, zero):
        sample = Sample(problem, x, y)
        start = sample.at(zero)
        point, residual, steps, stationary = solve(sample, start, sample.scale(start))
        passed = criterion(residual, tolerance, point.energy, point.errors, stationary)
        return Equilibrium(point.activities, point.errors, point.energy, residual, steps, passed)

    return jax.vmap(one)(problem.x, problem.y, zero_errors(problem.network, problem.x))
