"""The answer to inference, and the verb that asks for it."""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.network import Activities, check_input


class NotAtEquilibrium(RuntimeError):
    """An equilibrium was required and the activities are not at one."""


class Criterion(IntEnum):
    """Which test a sample's certificate rests on.

    ``GRADIENT``: the relative norm of dF/dz is within tolerance.  ``STATIONARY``: energy, activities and
    prediction errors stopped changing although dF/dz did not vanish, as at a minimum on a kink (ReLU); the PC
    gradient, a product of the two, has then stopped changing with them.
    """

    NONE = 0
    GRADIENT = 1
    STATIONARY = 2


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Equilibrium:
    """Activities, and the certificate of how near an energy minimum they are.

    Attributes:
        activities: z_1..z_{L-1}.
        errors: e_l = z_l - f_l(z_{l-1}), in the same layout.
        energies: F of each sample, axes [batch].
        residual: ||dF/dz|| of each sample relative to its value on the feedforward pass, axes [batch].
        steps: iterations of each sample, axes [batch].
        criterion: a :class:`Criterion` for each sample, axes [batch].
    """

    activities: Activities
    errors: Activities
    energies: Float[Array, "*batch"]
    residual: Float[Array, "*batch"]
    steps: Int[Array, "*batch"]
    criterion: Int[Array, "*batch"]

    @property
    def energy(self) -> Float[Array, ""]:
        """F*, the mean over the batch."""
        return jnp.mean(self.energies)

    @property
    def converged(self) -> Array:
        """Whether every sample passed a criterion."""
        return jnp.all(self.criterion != Criterion.NONE)

    def require(self) -> "Equilibrium":
        """This equilibrium, if it is one; for use outside ``jit``.

        Raises:
            NotAtEquilibrium: some sample's certificate failed.
        """
        if bool(self.converged):
            return self
        failed = self.criterion == Criterion.NONE
        raise NotAtEquilibrium(
            f"inference left {int(failed.sum())} of {failed.size} samples away from equilibrium (relative gradient "
            f"norm {float(jnp.max(self.residual)):.1e} after {int(jnp.max(self.steps))} steps); an equilibrium is "
            "needed here: allow more steps, use SweepsThenNewton, or ask for a tolerance that this precision can reach"
        )


@runtime_checkable
class Solver(Protocol):
    """Takes a problem to an equilibrium: hashable, and callable inside ``jit``."""

    def __call__(self, problem: Problem) -> Equilibrium: ...


def equilibrate(problem: Problem, solver: Solver) -> Equilibrium:
    """Minimise the energy over the activities: F* = min_z F(z; theta), from the feedforward pass.

    Args:
        problem: network, batch and objective.
        solver: how; see the solvers of this package, or ``LinearExact`` in :mod:`pcn_lib.rescaling`.

    Returns:
        Activities with their certificate; ask it to ``.require()`` convergence.

    Raises:
        ValueError: x of another network, or NaN or infinity in x, y or the weights (named).
    """
    check_input(problem.network, problem.x)
    answer = _equilibrate(problem, solver)
    # Looked at only once the answer is bad: finite input costs nothing.
    if not bool(jnp.all(jnp.isfinite(answer.energies))):
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
