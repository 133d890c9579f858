"""Predictive coding trained once at certified equilibria, and backpropagation beside it at several learning rates.

Between 22 February and 24 July 2026 the authors' script gave backpropagation's optimiser its arguments in another
order than it takes them: for these networks its rate was then eta N^-1/2 where predictive coding's was
eta (N L)^-1/2.  Source: the public history of experiments/limits_paper/train.py in jpc.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float

from pcn_lib.energy import Problem
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Solver
from pcn_lib.training import Adam


@dataclass(frozen=True)
class Rated:
    """Cosines of the two gradients over training; axes [batches, networks, steps, factors].

    Attributes:
        cosine: of predictive coding's gradient and backpropagation's, each on its own training's weights; the last
            axis is the factor by which backpropagation's rate is larger.
        converged: whether every sample's certificate held; axes [batches, networks, steps].
    """

    cosine: Float[np.ndarray, "batches networks steps factors"]
    converged: Bool[np.ndarray, "batches networks steps"]


def rated(problems: Sequence[Sequence[Problem]], rate: float, steps: int, solver: Solver, factors: tuple) -> Rated:
    """Train every problem, laid out as [batches][networks].

    Args:
        problems: with the weights from which all trainings start.
        rate: Adam's base rate eta.
        steps: weight updates.
        solver: of predictive coding's inference.
        factors: of backpropagation's rate.
    """
    rows = [[jax.device_get(_trained(one, rate, steps, solver, factors)) for one in row] for row in problems]
    return Rated(*(np.array([[cell[i] for cell in row] for row in rows]) for i in range(2)))


@partial(jax.jit, static_argnames=("steps", "solver", "factors"))
def _trained(problem: Problem, rate: float, steps: int, solver: Solver, factors: tuple) -> tuple[Array, Array]:
    adams = [Adam(rate * factor).transformation(problem.network) for factor in (1.0, *factors)]

    def step(states, _):
        pc, *bps = (replace(problem, network=network) for network, _ in states)
        equilibrium = solver(pc)
        gradients = [pc_gradient(pc, equilibrium), *map(bp_gradient, bps)]
        cosines = jnp.stack([compare(gradients[0], other).total.cosine for other in gradients[1:]])
        moved = []
        for adam, gradient, (network, memory) in zip(adams, gradients, states, strict=True):
            updates, memory = adam.update(gradient, memory, network)
            moved.append((optax.apply_updates(network, updates), memory))
        return moved, (cosines, equilibrium.converged)

    return jax.lax.scan(step, [(problem.network, adam.init(problem.network)) for adam in adams], length=steps)[1]
