"""Gradient descent on the activities: inference by a number of steps fixed in advance."""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from pcn_lib.energy import Problem, sample_energy
from pcn_lib.inference.equilibrium import Equilibrium, criterion, relative_residual
from pcn_lib.network import feedforward
from pcn_lib.numerics import check_rate, tree_norm, tree_subtract


@dataclass(frozen=True)
class ActivityDescent:
    """A fixed number of Optax steps on the activities, z <- z - update(dF/dz), from the feedforward pass.

    Plain gradient descent is :func:`gradient_descent`; momentum and Adam are other Optax values.  It stops by count,
    whatever the residual: the certificate says what that reached.
    The gradient is that of each sample's own energy, not of the batch mean.

    Attributes:
        optimiser: the Optax transformation; one instance per solver, so that equal solvers compile once.
        steps: how many.
        tolerance: relative norm of dF/dz that the certificate asks for.
    """

    optimiser: optax.GradientTransformation
    steps: int | Array
    tolerance: float | Array = 1e-6

    def __call__(self, problem: Problem) -> Equilibrium:
        return jax.vmap(self._one, in_axes=(None, 0, 0, 0))(
            problem, problem.x, problem.y, feedforward(problem.network, problem.x).activities
        )

    def _one(self, problem: Problem, x: Array, y: Array, start) -> Equilibrium:
        def energy(z):
            predicted, output = problem.network.sample_predict(x, z)
            errors = tree_subtract(z, predicted)
            return sample_energy(errors, output, y, problem), errors

        def step(_, state):
            z, memory = state
            updates, memory = self.optimiser.update(jax.grad(energy, has_aux=True)(z)[0], memory, z)
            return optax.apply_updates(z, updates), memory

        scale = tree_norm(jax.grad(energy, has_aux=True)(start)[0])
        z, _ = jax.lax.fori_loop(0, self.steps, step, (start, self.optimiser.init(start)))
        (value, errors), gradient = jax.value_and_grad(energy, has_aux=True)(z)
        residual = relative_residual(tree_norm(gradient), scale, errors)
        passed = criterion(residual, self.tolerance, value, errors, stationary=False)
        return Equilibrium(z, errors, value, residual, jnp.array(self.steps), passed)


def gradient_descent(rate: float, steps: int | Array) -> ActivityDescent:
    """Plain gradient descent on the activities: the protocol of the authors' script, 100 H steps at rate 0.3 for MLPs.

    Args:
        rate: beta.
        steps: how many.

    Raises:
        ValueError: a negative rate.
    """
    check_rate(rate)
    return ActivityDescent(_sgd(rate), steps)


@cache
def _sgd(rate: float) -> optax.GradientTransformation:
    """One instance for a rate, so that equal solvers compile once."""
    return optax.sgd(rate)
