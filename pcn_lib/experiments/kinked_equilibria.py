"""What a certificate says where the activation has kinks: equilibria of ReLU networks before training.

At a minimum on a kink dF/dz does not vanish, and a sample can only be certified by standing still.

Source: derived here, see the chapter "Nonlinear networks".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import Criterion, SweepsThenNewton


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
