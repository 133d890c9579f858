"""The authors' library beside this one: the same trainings, from the same weights, in processes that take turns."""

import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.cases import Size, problem
from benchmarks.nonlinear import SHARES, TOLERANCE, extrapolated
from benchmarks.peers.ours import layers
from benchmarks.rows import Row
from benchmarks.scaling import peak_memory
from benchmarks.timing import Cost, Measured, isolated, seconds
from pcn_lib.data import toy_task
from pcn_lib.energy import Problem, cross_entropy, loss
from pcn_lib.inference import SweepsThenNewton
from pcn_lib.network import MLP
from pcn_lib.numerics import use_float64
from pcn_lib.parameterisation import mupc_skips
from pcn_lib.rescaling import LinearExact
from pcn_lib.training import Adam, GradientDescent, Schedule, train

SCRIPT = Path(__file__).parent / "peers" / "speed_of_jpc.py"
RATE = 0.1


class Grid(NamedTuple):
    """Deep linear residual networks on the toy task, trained side by side with BP for a number of steps."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    steps: int

    def __str__(self) -> str:
        hidden = ", ".join(str(depth - 1) for depth in self.depths)
        return f"H = {hidden}, N = {', '.join(map(str, self.widths))}, {self.steps} steps"


class GridCost(NamedTuple):
    """Of a process that ran the grid: seconds, MB, the largest residual, and the losses of PC and BP at the end."""

    cost: Cost
    peak: float
    residual: float
    losses: list[float]


def problems(grid: Grid) -> list[Problem]:
    """Its networks at initialisation, with the toy task."""
    data = toy_task(0)
    x, y = jnp.asarray(data.x), jnp.asarray(data.y)
    mlps = [MLP(x.shape[1], width, depth, skips=True) for depth in grid.depths for width in grid.widths]
    return [Problem(mlp.init(jax.random.key(0), mupc_skips(), x.dtype), x, y) for mlp in mlps]


def grid_cost(grid: Grid) -> GridCost:
    """Train every network of the grid; to be run :func:`isolated`."""
    use_float64()
    residuals, losses = [], []

    def run() -> None:
        for given in problems(grid):
            trained = train(given, GradientDescent(RATE), Schedule(grid.steps, LinearExact()))
            residuals.append(float(jnp.max(trained.history.residual)))
            losses.extend(float(loss(Problem(network, given.x, given.y))) for network in (trained.pc, trained.bp))

    return GridCost(seconds(run), peak_memory(), max(residuals), losses)


def whole_grid(python: str, grid: Grid, rounds: int, goal: float) -> tuple[Row, ...]:
    """Every width and depth in one process, against the authors' library in one."""
    cases = problems(grid)
    given = dict(depths=[len(layers(one.network)) for one in cases], steps=grid.steps, rate=RATE)
    turns = [(isolated(grid_cost, grid), asked(python, "linear training", cases, **given)) for _ in range(rounds)]
    mine, theirs = zip(*turns, strict=True)
    apart = np.linalg.norm(np.subtract(mine[0].losses, theirs[0]["losses"])) / np.linalg.norm(theirs[0]["losses"])
    words = dict(
        what=f"linear PC + BP training, {grid}, float64",
        against="the authors' library",
        cost=False,
        processor_ratio=None,
        disagreement=float(apart),
    )
    how = f"its start not included, compilation included; {theirs[0]['versions']}; compared are the losses at the end"
    return (
        Row(
            title="grid: seconds",
            unit="s",
            ours=median(run.cost.wall for run in mine),
            baseline=median(run["seconds"] for run in theirs),
            goal=goal,
            how=f"each side one process, {how}",
            **words,
        ),
        Row(
            title="grid: memory",
            unit="MB",
            ours=median(run.peak for run in mine),
            baseline=median(run["peak"] for run in theirs),
            goal=None,
            how=f"peak memory of each side's process, {how}",
            **words,
        ),
    )


def training_step(python: str, size: Size, rounds: int) -> tuple[Row, ...]:
    """PC's and BP's update of a nonlinear network, certified, against the authors' library by the script's protocol."""
    case = problem(size, jnp.tanh, cross_entropy, dtype="float32")
    steps = 100 * (size.depth - 1)
    counts = [steps // share for share in SHARES]
    theirs = asked(python, "training step", [case], depths=[size.depth], counts=counts, rounds=rounds)
    schedule = Schedule(1, SweepsThenNewton(TOLERANCE))
    history = train(case, Adam(1e-3), schedule).history
    mine = median(seconds(lambda: train(case, Adam(1e-3), schedule)).wall for _ in range(rounds))
    sides = [Measured(None, time, 0.0) for time in theirs["seconds"]]
    row = Row(
        title=f"training step, {size.short}: the authors' library",
        what=f"tanh, cross-entropy, PC + BP + comparison + Adam, {size}, float32, to {TOLERANCE:.0e}",
        against=f"{steps} gradient steps on the activities",
        unit="ms",
        ours=1e3 * mine,
        baseline=1e3 * extrapolated(tuple(counts), sides, steps).wall,
        cost=False,
        goal=None,
        processor_ratio=None,
        disagreement=None,
        how=f"ours converged: {bool(history.converged[0])}; of the baseline, {counts[0]} and {counts[1]} steps, and a "
        f"straight line through both, were timed; {theirs['versions']}",
    )
    return (row,)


def asked(python: str, task: str, cases: list[Problem], **given: Any) -> dict[str, Any]:
    """What a process of the authors' library measured, from the weights and the batch of these networks."""
    weights = {
        f"{number}_{place}": layer.weight[...]
        for number, case in enumerate(cases)
        for place, layer in enumerate(layers(case.network))
    }
    with tempfile.TemporaryDirectory() as folder:
        question, answers = Path(folder) / "given.npz", Path(folder) / "answers.npz"
        np.savez(question, task=task, x=cases[0].x, y=cases[0].y, **weights, **given)
        # Flags for this process's XLA are not all known to another version's.
        environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        subprocess.run([python, str(SCRIPT), str(question), str(answers)], check=True, env=environment)
        return {name: value.tolist() for name, value in np.load(answers).items()}
