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

from pcn_lib.data import figure4
from pcn_lib.data.published import FIGURE4_ERROR
from pcn_lib.energy import Problem
from pcn_lib.experiments.concurrently import at_once
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Solver
from pcn_lib.statistics import Agreement, agreement
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
    cells = at_once(
        lambda one: jax.device_get(_trained(one, rate, steps, solver, factors)), sum(map(list, problems), [])
    )
    width = len(problems[0])
    rows = [cells[i : i + width] for i in range(0, len(cells), width)]
    return Rated(*(np.array([[cell[i] for cell in row] for row in rows]) for i in range(2)))


@partial(jax.jit, static_argnames=("steps", "solver", "factors"))
def _trained(problem: Problem, rate: float | Array, steps: int, solver: Solver, factors: tuple) -> tuple[Array, Array]:
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


def changes(
    cosines: Float[np.ndarray, "batches widths steps"], widths: tuple[int, ...]
) -> tuple[np.ndarray, Agreement]:
    """How the published cosines of Figure 4a change over training, and draws of the same changes.

    A change from the first step that can be read to half the training, and to the last one that can: what differs
    between initialisations is mostly where a curve begins, and that says nothing about learning rates.

    Args:
        cosines: before each update.
        widths: of the networks, on the second axis.

    Returns:
        The published changes, [widths, 2], and how they agree with the draws.
    """
    published, ours = [], []
    for place, width in enumerate(widths):
        curve = next(curve for curve in figure4("mlp") if curve.width == width)
        for t in (50, int(curve.steps[-1])):
            published.append(curve.cosine[curve.steps == t][0] - curve.cosine[0])
            ours.append(cosines[:, place, t] - cosines[:, place, curve.steps[0]])
    # Two readings make a difference.
    found = agreement(published, np.array(ours).T, error=2**0.5 * FIGURE4_ERROR)
    return np.array(published).reshape(-1, 2), found
