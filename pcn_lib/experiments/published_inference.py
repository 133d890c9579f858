"""Inference of the authors' public script: a number of gradient-descent steps on the activities, fixed in advance.

It stops by count, not by what is left; :func:`skip_chain_residual` says how much to expect.
"""

from functools import cache

import numpy as np
import optax

from pcn_lib.inference import ActivityDescent

#: Rate of gradient descent on the activities, and its steps for each hidden layer.
ACTIVITY_RATE, STEPS_PER_LAYER = 0.3, 100


@cache
def descent(rate: float) -> optax.GradientTransformation:
    """Gradient descent at a rate: one instance, so that equal solvers compile once."""
    return optax.sgd(rate)


def published_inference(hidden: int) -> ActivityDescent:
    """The script's solver for a network of H hidden layers: 100 H steps at rate 0.3."""
    return ActivityDescent(descent(ACTIVITY_RATE), STEPS_PER_LAYER * hidden)


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
