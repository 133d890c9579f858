"""Solvers side by side on one problem: how near the equilibrium each comes, against what it costs in BP steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER
from pcn_lib.gradients import loss_and_bp_gradient, pc_gradient, similarity
from pcn_lib.inference import ActivityDescent, Criterion, Equilibrium, Solver, Sweeps, SweepsThenNewton
from pcn_lib.network import Network

#: What the certified equilibrium, and iterations in the errors, are asked for: the latter are ended by their budget.
TIGHT = 1e-12
#: Steps of gradient descent that the README of the authors' code asks for, whatever the depth; the script runs 100 H.
README_STEPS = 100_000
#: A call is timed again until it has taken this many seconds, or this many times; the fastest counts.
LONG_ENOUGH, REPEATS = 0.02, 5


@dataclass(frozen=True)
class Method:
    """A solver and the budgets at which it is stopped.

    Methods of one family share its compilation: what tells them apart is traced, as the budget is.

    Attributes:
        name: as in the figures.
        family: from traced numbers to a solver.
        numbers: from a budget (steps, or a tolerance) to those numbers.
        budgets: from H hidden layers and the most sweeps allowed to the budgets.
    """

    name: str
    family: Callable[..., Solver]
    numbers: Callable[[float], tuple[float, ...]]
    budgets: Callable[[int, int], tuple[float, ...]]


def _powers(base: int, limit: int) -> tuple[int, ...]:
    """1, base, base^2, ... up to the limit."""
    return tuple(base**k for k in range(limit.bit_length()) if base**k <= limit)


def _up_to_the_scripts(hidden: int, _: int) -> tuple[int, ...]:
    """Steps on the activities: powers of four below the script's count, and that count."""
    count = STEPS_PER_LAYER * hidden
    return (*_powers(4, count - 1), count)


def _sweeps(_: int, limit: int) -> tuple[int, ...]:
    return _powers(2, limit)


