"""The answer to inference: activities with a certificate."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pcn_lib.energy import Problem
from pcn_lib.network import Activities, feedforward
from pcn_lib.numerics import tree_dot, tree_norm, tree_subtract


class NotAtEquilibrium(RuntimeError):
    """An equilibrium was required and the activities are not at one."""


class Criterion(IntEnum):
    """Which test a sample's certificate rests on.

    ``GRADIENT``: the relative norm of dF/dz is within tolerance.  ``STATIONARY``: energy, activities and
    prediction errors stopped changing although dF/dz did not vanish, as on the kinks of a ReLU; the PC gradient, a
    product of the two, has then stopped changing with them.  That is weaker: the solver can go no further, and the
    minimum is near but may lie lower (measured in the chapter "Nonlinear networks").
    ``KINK``: units are at zero, where activations have a kink, and every directional derivative of F is that of a
    minimum, within tolerance; only :class:`~pcn_lib.inference.kinks.KinkNewton` looks for it.
    None is given to numbers that left the range of their type; see :func:`criterion`.
    """

    NONE = 0
    GRADIENT = 1
    STATIONARY = 2
    KINK = 3


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Equilibrium:
    """Activities, and the certificate of how near an energy minimum they are.

    Attributes:
        activities: z_1..z_{L-1}.
        errors: e_l = z_l - f_l(z_{l-1}), in the same layout.
        energies: F of each sample, axes [batch].
        residual: ||dF/dz|| of each sample, see :func:`relative_residual`, axes [batch].
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
        """Whether there are samples and every one passed a criterion."""
        return jnp.all(self.criterion != Criterion.NONE) & (self.criterion.size > 0)

    def require(self) -> "Equilibrium":
        """This equilibrium, if it is one; for use outside ``jit``.

        Raises:
            NotAtEquilibrium: some sample's certificate failed, or there is no sample.
        """
        if bool(self.converged):
            return self
        failed = self.criterion == Criterion.NONE
        if not failed.size:
            raise NotAtEquilibrium("an equilibrium of no samples given; one is needed at least: pass a batch")
        energies, residuals = self.energies[failed], self.residual[failed]
        if not bool(jnp.all(_in_range(energies) & jnp.isfinite(residuals))):
            raise NotAtEquilibrium(
                f"energies from {float(jnp.min(energies)):.1e} to {float(jnp.max(energies)):.1e} in {energies.dtype} "
                "given, where numbers overflow, vanish or saturate activations; an equilibrium needs them in range: "
                "scale x and y to about 1, lower the learning rate, or use float64"
            )
        raise NotAtEquilibrium(
            f"inference left {int(failed.sum())} of {failed.size} samples away from equilibrium (relative gradient "
            f"norm {float(jnp.max(self.residual)):.1e} after {int(jnp.max(self.steps))} steps); an equilibrium is "
            "needed here: allow more steps, use SweepsThenNewton, or ask for a tolerance that this precision can reach"
        )


#: How far ||e|| may fall below ||dF/dz|| on the feedforward pass before residuals are relative to ||e||.
FALL = 1e3
#: The share of 1/2 ||e||^2 that the rounding of E may hide, where E alone says that nothing can be gained.
HIDDEN = 1e-2


def relative_residual(norm: Array, feedforward: Array, errors: Activities) -> Array:
    """||dF/dz|| relative to its value on the feedforward pass, or to 1000 ||e|| where that is less.

    Where activations saturate, e falls far below that value, and what is small beside the latter may be larger than e
    itself.  Zero where dF/dz vanishes, for a sample that is fitted exactly.
    """
    size = FALL * tree_norm(errors)
    scale = jnp.where(size > 0, jnp.minimum(feedforward, size), feedforward)
    residual = jnp.where(norm == 0, norm, norm / scale)
    # An overflow beside which dF/dz is small makes no residual of zero.
    return jnp.where(jnp.isfinite(feedforward), residual, jnp.nan)


def criterion(
    residual: Array, tolerance: float | Array, energy: Array, errors: Activities, stationary: Array | bool
) -> Array:
    """The :class:`Criterion` of one sample; NONE where its numbers mean nothing.

    An energy that overflowed, or vanished although dF/dz did not, is no energy of an equilibrium.  ``STATIONARY``
    rests on E alone, which says nothing about errors whose share of it is within its rounding.

    Args:
        residual: as :func:`relative_residual` gives it.
        tolerance: that it must not exceed.
        energy: E where the solver stopped.
        errors: e there.
        stationary: whether nothing moved any more.
    """
    rounding = 8 * jnp.finfo(energy.dtype).eps * jnp.abs(energy)
    seen = rounding < HIDDEN * tree_dot(errors, errors) / 2
    kinked = jnp.where(stationary & seen, Criterion.STATIONARY, Criterion.NONE)
    held = jnp.where(residual <= tolerance, Criterion.GRADIENT, kinked)
    return jnp.where(_in_range(energy) | (residual == 0) & (energy == 0), held, Criterion.NONE)


def _in_range(energy: Array) -> Array:
    """Whether its type holds E: no overflow, and no term that counts lost to underflow."""
    kind = jnp.finfo(energy.dtype)
    return (jnp.abs(energy) >= kind.tiny / kind.eps) & jnp.isfinite(energy)


def displacement(problem: Problem, equilibrium: Equilibrium) -> Float[Array, ""]:
    """||z - h|| / ||h||: how far the activities that the readout reads have moved from the feedforward pass h."""
    top = jax.vmap(problem.network.top)
    z, h = top(equilibrium.activities), top(feedforward(problem.network, problem.x).activities)
    return tree_norm(tree_subtract(z, h)) / tree_norm(h)


@runtime_checkable
class Solver(Protocol):
    """Takes a problem to an equilibrium: hashable, and callable inside ``jit``."""

    def __call__(self, problem: Problem) -> Equilibrium: ...


def check_solver(solver: Solver) -> None:
    """Refuse what cannot solve: nothing, a name, or a solver's class without its brackets.

    Raises:
        ValueError: not a solver.
    """
    if isinstance(solver, type) or not callable(solver):
        given = solver.__name__ if isinstance(solver, type) else repr(solver)
        raise ValueError(f"solver = {given} given; a solver is needed: pass SweepsThenNewton(), or another with ()")
