"""The verb of inference."""

from functools import partial

import jax
import jax.numpy as jnp

from pcn_lib.energy import Problem
from pcn_lib.inference.equilibrium import Equilibrium, Solver, check_solver
from pcn_lib.inference.newton import SweepsThenNewton
from pcn_lib.network import check_input

#: The solver that reaches the equilibrium of wide and of narrow networks, as far as rounding allows.
DEFAULT = SweepsThenNewton()


def equilibrate(problem: Problem, solver: Solver = DEFAULT) -> Equilibrium:
    """Minimise the energy over the activities: F* = min_z F(z; theta), from the feedforward pass.

    Args:
        problem: network, batch and objective.
        solver: how; another solver of this package, or ``LinearExact`` of :mod:`pcn_lib.rescaling`.

    Returns:
        Activities with their certificate; ask it to ``.require()`` convergence.

    Raises:
        ValueError: no solver, x of another network, or NaN or infinity in x, y or the weights (named).
    """
    check_solver(solver)
    check_input(problem.network, problem.x)
    answer = _equilibrate(problem, solver)
    # tanh makes a finite energy of an infinite input, so x and y are looked at too; the weights only once E is bad.
    if not all(bool(jnp.all(jnp.isfinite(a))) for a in (answer.energies, problem.x, problem.y)):
        _refuse_non_finite(problem)
    return answer


@partial(jax.jit, static_argnames="solver")
def _equilibrate(problem: Problem, solver: Solver) -> Equilibrium:
    return solver(problem)


def _refuse_non_finite(problem: Problem) -> None:
    parts = {"inputs x": problem.x, "targets y": problem.y, "weights": problem.network}
    for name, part in parts.items():
        if not all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(part)):
            raise ValueError(f"NaN or infinity in the {name}; inference needs finite numbers: check their source")
