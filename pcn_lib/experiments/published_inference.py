"""The published protocol of inference: a number of gradient-descent steps on the activities that is fixed in advance.

It stops by count, not by what is left; this module measures what is left, and says how much to expect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from pcn_lib.energy import Problem, loss
from pcn_lib.gradients import bp_gradient, compare, pc_gradient
from pcn_lib.inference import ActivityDescent

#: Rate of gradient descent on the activities, and its steps for each hidden layer.
ACTIVITY_RATE, STEPS_PER_LAYER = 0.3, 100

@cache
def descent(rate: float) -> optax.GradientTransformation:
    """Gradient descent at a rate: one instance, so that equal solvers compile once."""
    return optax.sgd(rate)


def published_inference(hidden: int) -> ActivityDescent:
    """The published solver for a network of H hidden layers: 100 H steps at rate 0.3."""
    return ActivityDescent(descent(ACTIVITY_RATE), STEPS_PER_LAYER * hidden)


@dataclass(frozen=True)
class Stopped:
    """What predictive coding is when inference stops after T steps; axes [..., counts].

    Attributes:
        residual: ||dF/dz|| relative to its value on the feedforward pass, the largest of the batch.
        gap: 1 - F / (lambda Loss).
        one_minus_cosine: 1 - cos of its gradient and backpropagation's.
        norm_ratio: length of its gradient over that of backpropagation's.
    """

    residual: Float[np.ndarray, "*more counts"]
    gap: Float[np.ndarray, "*more counts"]
    one_minus_cosine: Float[np.ndarray, "*more counts"]
    norm_ratio: Float[np.ndarray, "*more counts"]


def stop_after(
    problems: Sequence[Sequence[Problem]], counts: tuple[int, ...], rate: float = ACTIVITY_RATE
) -> Stopped:
    """Stop inference on every problem, laid out as [seeds, widths], after each number of steps at a rate."""
    measured = [[_stopped(problem, counts, rate) for problem in row] for row in problems]
    return Stopped(*np.moveaxis(np.array(measured), 2, 0))


@partial(jax.jit, static_argnames=("counts", "rate"))
def _stopped(problem: Problem, counts: tuple[int, ...], rate: float) -> Float[Array, "quantities counts"]:
    """The quantities of :class:`Stopped`, in its order."""
    reference, value = bp_gradient(problem), problem.output_precision * loss(problem)

    def stop(count: int) -> Float[Array, " quantities"]:
        reached = ActivityDescent(descent(rate), count)(problem)
        likeness = compare(pc_gradient(problem, reached), reference).total
        gap = 1 - reached.energy / value
        return jnp.stack([jnp.max(reached.residual), gap, likeness.one_minus_cosine, likeness.norm_ratio])

    return jnp.stack([stop(count) for count in counts], axis=1)


def skip_chain_residual(hidden: int, rate: float, steps: int) -> float:
    """The relative norm of dF/dz that gradient descent on z leaves in a chain of skips without branches.

    With f_l(z) = z the Hessian d2F/dz2 has the eigenvalues mu_k = 2 - 2 cos((2k - 1) pi / (2H + 1)), k = 1..H, and
    dF/dz on the feedforward pass, which is zero but at the top, has the share c_k in their eigenvectors:

        residual^2 = sum_k c_k^2 (1 - beta mu_k)^(2T),    c_k^2 = 4 / (2H + 1) sin^2((2k - 1) pi H / (2H + 1))

    The slowest mode, mu_1 ~ (pi / 2H)^2, asks for a number of steps that grows as H^2.

    Source: derived here, see the chapter "Nonlinear networks".

    Args:
        hidden: H.
        rate: beta.
        steps: T.
    """
    angles = (2 * np.arange(1, hidden + 1) - 1) * np.pi / (2 * hidden + 1)
    shares = 4 / (2 * hidden + 1) * np.sin(angles * hidden) ** 2
    return float(np.sqrt(np.sum(shares * (1 - rate * (2 - 2 * np.cos(angles))) ** (2 * steps))))
