"""Trainings of networks of several widths, measured layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.experiments.published_inference import published_inference
from pcn_lib.gradients import compare, loss_and_bp_gradient, pc_gradient
from pcn_lib.inference import ActivityDescent, Solver
from pcn_lib.training import History, Optimiser, Schedule, train

#: Steps of the published protocol, at the rate of the other networks.
PUBLISHED_STEPS = 200
DESCENT = published_inference(1).optimiser


@dataclass(frozen=True)
class Curves:
    """Predictive coding and backpropagation trained from the same weights; axes [seeds, widths, steps].

    Attributes:
        energy: where inference ended, on predictive coding's weights: F* if it is an equilibrium.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        one_minus_cosine: 1 - cos of their gradients at the same step, each on its own weights.
        norm_ratio: length of predictive coding's gradient over that of backpropagation's.
        layers: 1 - cos of each layer with weights, from input to output.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        converged: whether every sample's certificate held.
        inference_steps: most iterations over the batch.
    """

    energy: Float[np.ndarray, "seeds widths steps"]
    pc_loss: Float[np.ndarray, "seeds widths steps"]
    bp_loss: Float[np.ndarray, "seeds widths steps"]
    one_minus_cosine: Float[np.ndarray, "seeds widths steps"]
    norm_ratio: Float[np.ndarray, "seeds widths steps"]
    layers: Float[np.ndarray, "seeds widths steps layers"]
    residual: Float[np.ndarray, "seeds widths steps"]
    converged: Bool[np.ndarray, "seeds widths steps"]
    inference_steps: Int[np.ndarray, "seeds widths steps"]

    @property
    def gap(self) -> Float[np.ndarray, "seeds widths steps"]:
        """1 - F / Loss on predictive coding's weights."""
        return 1 - self.energy / self.pc_loss

    @property
    def first(self) -> "Curves":
        """Before the first update; one step."""
        return Curves(*(getattr(self, field.name)[:, :, :1] for field in fields(Curves)))

    def of_width(self, place: int) -> "Curves":
        """One of the widths, as an axis of length 1."""
        return Curves(*(getattr(self, field.name)[:, place : place + 1] for field in fields(Curves)))


def trained(problems: Sequence[Sequence[Problem]], optimiser: Optimiser, schedule: Schedule) -> Curves:
    """Train every problem, laid out as [seeds][widths], by predictive coding and by backpropagation."""
    rows = [[_curves(train(problem, optimiser, schedule).history) for problem in row] for row in problems]
    return joined([joined(row, axis=1) for row in rows], axis=0)


def at_start(problems: Sequence[Sequence[Problem]], solver: Solver) -> Curves:
    """The same before the first update, which costs one equilibrium each."""
    rows = [[_curves(_before_training(problem, solver)) for problem in row] for row in problems]
    return joined([joined(row, axis=1) for row in rows], axis=0)


def stopped_after(problems: Sequence[Sequence[Problem]], counts: tuple[int, ...]) -> Curves:
    """Inference before the first update, stopped after each number of gradient-descent steps; counts for steps."""
    rows = [[_curves(_stopped(problem, jnp.array(counts))) for problem in row] for row in problems]
    return joined([joined(row, axis=1) for row in rows], axis=0)


@partial(jax.jit, static_argnames="solver")
def _before_training(problem: Problem, solver: Solver) -> History:
    return jax.tree.map(lambda entry: entry[None], _measured(problem, solver))


@jax.jit
def _stopped(problem: Problem, counts: Int[Array, " counts"]) -> History:
    # One program for all counts: a loop may end at a number that is not known when it is compiled.
    return jax.lax.map(lambda count: _measured(problem, ActivityDescent(DESCENT, count)), counts)


def _measured(problem: Problem, solver: Solver) -> History:
    equilibrium = solver(problem)
    value, gradient = loss_and_bp_gradient(problem)
    comparison = compare(pc_gradient(problem, equilibrium), gradient)
    largest, most = jnp.max(equilibrium.residual), jnp.max(equilibrium.steps)
    return History(equilibrium.energy, value, value, comparison, largest, equilibrium.converged, most)


def _curves(history: History) -> Curves:
    """One training, axes [1, 1, steps]; the quantities in the order of :class:`Curves`."""
    comparison = history.comparison
    quantities: tuple[Array, ...] = (
        history.energy,
        history.pc_loss,
        history.bp_loss,
        comparison.total.one_minus_cosine,
        comparison.total.norm_ratio,
        comparison.layers.one_minus_cosine,
        history.residual,
        history.converged,
        history.inference_steps,
    )
    return Curves(*(np.asarray(values)[None, None] for values in quantities))


def joined(parts: list[Curves], axis: int) -> Curves:
    """Several in one: along the seeds (axis 0) or the widths (axis 1)."""
    return Curves(*(np.concatenate([getattr(part, field.name) for part in parts], axis) for field in fields(Curves)))