def _newton_steps(_: int, limit: int) -> tuple[int, ...]:
    return _powers(2, limit // 2)


def _tolerances(_: int, __: int) -> tuple[float, ...]:
    return (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, TIGHT)


def _momentum(rate: float | Array, momentum: float | Array, steps: int | Array) -> Solver:
    """Nesterov's momentum; gradient descent where it is 0."""
    return ActivityDescent(optax.sgd(rate, momentum=momentum, nesterov=True), steps)


def _adam(rate: float | Array, steps: int | Array) -> Solver:
    return ActivityDescent(optax.adam(rate), steps)


_plain, _accelerated = partial(Sweeps, TIGHT), partial(Sweeps, TIGHT, accelerate=True)
#: The default solver, by name in the record.
DEFAULT = Method("default", SweepsThenNewton, lambda tolerance: (tolerance, 50, 200), _tolerances)
METHODS = (
    Method("gradient descent", _momentum, lambda steps: (ACTIVITY_RATE, 0.0, steps), _up_to_the_scripts),
    Method("momentum", _momentum, lambda steps: (0.1, 0.9, steps), _up_to_the_scripts),
    Method("Adam", _adam, lambda steps: (0.01, steps), _up_to_the_scripts),
    Method("sweeps", _plain, lambda sweeps: (sweeps,), _sweeps),
    Method("accelerated sweeps", _accelerated, lambda sweeps: (sweeps,), _sweeps),
    # Without sweeps, the default is Newton's method alone.
    Method("Newton-CG", SweepsThenNewton, lambda steps: (TIGHT, 0, steps), _newton_steps),
    DEFAULT,
)


@dataclass(frozen=True)
class Curve:
    """One solver stopped at increasing budgets; axes [budgets].

    Attributes:
        method: its name.
        steps: iterations taken, the most of the batch.
        cost: CPU time over that of one BP step (loss and weight gradient of the same network).
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        energy_gap: F / F* - 1, F* being the certified equilibrium's.
        gradient_error: ||PC gradient - that at the certified equilibrium|| / the latter's norm.
        one_minus_cosine: 1 - cos(PC, BP).
    """

    method: str
    steps: Int[np.ndarray, " budgets"]
    cost: Float[np.ndarray, " budgets"]
    residual: Float[np.ndarray, " budgets"]
    energy_gap: Float[np.ndarray, " budgets"]
    gradient_error: Float[np.ndarray, " budgets"]
    one_minus_cosine: Float[np.ndarray, " budgets"]

    def steps_to(self, residual: float) -> float:
        """The fewest steps, among the budgets, that reached a residual; infinity if none did."""
        reached = self.steps[self.residual <= residual]
        return float(reached.min()) if reached.size else np.inf


@dataclass(frozen=True)
class Reference:
    """The certified equilibrium that the solvers are measured against.

    Attributes:
        energy: F*.
        energy_over_loss: F* / Loss.
        residual: the largest relative ||dF/dz|| of the batch.
        one_minus_cosine: 1 - cos(PC, BP) there.
    """

    energy: float
    energy_over_loss: float
    residual: float
    one_minus_cosine: float


@dataclass(frozen=True)
class Case:
    """Every solver on one network.

    Attributes:
        activation: phi by name.
        shape: which of the settings' sizes.
        curves: in the order of :data:`METHODS`.
        reference: energy, residual and 1 - cos(PC, BP) at the certified equilibrium, and F* / Loss.
        stationary: samples whose certificate rests on stationarity instead of dF/dz.
        uncertified: samples without a certificate.
        bp_seconds: CPU time of one BP step.
    """

    activation: str
    shape: str
    curves: tuple[Curve, ...]
    reference: Reference
    stationary: int
    uncertified: int
    bp_seconds: float

    def curve(self, method: str) -> Curve:
        """The curve of one solver, by its name."""
        return next(curve for curve in self.curves if curve.method == method)

    @property
    def step_cost(self) -> float:
        """What one gradient-descent step costs in BP steps, from the longest run."""
        descent = self.curve("gradient descent")
        return float(descent.cost[-1] / descent.steps[-1])


def measure_case(problem: Problem, *, activation: str, shape: str, sweeps: int) -> Case:
    """Every solver at every budget on one network.

    Args:
        problem: network and batch.
        activation, shape: their names in the record.
        sweeps: the largest budget of sweeps, a power of two; of Newton steps half as many.
    """
    certified = solve(problem, DEFAULT, TIGHT)
    (bp_loss, bp), bp_seconds = _cpu_seconds(lambda: _bp_step(problem))
    targets = _Targets(certified.energy, _pc_gradient(problem, certified), bp)
    curves = []
    for method in METHODS:
        found = []
        for budget in method.budgets(problem.network.depth - 1, sweeps):
            reached, seconds = _cpu_seconds(partial(solve, problem, method, budget))
            judged = map(float, _judge(problem, reached, targets))
            found.append((int(reached.steps.max()), seconds / bp_seconds, *judged))
        curves.append(Curve(method.name, *map(np.array, zip(*found, strict=True))))
    residual, _, _, one_minus_cosine = map(float, _judge(problem, certified, targets))
    return Case(
        activation,
        shape,
        tuple(curves),
        Reference(float(certified.energy), float(certified.energy / bp_loss), residual, one_minus_cosine),
        stationary=int((certified.criterion == Criterion.STATIONARY).sum()),
        uncertified=int((certified.criterion == Criterion.NONE).sum()),
        bp_seconds=bp_seconds,
    )


class _Targets(NamedTuple):
    """What runs are compared with: the certified equilibrium's energy and PC gradient, and BP's gradient."""

    energy: Array
    pc: Network
    bp: Network


_bp_step, _pc_gradient = jax.jit(loss_and_bp_gradient), jax.jit(pc_gradient)


def solve(problem: Problem, method: Method, budget: float | int) -> Equilibrium:
    """Where a method stops at a budget."""
    return _solve(problem, method.family, *method.numbers(budget))


@partial(jax.jit, static_argnames="family")
def _solve(problem: Problem, family: Callable[..., Solver], *numbers: float | int | Array) -> Equilibrium:
    return family(*numbers)(problem)


@jax.jit
def _judge(problem: Problem, reached: Equilibrium, targets: _Targets) -> tuple[Array, Array, Array, Array]:
    """Residual, energy gap, error of the PC gradient and 1 - cos(PC, BP), as in :class:`Curve`."""
    gradient = pc_gradient(problem, reached)
    error, angle = similarity(gradient, targets.pc), similarity(gradient, targets.bp)
    gap = reached.energy / targets.energy - 1
    return jnp.max(reached.residual), gap, error.relative_error, angle.one_minus_cosine


def _cpu_seconds(call: Callable) -> tuple:
    """What a call returns, and the CPU time of this process that it takes once compiled (the least of several)."""
    answer = jax.block_until_ready(call())
    seconds = []
    while sum(seconds) < LONG_ENOUGH and len(seconds) < REPEATS:
        start = time.process_time()
        jax.block_until_ready(call())
        seconds.append(time.process_time() - start)
    return answer, min(seconds)
