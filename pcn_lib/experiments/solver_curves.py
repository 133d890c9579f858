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

from pcn_lib.energy import Problem, loss
from pcn_lib.experiments.published_inference import ACTIVITY_RATE, STEPS_PER_LAYER
from pcn_lib.gradients import bp_gradient, compare, loss_and_bp_gradient, pc_gradient
from pcn_lib.inference import (
    ActivityDescent,
    Criterion,
    Equilibrium,
    NewtonCG,
    Solver,
    Sweeps,
    SweepsThenNewton,
    equilibrate,
)
from pcn_lib.network import Network

#: What the certified equilibrium, and iterations in the errors, are asked for: the latter are ended by their budget.
TIGHT = 1e-12
#: Steps of gradient descent that the published description asks for, whatever the depth; the script runs 100 H.
README_STEPS = 100_000
#: A call is timed again until it has taken this many seconds, or this many times; the fastest counts.
LONG_ENOUGH, REPEATS = 0.1, 10


@dataclass(frozen=True)
class Method:
    """A solver and the budgets at which it is stopped.

    Attributes:
        name: as in the figures.
        build: from a budget (steps, or a tolerance) to the solver.
        budgets: from H hidden layers and the largest power of two allowed to the budgets.
    """

    name: str
    build: Callable[[Array], Solver]
    budgets: Callable[[int, int], tuple[float, ...]]


def _powers_of_two(limit: int) -> tuple[int, ...]:
    return tuple(2**k for k in range(limit.bit_length()))


def _descent(name: str, optimiser: optax.GradientTransformation) -> Method:
    """Steps on the activities: powers of two up to the published count, and that count."""

    def budgets(hidden: int, limit: int) -> tuple[int, ...]:
        published = STEPS_PER_LAYER * hidden
        return (*_powers_of_two(published - 1), published)

    return Method(name, partial(ActivityDescent, optimiser), budgets)


METHODS = (
    _descent("gradient descent", optax.sgd(ACTIVITY_RATE)),
    _descent("momentum", optax.sgd(0.1, momentum=0.9, nesterov=True)),
    _descent("Adam", optax.adam(0.01)),
    Method("sweeps", partial(Sweeps, TIGHT), lambda _, limit: _powers_of_two(limit)),
    Method("accelerated sweeps", partial(Sweeps, TIGHT, accelerate=True), lambda _, limit: _powers_of_two(limit)),
    Method("Newton-CG", partial(NewtonCG, TIGHT), lambda _, limit: _powers_of_two(limit // 2)),
    Method("default", SweepsThenNewton, lambda _, limit: (1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8, 1e-10, TIGHT)),
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

    def __str__(self) -> str:
        """What the published number of steps reaches, beside the certified equilibrium."""
        end = self.curve("gradient descent")
        return (
            f"{self.activation:<5}{self.shape:<7}{end.steps[-1]:5d} steps: residual {end.residual[-1]:.0e}, "
            f"gradient error {end.gradient_error[-1]:.0e}, 1 - cos {end.one_minus_cosine[-1]:.1e} "
            f"(equilibrium: {self.reference.one_minus_cosine:.1e})"
        )

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
    certified = equilibrate(problem, SweepsThenNewton(TIGHT))
    targets = _targets(problem, certified)
    _, bp_seconds = _cpu_seconds(lambda: _bp_step(problem))
    curves = []
    for method in METHODS:
        found = []
        for budget in method.budgets(problem.network.depth - 1, sweeps):
            reached, seconds = _cpu_seconds(partial(_solve, problem, method, budget))
            judged = map(float, _judge(problem, reached, targets))
            found.append((int(reached.steps.max()), seconds / bp_seconds, *judged))
        curves.append(Curve(method.name, *map(np.array, zip(*found, strict=True))))
    residual, _, _, one_minus_cosine = map(float, _judge(problem, certified, targets))
    return Case(
        activation,
        shape,
        tuple(curves),
        Reference(float(certified.energy), float(targets.energy / targets.loss), residual, one_minus_cosine),
        stationary=int((certified.criterion == Criterion.STATIONARY).sum()),
        uncertified=int((certified.criterion == Criterion.NONE).sum()),
        bp_seconds=bp_seconds,
    )


class _Targets(NamedTuple):
    """What runs are compared with: the certified equilibrium's energy and PC gradient, Loss and BP's gradient."""

    energy: Array
    loss: Array
    pc: Network
    bp: Network


@jax.jit
def _targets(problem: Problem, certified: Equilibrium) -> _Targets:
    return _Targets(certified.energy, loss(problem), pc_gradient(problem, certified), bp_gradient(problem))


_bp_step = jax.jit(loss_and_bp_gradient)


@partial(jax.jit, static_argnames="method")
def _solve(problem: Problem, method: Method, budget: float) -> Equilibrium:
    """The solver at a budget that is traced: one compilation for all budgets."""
    return method.build(budget)(problem)


@jax.jit
def _judge(problem: Problem, reached: Equilibrium, targets: _Targets) -> tuple[Array, Array, Array, Array]:
    """Residual, energy gap, error of the PC gradient and 1 - cos(PC, BP), as in :class:`Curve`."""
    gradient = pc_gradient(problem, reached)
    error = compare(gradient, targets.pc).total.relative_error
    angle = compare(gradient, targets.bp).total.one_minus_cosine
    return jnp.max(reached.residual), reached.energy / targets.energy - 1, error, angle


def _cpu_seconds(call: Callable) -> tuple:
    """What a call returns, and the CPU time of this process that it takes once compiled (the least of several)."""
    answer = jax.block_until_ready(call())
    seconds = []
    while sum(seconds) < LONG_ENOUGH and len(seconds) < REPEATS:
        start = time.process_time()
        jax.block_until_ready(call())
        seconds.append(time.process_time() - start)
    return answer, min(seconds)
