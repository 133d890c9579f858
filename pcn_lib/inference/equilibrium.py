"""The answer to inference: activities with a certificate."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.network import Activities, feedforward
from pcn_lib.numerics import tree_norm, tree_subtract


class NotAtEquilibrium(RuntimeError):
    """An equilibrium was required and the activities are not at one."""


class Criterion(IntEnum):
    """Which test a sample's certificate rests on.

    ``GRADIENT``: the relative norm of dF/dz is within tolerance.  ``STATIONARY``: energy, activities and
    prediction errors stopped changing although dF/dz did not vanish, as on the kinks of a ReLU; the PC gradient, a
    product of the two, has then stopped changing with them.  That is weaker: the solver can go no further, and the
    minimum is near but may lie lower (measured in the chapter "Nonlinear networks").
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


def displacement(problem: Problem, equilibrium: Equilibrium) -> Float[Array, ""]:
    """||z - h|| / ||h||: how far the activities that the readout reads have moved from the feedforward pass h."""
    top = jax.vmap(problem.network.top)
    z, h = top(equilibrium.activities), top(feedforward(problem.network, problem.x).activities)
    return tree_norm(tree_subtract(z, h)) / tree_norm(h)


@runtime_checkable
class Solver(Protocol):
    """Takes a problem to an equilibrium: hashable, and callable inside ``jit``."""

    def __call__(self, problem: Problem) -> Equilibrium: ...
