"""Trainings of several networks by predictive coding and backpropagation, and inference before the first update."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.experiments.profiles import SettingsError
from pcn_lib.inference import Solver, gradient_descent
from pcn_lib.study import curves
from pcn_lib.training import History, Optimiser, Schedule, measured, train
from pcn_lib.training import at_start as start_of

#: Problems laid out as [seeds][networks]: initialisations of each, mostly of several widths.
Problems = Sequence[Sequence[Problem]]


@dataclass(frozen=True)
class Curves:
    """Predictive coding and backpropagation trained from the same weights; axes [seeds, networks, steps].

    Attributes:
        energy: where inference ended, over lambda, on predictive coding's weights: F* / lambda at an equilibrium.
        pc_loss: Loss on predictive coding's weights.
        bp_loss: Loss on backpropagation's weights.
        one_minus_cosine: 1 - cos of their gradients at the same step, each on its own weights.
        norm_ratio: length of predictive coding's gradient over that of backpropagation's.
        layers: 1 - cos of each layer with weights, from input to output.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        converged: whether every sample's certificate held.
        inference_steps: most iterations over the batch.
    """

    energy: Float[np.ndarray, "seeds networks steps"]
    pc_loss: Float[np.ndarray, "seeds networks steps"]
    bp_loss: Float[np.ndarray, "seeds networks steps"]
    one_minus_cosine: Float[np.ndarray, "seeds networks steps"]
    norm_ratio: Float[np.ndarray, "seeds networks steps"]
    layers: Float[np.ndarray, "seeds networks steps layers"]
    residual: Float[np.ndarray, "seeds networks steps"]
    converged: Bool[np.ndarray, "seeds networks steps"]
    inference_steps: Int[np.ndarray, "seeds networks steps"]

    @property
    def gap(self) -> Float[np.ndarray, "seeds networks steps"]:
        """1 - F / (lambda Loss) on predictive coding's weights."""
        return 1 - self.energy / self.pc_loss

    @property
    def first(self) -> "Curves":
        """Before the first update; one step."""
        return type(self)(*(getattr(self, field.name)[:, :, :1] for field in fields(self)))

    def take(self, places: Sequence[int]) -> "Curves":
        """Some of the networks, in the order asked for."""
        return type(self)(*(getattr(self, field.name)[:, list(places)] for field in fields(self)))


class BothProtocols:
    """For settings of networks that are trained at certified equilibria, and some by the script's protocol too."""

    widths: tuple[int, ...]
    published_trained: tuple[int, ...]

    @property
    def by_count(self) -> tuple[int, ...]:
        """Widths trained by both protocols."""
        return tuple(width for width in self.published_trained if width in self.widths)


class WiderAtStart(BothProtocols):
    """The same, with further widths that are measured before the first update only."""

    wide: tuple[int, ...]
    published: tuple[int, ...]

    @property
    def untrained(self) -> tuple[int, ...]:
        """Widths measured before the first update only: the wider ones, and those where inference is also stopped."""
        return tuple(sorted({*self.wide, *self.published} - {*self.widths}))

    def check_untrained(self) -> None:
        """Refuse settings without such widths.

        Raises:
            SettingsError: all of ``wide`` and ``published`` are trained.
        """
        if not self.untrained:
            raise SettingsError(
                f"wide = {self.wide} given; all of them are trained, and rates want others: choose one not in widths"
            )


class KnownAtStart:
    """For records of such settings: ``trained`` for their widths, ``wide`` for those that are not trained."""

    settings: WiderAtStart
    trained: Curves
    wide: Curves

    @property
    def all_widths(self) -> tuple[int, ...]:
        """Widths known at initialisation, ascending."""
        return tuple(sorted((*self.settings.widths, *self.settings.untrained)))

    @property
    def start(self) -> Curves:
        """Certified equilibria before the first update, for ``all_widths``; one step."""
        known = (*self.settings.widths, *self.settings.untrained)
        return joined([self.trained.first, self.wide], axis=1).take([known.index(width) for width in self.all_widths])


Kind = TypeVar("Kind", bound=Curves)
#: A problem; the table asks nothing of it.
One = TypeVar("One")


def trained(problems: Problems, optimiser: Optimiser, schedule: Schedule, kind: type[Kind] = Curves) -> Kind:
    """Train every problem by predictive coding and by backpropagation.

    Args:
        problems: [seeds][networks].
        optimiser: of both.
        schedule: how long, and how inference is done.
        kind: Curves, or a subclass with the fields of the named tuple that ``schedule.probe`` returns.
    """
    return _table(lambda one: _curves(train(one, optimiser, schedule).history, one, kind), problems)


def at_start(problems: Problems, solver: Solver) -> Curves:
    """The same before the first update, which costs one equilibrium each; one step."""
    return _table(lambda problem: _curves(_one_step(start_of(problem, solver)), problem), problems)


def stopped_after(problems: Problems, counts: tuple[int, ...], rate: float) -> Curves:
    """Inference before the first update, stopped after each number of gradient-descent steps on the activities.

    Returns:
        Curves whose last axis is ``counts`` in place of training steps.
    """
    return _table(lambda one: _curves(_stopped(one, jnp.array(counts), rate), one), problems)


@partial(jax.jit, static_argnames="rate")
def _stopped(problem: Problem, counts: Int[Array, " counts"], rate: float) -> History:
    # One program for all counts: a loop may end at a number that is not known when it is compiled.
    return jax.lax.map(lambda count: measured(problem, problem, gradient_descent(rate, count))[0], counts)


def _one_step(history: History) -> History:
    """With an axis of a single step."""
    return jax.tree.map(lambda entry: entry[None], history)


def _curves(history: History, problem: Problem, kind: type[Kind] = Curves) -> Kind:
    """One training, axes [1, 1, steps]."""
    named = curves(history, output_precision=problem.output_precision)
    return kind(**{name: np.asarray(values)[None, None] for name, (_, values) in named.items()})


def _table(measure: Callable[[One], Kind], problems: Sequence[Sequence[One]]) -> Kind:
    """Every problem measured: [seeds, networks]."""

    def of_network(seeds: Sequence[One]) -> Kind:
        return joined([measure(problem) for problem in seeds], axis=0)

    columns = list(zip(*problems, strict=True))
    if jax.default_backend() == "cpu":
        return joined([of_network(seeds) for seeds in columns], axis=1)
    # An accelerator waits for the compiler, which takes one core for each network: the networks are independent.
    with ThreadPoolExecutor(min(len(columns), os.cpu_count() or 1)) as pool:
        return joined(list(pool.map(of_network, columns)), axis=1)


def joined(parts: Sequence[Kind], axis: int) -> Kind:
    """Several in one: along the seeds (axis 0) or the networks (axis 1)."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts], axis) for field in fields(kind)))
