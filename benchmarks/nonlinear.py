"""Nonlinear networks: a certified training step against the script's protocol, and equilibria in BP steps."""

import jax
import jax.numpy as jnp

from benchmarks.cases import Size, problem
from benchmarks.rows import Row
from benchmarks.timing import Cost, Measured, alternate, cost, speed_up
from pcn_lib.energy import Loss, cross_entropy
from pcn_lib.gradients import loss_and_bp_gradient
from pcn_lib.inference import Solver, SweepsThenNewton, gradient_descent
from pcn_lib.training import Adam, Schedule, train

#: Relative norm of dF/dz asked for in a float32 training step.
TOLERANCE = 1e-5
#: The shares of the published steps that are timed where not all are; a straight line through both gives the whole.
SHARES = (100, 10)


def training_step(size: Size, rounds: int, goal: float, *, full: bool) -> tuple[Row, ...]:
    """PC, BP and their comparison for one update, certified, against inference by the script's protocol.

    Args:
        full: time the script's protocol with all its steps and not with a tenth of them.
    """
    case = problem(size, jnp.tanh, cross_entropy, dtype="float32")
    hidden = size.depth - 1
    steps = 100 * hidden
    counts = (steps,) if full else tuple(steps // share for share in SHARES)
    solvers: list[Solver] = [SweepsThenNewton(TOLERANCE), *(gradient_descent(0.3, count) for count in counts)]
    schedules = [Schedule(1, solver) for solver in solvers]
    ours, *published = alternate([lambda s=s: train(case, Adam(1e-3), s).history for s in schedules], rounds)
    timed = "all" if full else f"{counts[0]} and {counts[1]} steps, and a straight line through both,"
    residual, converged = float(ours.answer.residual[0]), bool(ours.answer.converged[0])
    row = speed_up(
        ours,
        published[0] if full else extrapolated(counts, published, steps),
        title=f"training step, {size.short}: the script's protocol",
        what=f"tanh, cross-entropy, PC + BP + comparison + Adam, {size}, float32, to {TOLERANCE:.0e}",
        against=f"{steps} gradient steps on the activities",
        goal=goal,
        how=f"ours reached {residual:.0e}, converged: {converged}; of the baseline, {timed} were timed",
    )
    return (row,)


def extrapolated(counts: tuple[int, ...], published: list[Measured], steps: int) -> Cost:
    """What all the steps would take: a straight line through what some of them took.

    A line that falls is the clock's noise, and more steps then count as much as fewer.
    """
    (few, many), (less, more) = counts, published

    def line(a: float, b: float) -> float:
        return b + (steps - many) * max(b - a, 0.0) / (many - few)

    return Cost(line(less.wall, more.wall), line(less.processor, more.processor))


def equilibrium(size: Size, loss: Loss, rounds: int, goal: float | None) -> tuple[Row, ...]:
    """The default solver to its default tolerance, certificate included, in BP steps."""
    case = problem(size, jnp.tanh, loss)
    solver = SweepsThenNewton()
    sides = (jax.jit(solver), jax.jit(loss_and_bp_gradient))
    ours, bp = alternate([lambda side=side: side(case) for side in sides], rounds)
    reached = ours.answer
    iterations, residual = int(jnp.max(reached.steps)), float(jnp.max(reached.residual))
    name = loss.__name__.replace("_", " ")
    row = cost(
        ours,
        bp,
        title=f"equilibrium, {name}, {size.short}",
        what=f"tanh, {name}, N = {size.width // size.depth} L: {size}, float64",
        against="one BP step",
        goal=goal,
        how=f"to {solver.tolerance:.0e}: {iterations} iterations reached {residual:.0e}, "
        f"converged: {bool(reached.converged)}",
    )
    return (row,)
