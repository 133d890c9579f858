"""What a certificate says where the activation has kinks: equilibria of ReLU networks before training.

At a minimum on a kink dF/dz does not vanish, and a sample can only be certified by standing still.  How far that is
from a minimum is asked of another method.

Source: derived here, see the chapter "Nonlinear networks".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float
from scipy.optimize import minimize

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Criterion, Equilibrium, SweepsThenNewton
from pcn_lib.inference.sample import Sample
from pcn_lib.network import Activities, feedforward

#: Searches from beside the point where inference stands still, each this far away relative to its errors.
SEARCHES, ASIDE = 4, 1e-3
#: Their iterations.
SEARCH_STEPS = 2000


@dataclass(frozen=True)
class Kinked:
    """Inference on networks with kinks before the first update; axes [seeds, widths].

    Attributes:
        by_gradient: share of samples certified by a vanishing dF/dz.
        standing: share certified because nothing moved any more.
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        gap: 1 - F / Loss where inference ended.
        one_minus_cosine: 1 - cos of predictive coding's gradient there and backpropagation's.
    """

    by_gradient: Float[np.ndarray, "seeds widths"]
    standing: Float[np.ndarray, "seeds widths"]
    residual: Float[np.ndarray, "seeds widths"]
    gap: Float[np.ndarray, "seeds widths"]
    one_minus_cosine: Float[np.ndarray, "seeds widths"]

    @property
    def uncertified(self) -> Float[np.ndarray, "seeds widths"]:
        """Share of samples without any certificate."""
        return 1 - self.by_gradient - self.standing


def kinked_equilibria(problems: Sequence[Sequence[Problem]], solver: SweepsThenNewton) -> Kinked:
    """Inference on every problem, laid out as [seeds, widths]."""

    @jax.jit
    def measure(problem: Problem) -> Float[Array, " quantities"]:
        reached = solver(problem)
        likeness = compare(pc_gradient(problem, reached), bp_gradient(problem)).total
        shares = [
            jnp.mean((reached.criterion == criterion).astype(problem.x.dtype))
            for criterion in (Criterion.GRADIENT, Criterion.STATIONARY)
        ]
        gap = 1 - reached.energy / loss(problem)
        return jnp.stack([*shares, jnp.max(reached.residual), gap, likeness.one_minus_cosine])

    measured = [[measure(problem) for problem in row] for row in problems]
    return Kinked(*np.moveaxis(np.array(measured), 2, 0))


@dataclass(frozen=True)
class Below:
    """What a search finds below the points where inference stands still; axes [seeds, widths].

    Attributes:
        excess: (F_still - F_found) / (Loss - F_found).
        still: 1 - cos of predictive coding's gradient and backpropagation's where inference stands still.
        found: the same where the search ends.
    """

    excess: Float[np.ndarray, "seeds widths"]
    still: Float[np.ndarray, "seeds widths"]
    found: Float[np.ndarray, "seeds widths"]


def search_below(problems: Sequence[Sequence[Problem]], solver: SweepsThenNewton) -> Below:
    """The BFGS method from where the solver ends, for every problem, laid out as [seeds, widths].

    It is known to get to minima on kinks, at the price of a dense matrix: for small networks and few samples.
    SciPy's asks for the strong Wolfe conditions, which a kink may refuse, so it begins several times and what it finds
    may still not be the lowest.  In double precision; rounding would hide what lies below.

    Source: Lewis and Overton, Nonsmooth optimization via quasi-Newton methods, Math. Program. 141 (2013).
    """
    with jax.enable_x64(True):
        measured = [[_below(jax.tree.map(_double, problem), solver) for problem in row] for row in problems]
    return Below(*np.moveaxis(np.array(measured), 2, 0))


def _double(leaf: Array) -> Array:
    return jnp.asarray(leaf, "float64")


def _below(problem: Problem, solver: SweepsThenNewton) -> tuple[float, float, float]:
    still = jax.jit(solver)(problem)
    searched = [search_sample(problem, still, i) for i in range(len(problem.x))]
    errors = jax.tree.map(lambda *parts: jnp.stack(parts), *(errors for errors, _ in searched))
    energies = jnp.array([energy for _, energy in searched])
    activities = feedforward(problem.network, problem.x, errors).activities
    found = replace(still, errors=errors, activities=activities, energies=energies)
    reference = bp_gradient(problem)
    still_angle, found_angle = (
        float(compare(pc_gradient(problem, at), reference).total.one_minus_cosine) for at in (still, found)
    )
    excess = float((still.energy - found.energy) / (loss(problem) - found.energy))
    return excess, still_angle, found_angle


def search_sample(problem: Problem, still: Equilibrium, i: int) -> tuple[Activities, float]:
    """Errors of sample i at the lowest energy found, and that energy."""
    sample = Sample(problem, problem.x[i], problem.y[i])
    start, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[i], still.errors))
    descend = jax.jit(jax.value_and_grad(lambda v: sample.energy(unravel(v))))
    draw = np.random.default_rng(i)
    best, lowest = np.asarray(start), float(still.energies[i])
    for _ in range(SEARCHES):
        aside = draw.normal(size=best.size) * ASIDE * np.linalg.norm(best) / best.size**0.5
        found = minimize(
            lambda v: tuple(map(np.asarray, descend(v))), best + aside, jac=True, method="BFGS",
            options=dict(maxiter=SEARCH_STEPS),
        )  # fmt: skip
        if found.fun < lowest:
            best, lowest = found.x, float(found.fun)
    return unravel(jnp.asarray(best)), lowest
